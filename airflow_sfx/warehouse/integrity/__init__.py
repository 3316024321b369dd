"""Verification, repair and consistency checks."""
