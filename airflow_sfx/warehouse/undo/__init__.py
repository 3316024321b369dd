"""Rollbacks of partitions, runs and backfills."""
