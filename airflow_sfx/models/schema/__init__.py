"""What a model takes and gives, and rows that fit it."""
