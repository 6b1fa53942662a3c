"""Measurements: run `make bench`. Nothing here is imported by the rooms."""
