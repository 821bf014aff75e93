"""Colors and text for pictures."""
