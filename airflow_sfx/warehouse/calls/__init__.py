"""The calls of a `Warehouse`, by what they are for."""
