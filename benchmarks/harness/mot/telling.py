"""Saying something, and showing progress, from several processes at once."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterable
from typing import TypeVar

from ..setting import has

T = TypeVar("T")


def tell(text: str) -> None:
    """Print a line on stderr, above any progress bars."""
    if has("tqdm"):
        from tqdm import tqdm  # type: ignore

        tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)


def bar(rows: Iterable[T], label: str, total: int, unit: str = "frame") -> Iterable[T]:
    """Show a progress bar while rows pass through, where `tqdm` is installed; each worker's has a line of its own."""
    if not has("tqdm"):
        return rows
    from tqdm import tqdm

    place: tuple[int, ...] = getattr(multiprocessing.current_process(), "_identity", ())
    shown: Iterable[T] = tqdm(
        rows, desc=label, total=total, unit=unit, file=sys.stderr, leave=False, position=place[0] if place else None
    )
    return shown
