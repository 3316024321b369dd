"""Helpers of input and output: URIs, limits, retries, forks and error text."""
