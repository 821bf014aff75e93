"""Saying something while progress bars are shown."""

from __future__ import annotations

import sys

from ..setting import has


def tell(text: str) -> None:
    """Print a line on stderr, above any progress bars."""
    if has("tqdm"):
        from tqdm import tqdm  # type: ignore

        tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)
