"""pandas DataFrames to Arrow and back, without loss.

- `frame`: whole DataFrames, with their indexes.
- `columns`, `objects`: single columns, and columns of Python objects.
- `metadata`: the pandas metadata in an Arrow schema.
- `interval_labels`: categories that are intervals.
- `nested`: which nested values pandas holds exactly.
"""
