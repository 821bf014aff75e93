"""Scores of a tracker's output against ground truth."""
