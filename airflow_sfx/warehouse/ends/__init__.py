"""Ends of partitions, tables and names: drop, restore, rename."""
