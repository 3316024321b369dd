"""What needs attention after a night, across all tables."""
