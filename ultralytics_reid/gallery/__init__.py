"""One identity over all cameras and all days."""
