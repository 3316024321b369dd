"""The task decorators."""
