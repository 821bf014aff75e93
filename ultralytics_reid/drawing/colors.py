"""Colors of ids, text and success marks."""

from __future__ import annotations

import colorsys

# Distinct on most images, and dark enough for white text.
COLORS = (
    *("#d62828", "#1d6fb8", "#2a8f4f", "#8e44ad", "#c45a00", "#00808a"),
    *("#b5176c", "#5c6b00", "#4b3fae", "#8a1c1c", "#1b4965", "#7f5539"),
)
INK, FAINT, LINE, PAPER, GOOD, BAD = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff", "#1a7f37", "#cf222e"
# The same on a dark page. All text has a contrast of 4.5 to 1 or more.
NIGHT_INK, NIGHT_FAINT, NIGHT_LINE, NIGHT_PAPER = "#e4e7eb", "#9aa5b1", "#323f4b", "#14181d"
_GOLDEN_RATIO = 0.618034


def color_of(identity: int) -> str:
    """Color of an id as `#rrggbb`: the palette for the first ids, then further hues."""
    if 0 < identity <= len(COLORS):
        return COLORS[identity - 1]
    r, g, b = colorsys.hls_to_rgb(identity * _GOLDEN_RATIO % 1, 0.36 + 0.1 * (identity % 2), 0.6)
    return f"#{round(255 * r):02x}{round(255 * g):02x}{round(255 * b):02x}"


def bgr(color: str) -> tuple[int, int, int]:
    """Convert `#rrggbb` to the BGR tuple of OpenCV."""
    return int(color[5:7], 16), int(color[3:5], 16), int(color[1:3], 16)
