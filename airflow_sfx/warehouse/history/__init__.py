"""What changed, who did it, and what a table looks like now."""
