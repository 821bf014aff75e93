"""Draw colors and text on images."""
