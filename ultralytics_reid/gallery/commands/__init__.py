"""The command line of the gallery."""
