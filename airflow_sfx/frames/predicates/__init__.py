"""Filters: conditions, SQL predicates, and exact comparisons."""
