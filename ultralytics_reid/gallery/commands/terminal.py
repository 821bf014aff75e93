"""Long operations on a terminal: progress bars, and Ctrl-C without half-done changes."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ...errors import GalleryError
from ..export.atomic_file import check_writable

# No bar before this many seconds; importing the host's takes about one.
_BAR_AFTER = 2.0

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], label: str, total: int | None = None) -> Iterator[_Item]:
    """Iterate, with a progress bar on stderr after two seconds, if that is a terminal.

    Args:
        items: Items that take time to produce or to process.
        label: Label of the bar.
        total: Number of items; None if unknown.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    rest, started, count = iter(items), time.monotonic(), 0
    for item in rest:
        yield item
        count += 1
        if time.monotonic() - started > _BAR_AFTER:
            break
    else:
        return
    from ultralytics.utils import TQDM

    bar = TQDM(rest, desc=label, total=total, initial=count, file=sys.stderr, disable=False)
    bar.start_t -= time.monotonic() - started
    yield from bar


@contextmanager
def uninterrupted(what: str) -> Iterator[None]:
    """Finish an operation despite Ctrl-C; pressed twice, abort it with an error.

    Args:
        what: Name of the operation, for the messages.

    Raises:
        GalleryError: If Ctrl-C was pressed twice.
    """
    # Python delivers signals to the main thread, and lets only it set handlers.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = 0

    def on_interrupt(*_: Any) -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 1:
            raise GalleryError(f"{what} was aborted half-way: check the gallery and repeat it")
        print(f"ultralytics-reid: {what} is finished first; Ctrl-C again aborts it", file=sys.stderr)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def check_outputs(paths: Iterable[Path], suffixes: Sequence[str], overwrite: bool) -> None:
    """Check that files can be written, before any slow work, and before anything is changed or printed.

    Raises:
        GalleryError: If one exists and `overwrite` is False, or has another suffix, or can't be written there.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise GalleryError(f"{path} already exists: choose another name, or --overwrite")
        check_writable(path, suffixes)


def counted(number: int, one: str, more: str = "") -> str:
    """Format a number of things; `more` names several, without it `one` with an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def print_note(text: str) -> None:
    """Print to stderr, which keeps stdout for the result."""
    print(text, file=sys.stderr)
