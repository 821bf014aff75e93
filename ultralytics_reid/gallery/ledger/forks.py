"""Keep SQLite out of forks: a child that inherits an open file doesn't share its locks, and can ruin it."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol


class Restful(Protocol):
    """An object that can close its files for a while."""

    def at_rest(self) -> AbstractContextManager[None]:
        """Without a call under way in another thread, and without open files."""
        ...


class Forks:
    """Closes files while this process forks. There is one instance, as the process forks as a whole."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: weakref.WeakSet[Restful] = weakref.WeakSet()
        self._rest = ExitStack()
        # Not on Windows, which doesn't fork.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._after)

    def add(self, store: Restful) -> None:
        """Close its files at every fork from now on."""
        with self._lock:
            self._open.add(store)

    def discard(self, store: Restful) -> None:
        """No longer close its files."""
        with self._lock:
            self._open.discard(store)

    def _before(self) -> None:
        self._lock.acquire()
        for store in tuple(self._open):
            self._rest.enter_context(store.at_rest())

    def _after(self) -> None:
        self._rest.close()
        self._lock.release()


FORKS = Forks()
