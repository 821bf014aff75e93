"""What makes the documentation; no part of the package."""
