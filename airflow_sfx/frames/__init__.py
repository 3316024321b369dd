"""Frames: pandas, polars, pyarrow or Spark to Arrow to Parquet and back, exactly; and the Hive schema of it."""
