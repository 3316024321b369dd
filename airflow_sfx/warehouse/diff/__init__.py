"""Differences between two pins."""
