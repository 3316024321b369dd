"""Spark ML: linear models and trees, read once, and scored without Spark."""
