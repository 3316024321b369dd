"""Verify, repair, restore, and consistency checks."""
