"""The history of partitions: commits, heads, and the metastore kept in step."""
