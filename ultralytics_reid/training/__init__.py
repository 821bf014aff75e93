"""Metric learning: data from one's own video, training a head or a whole network, and its result as a file."""
