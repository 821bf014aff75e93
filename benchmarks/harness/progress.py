"""Progress bars on stderr, and messages printed above them."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from .packages import has

T = TypeVar("T")


def progress(rows: Iterable[T], label: str, total: int | None = None, unit: str = "frame") -> Iterable[T]:
    """Show a progress bar while rows pass through, where `tqdm` is installed; each worker process has a line.

    Args:
        rows: What passes through.
        label: Of the bar.
        total: Number of rows, None if unknown.
        unit: Of a row.
    """
    if not has("tqdm"):
        return rows
    from tqdm import tqdm  # type: ignore

    place: tuple[int, ...] = getattr(multiprocessing.current_process(), "_identity", ())
    options = {"desc": label.replace("*", ""), "unit": unit, "position": place[0] if place else None}
    bar: Iterable[T] = tqdm(rows, total=total, file=sys.stderr, leave=False, **options)
    return bar


def tell(text: str) -> None:
    """Print a line on stderr, above any progress bars."""
    if has("tqdm"):
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)


def share_terminal(lock: Any) -> None:
    """Let a worker process draw its bars below those of other workers that hold the same lock."""
    if has("tqdm"):
        from tqdm import tqdm

        tqdm.set_lock(lock)
