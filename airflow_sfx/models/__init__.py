"""Model artifacts and their registry."""
