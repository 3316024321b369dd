"""Types: logical in frames, physical in files, Hive in the metastore, and the casts between them."""
