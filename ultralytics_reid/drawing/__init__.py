"""Colors and text for images."""
