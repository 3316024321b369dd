"""Benchmarks: the warehouse beside its peers, interleaved in one run, reported as ratios. See `python -m bench --help`."""
