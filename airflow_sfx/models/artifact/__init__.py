"""Model artifacts: one zip, the same bytes for the same content."""
