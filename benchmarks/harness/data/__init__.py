"""Sequences in MOTChallenge's form: files, detections, embeddings and camera motion, computed once."""
