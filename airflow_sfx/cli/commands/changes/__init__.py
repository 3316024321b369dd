"""The commands that list changes across tables, and undo them."""
