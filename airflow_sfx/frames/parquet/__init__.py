"""Parquet files: writing, planning a read, scanning, byte ranges and statistics."""
