"""Benchmarks that time the warehouse and its peers in one interleaved run.

See ``python -m bench --help``. Results are reported as ratios.
"""
