"""Loading batches into frames, Spark and external SQL."""
