"""A table as opened, its log as objects, and its tombstones."""
