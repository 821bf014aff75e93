"""Look for questions about pairs of identities while pages are shown."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..errors import ReIDError
from ..gallery.gallery import Gallery
from ..gallery.linking.topology import Topology
from ..gallery.questions import Question, find_pairs
from .directory import Snapshot

# Seconds after which pairs are looked for anew.
_PAIRS_AGE = 60.0


class PairFinder:
    """Look for pairs of identities that may be one, and visits that may be others', in a thread: it takes seconds.

    Args:
        gallery: The gallery.
        topology: Travel times between cameras, and which share a view; None for any, none.
    """

    def __init__(self, gallery: Gallery, topology: Topology | None) -> None:
        self._gallery, self._topology = gallery, topology
        self._worker = ThreadPoolExecutor(1, "pairs")
        # Pages are made in threads.
        self._lock = threading.Lock()
        self._found: Future[list[Question]] | None = None
        self._begun = -np.inf
        self._latest: list[Question] = []
        self.note = ""

    def get(self, snapshot: Snapshot) -> tuple[list[Question], bool]:
        """The pairs that were found last, and whether others are being looked for.

        A fault of the search is raised once; the next search begins when its time comes.
        """
        with self._lock:
            if self._found is not None and self._found.done():
                found, self._found = self._found, None
                self._latest = found.result()
            if self._found is None and time.monotonic() - self._begun > _PAIRS_AGE:
                self._begun = time.monotonic()
                self._found = self._worker.submit(self._look, snapshot)
            return self._latest, self._found is not None

    def close(self) -> None:
        """Stop looking."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _look(self, snapshot: Snapshot) -> list[Question]:
        try:
            found, self.note = find_pairs(self._gallery, snapshot.visits, self._topology)
        except ReIDError as error:
            self.note = str(error)
            return []
        return found
