"""Linking cameras: the worker thread, its messages, and which identity a tracklet has elsewhere."""
