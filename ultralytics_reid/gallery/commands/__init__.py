"""Command-line interface of the gallery."""
