"""How the columns of a table change, and batches of several schemas read as one."""
