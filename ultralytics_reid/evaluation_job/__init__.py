"""Evaluate embedders in one command: retrieval on labeled crops, and identities in a video with ground truth."""
