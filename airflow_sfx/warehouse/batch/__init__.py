"""Batches: writing files, staging, and what files a directory holds."""
