"""Routes of streams."""
