"""Tests of metrics over time and of checks that live with a table."""
