"""Linking across cameras: the gallery's worker thread, its messages, and the decision which identity a tracklet has."""
