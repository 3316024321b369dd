"""Routes of workbenches: list, log, start, open and stop them."""
