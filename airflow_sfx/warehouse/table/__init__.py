"""A table as opened, as a target of a store, and its tombstones."""
