"""Parquet files: writing and reading.

- `writer`: a table as files. `dictionaries`: which columns get a dictionary.
- `reader`: files as a table or a stream. `plan`: schema, columns, filters and scans of a read.
  `scan`: one scan of files that have compatible schemas.
- `byte_ranges`: the parts of remote files that a scan needs.
- `statistics`: column statistics from footers. `memory_estimate`: the memory that a diff needs.
"""
