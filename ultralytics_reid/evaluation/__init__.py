"""Scores: returns by gap, and tables."""
