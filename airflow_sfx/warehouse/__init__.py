"""The warehouse: every operation on batches."""
