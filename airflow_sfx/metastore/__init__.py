"""The catalogs behind one small protocol: tables, partitions, and where each partition's current batch is."""
