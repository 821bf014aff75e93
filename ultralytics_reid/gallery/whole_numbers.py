"""Whole numbers in what a browser or a command line gives."""

from __future__ import annotations

_MAX_STORED = 2**63 - 1


def parse_whole(text: str, most: int = _MAX_STORED) -> int | None:
    """A whole number in [0, `most`], in ASCII digits; None for anything else, however long it is."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    return int(text) if int(text) <= most else None
