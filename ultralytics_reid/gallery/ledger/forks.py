"""Keeping SQLite out of forks: a child that inherits an open file shares its locks with nobody, and can ruin it."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol


class Restful(Protocol):
    """Something that can do without its open files for a while."""

    def at_rest(self) -> AbstractContextManager[None]:
        """Without a call under way in another thread, and without open files."""
        ...


class Forks:
    """Has everything at rest while this process forks. There is one for all, as the process forks as a whole."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: weakref.WeakSet[Restful] = weakref.WeakSet()
        self._rest = ExitStack()
        # Not on Windows, which doesn't fork.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._after)

    def add(self, store: Restful) -> None:
        """From now on, have it at rest."""
        with self._lock:
            self._open.add(store)

    def discard(self, store: Restful) -> None:
        """No longer."""
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
