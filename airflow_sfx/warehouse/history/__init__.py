"""History, audit and the current state of a table."""
