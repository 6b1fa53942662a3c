"""Drift: functions' objects that are no longer what was recorded when they were applied."""
