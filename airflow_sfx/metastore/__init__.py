"""Metastores: tables, partitions, and the pointers to their current batches."""
