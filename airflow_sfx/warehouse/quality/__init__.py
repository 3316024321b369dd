"""Metrics over time, the usual band, and checks that live with a table."""
