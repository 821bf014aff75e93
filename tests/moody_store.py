"""A gallery's store that misbehaves when it is told to."""

import threading
from collections import Counter

from ultralytics_reid.errors import GalleryUnavailable

PATIENCE = 20.0


class Moody:
    """A store that is away, breaks, or lets its callers wait, when it is told to.

    Attributes:
        away: Whether every call fails for now, or the names of those that do.
        broken: What every call raises, if not None.
        held: Names of calls that wait until `release`; `waits` is set while one does.
        before: By name, what is done once before a call.
        calls: How often what was called.
    """

    def __init__(self, store):
        self._store = store
        self.away, self.broken = False, None
        self.held, self.waits, self._go = set(), threading.Event(), threading.Event()
        self.before, self.calls = {}, Counter()

    def __getattr__(self, name):
        attribute = getattr(self._store, name)
        if not callable(attribute) or name == "close":
            return attribute

        def call(*args, **kwargs):
            self.calls[name] += 1
            if name in self.held:
                self.waits.set()
                assert self._go.wait(PATIENCE)
            if self.away is True or (self.away and name in self.away):
                raise GalleryUnavailable("away on demand")
            if self.broken is not None:
                raise self.broken
            self.before.pop(name, lambda: None)()
            return attribute(*args, **kwargs)

        return call

    def release(self):
        self.held = set()
        self._go.set()
