"""Filters on rows.

- `expressions`: filters as callers pass them, as pyarrow expressions.
- `sql`: SQL conditions as pyarrow expressions.
- `comparison`: comparisons of a column with a value.
- `exact_values`: Python values as exact numbers, for comparisons.
"""
