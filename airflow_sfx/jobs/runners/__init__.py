"""Runners: how the process or container of a job starts, is watched and ends."""
