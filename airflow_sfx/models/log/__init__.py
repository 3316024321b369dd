"""What the registry does in the warehouse's log, where a model is a table."""
