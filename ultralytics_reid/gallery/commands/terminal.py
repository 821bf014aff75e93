"""Long work on a terminal: a bar while it goes on, and Ctrl-C that leaves nothing half done."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ...errors import GalleryError

# Seconds that need no bar; the host's bar takes one to be imported.
_SHORT = 2.0

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], label: str, total: int | None = None) -> Iterator[_Item]:
    """Items as they come, with a bar on stderr from the third second on, if that is a terminal.

    Args:
        items: What takes time.
        label: What is done with them.
        total: How many there are; None if that isn't known.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    rest, started, count = iter(items), time.monotonic(), 0
    for item in rest:
        yield item
        count += 1
        if time.monotonic() - started > _SHORT:
            break
    else:
        return
    from ultralytics.utils import TQDM

    bar = TQDM(rest, desc=label, total=total, initial=count, file=sys.stderr, disable=False)
    bar.start_t -= time.monotonic() - started
    yield from bar


@contextmanager
def unbroken(what: str) -> Iterator[None]:
    """What is begun is finished, Ctrl-C or not; pressed twice, it is left half done, and said to be.

    Args:
        what: What is done, for the messages.

    Raises:
        GalleryError: If Ctrl-C was pressed twice.
    """
    # Only the main thread is interrupted at all, and only it may say what is done then.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = 0

    def press(*_: Any) -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 1:
            raise GalleryError(f"{what} was broken off half-way: do it again, and look at what is there")
        print(f"ultralytics-reid: {what} is finished first; Ctrl-C once more breaks it off", file=sys.stderr)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
