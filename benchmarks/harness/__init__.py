"""What the benchmarks share: sequences, trackers to compare, and scores."""
