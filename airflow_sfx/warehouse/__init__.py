"""The warehouse: transactional operations on batch-ID tables."""
