"""Storing, publishing, and batches that other processes write."""
