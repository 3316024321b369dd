"""The schema of a frame in files, in the metastore, and as it is remembered."""
