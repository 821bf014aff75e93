"""What cameras have learned of how looks vary, handed to each other by way of the gallery."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from ...appearance.evidence import LearnedStatistics
from ...errors import GalleryError
from ..ledger.checks import MAX_BLOB
from ..retention import EVIDENCE_PREFIX, age_of, camera_of, evidence_key
from ..scorer import Scorer
from ..store import Store
from .session import CameraSession

# The host's logger, by its name: importing the host to say something would be a high price.
_LOGGER = logging.getLogger("ultralytics")


class SharedEvidence:
    """All cameras' evidence, and the scorer that it makes.

    Args:
        store: The gallery.
        family: Kind of embedder; see `family_of`.

    Attributes:
        scorer: Judges likeness by all of it.
    """

    def __init__(self, store: Store, family: str) -> None:
        self._store = store
        self._family = family
        self._evidence: dict[str, LearnedStatistics] = {}
        self._keys: frozenset[str] = frozenset()
        self._warned: set[str] = set()
        self.scorer = Scorer(store.dim, family, {})

    def of(self, camera: str) -> LearnedStatistics | None:
        """What was learned of a camera in earlier runs."""
        return self._evidence.get(camera)

    def hand_on(self, runs: Iterable[CameraSession]) -> bool:
        """Write what cameras of this process have learned; returns whether there was anything."""
        news = [run for run in runs if run.learned is not None]
        for run in news:
            assert run.learned is not None
            self._evidence[run.camera] = run.learned.evidence
            self._write(run.camera, run.learned.evidence)
            run.learned = None
        if news:
            self._judge_anew()
        return bool(news)

    def _write(self, camera: str, evidence: LearnedStatistics) -> None:
        data = evidence.dump()
        if len(data) > MAX_BLOB:
            self._tell(camera, f"what {camera!r} learns is too much to be shared: {len(data)} bytes of {MAX_BLOB}")
            return
        old = [key for key in self._store.blobs(EVIDENCE_PREFIX) if camera_of(key) == camera]
        key = evidence_key(camera, time.time_ns())
        self._store.put_blob(key, data)
        for superseded in old:
            self._store.put_blob(superseded, b"")
        self._keys = (self._keys - set(old)) | {key}

    def reread(self) -> None:
        """Take up what other cameras have learned since, and forget what was deleted."""
        keys = frozenset(self._store.blobs(EVIDENCE_PREFIX))
        if keys == self._keys:
            return
        there = {camera_of(key) for key in keys}
        for gone in {camera_of(key) for key in self._keys} - there:
            self._evidence.pop(gone, None)
        for key in sorted(keys - self._keys, key=age_of):
            self._load(key)
        self._keys = keys
        self._judge_anew()

    def _load(self, key: str) -> None:
        data = self._store.blob(key)
        if not data:
            return
        try:
            self._evidence[camera_of(key)] = LearnedStatistics.load(data, self._store.dim)
        except GalleryError as error:
            self._tell(key, f"{error}; {camera_of(key)!r} is judged by what the others have learned")

    def _judge_anew(self) -> None:
        self.scorer = Scorer(self._store.dim, self._family, self._evidence)

    def _tell(self, about: str, what: str) -> None:
        if about not in self._warned:
            _LOGGER.warning(what)
        self._warned.add(about)
