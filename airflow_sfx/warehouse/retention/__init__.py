"""Expiring, vacuuming and erasing."""
