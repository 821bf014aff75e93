"""Benchmarks of the tracker: `python -m benchmarks --help` lists them."""
