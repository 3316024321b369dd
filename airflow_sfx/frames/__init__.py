"""Frames of pandas, polars, pyarrow or Spark to Parquet and back, without loss.

The sub-rooms, from top to bottom; each imports only from those below it:

- `inputs`, `outputs`, `dbapi`: frames that callers pass and get; rows of a database cursor.
- `input_stream`: several frames as one stream with one schema.
- `parquet`: writing files, planning reads and scanning, byte ranges, statistics.
- `evolution`: how the columns of a table change; batches of several schemas read as one frame.
- `predicates`: filters, SQL conditions, and exact comparisons.
- `partitioning`, `python_values`: rows by partition key; Python values to Arrow arrays.
- `schema`: the schema of a frame in files, in the metastore and in the manifest.
- `pandas`: DataFrames to Arrow and back, and the pandas metadata.
- `types`: types of single columns, Arrow and Hive, and casts between them.
- `column_names`: which column names are valid, and the names of open columns.
"""
