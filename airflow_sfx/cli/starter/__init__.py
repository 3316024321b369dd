"""``sfx init``: a folder with a DAG and its test, to start from."""
