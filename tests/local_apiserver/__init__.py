"""Tests of the local API server; most of them hold it to a real one by running against both."""
