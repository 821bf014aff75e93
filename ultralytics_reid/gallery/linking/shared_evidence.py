"""Evidence of how embeddings vary, exchanged between cameras by way of the gallery."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from ...appearance.evidence import LearnedStatistics
from ...errors import GalleryError, GalleryUnavailable
from ..file_names import EVIDENCE_PREFIX, age_of, camera_of, evidence_key
from ..ledger.checks import MAX_BLOB
from ..records import printable
from ..scorer import Scorer
from ..store import Store
from .session import CameraSession

# The host's logger, by its name: importing the host for a warning would be expensive.
_LOGGER = logging.getLogger("ultralytics")


class SharedEvidence:
    """Keep all cameras' evidence up to date, and the scorer fitted to it.

    Args:
        store: The gallery's store.
        family: Kind of embedder; see `family_of`.

    Attributes:
        scorer: Compares embeddings, fitted to all of it.
    """

    def __init__(self, store: Store, family: str) -> None:
        self._store = store
        self._family = family
        self._evidence: dict[str, LearnedStatistics] = {}
        self._keys: frozenset[str] = frozenset()
        self._warned: set[str] = set()
        self.scorer = Scorer(store.dim, family, {})

    def of(self, camera: str) -> LearnedStatistics | None:
        """Return what was learned on a camera; None if nothing was."""
        return self._evidence.get(camera)

    def publish(self, sessions: Iterable[CameraSession]) -> bool:
        """Write what cameras of this process have learned since; returns whether there was anything."""
        updated = False
        for session in sessions:
            if session.evidence is not None:
                self._evidence[session.camera] = session.evidence
                self._write(session.camera, session.evidence)
                session.evidence = None
                updated = True
        if updated:
            self._fit()
        return updated

    def _write(self, camera: str, evidence: LearnedStatistics) -> None:
        data = evidence.dump()
        if len(data) > MAX_BLOB:
            self._warn(camera, f"evidence of camera {camera!r} must be at most {MAX_BLOB} bytes, got {len(data)}")
            return
        old = [key for key in self._store.blobs(EVIDENCE_PREFIX) if camera_of(key) == camera]
        key = evidence_key(camera, time.time_ns())
        self._store.put_blob(key, data)
        for superseded in old:
            self._store.put_blob(superseded, b"")
        self._keys = (self._keys - set(old)) | {key}

    def reread(self) -> None:
        """Read what other processes have written since, and forget what was deleted."""
        keys = frozenset(self._store.blobs(EVIDENCE_PREFIX))
        if keys == self._keys:
            return
        for camera in {camera_of(key) for key in self._keys} - {camera_of(key) for key in keys}:
            self._evidence.pop(camera, None)
        for key in sorted(keys - self._keys, key=age_of):
            self._load(key)
        self._keys = keys
        self._fit()

    def forget(self) -> None:
        """Forget all of it; what the gallery still has is read by the next `reread`."""
        self._evidence, self._keys = {}, frozenset()
        self._fit()

    def _load(self, key: str) -> None:
        try:
            if data := self._store.blob(key):
                self._evidence[camera_of(key)] = LearnedStatistics.load(data, self._store.dim)
        except GalleryUnavailable:
            raise
        except GalleryError as error:
            self._warn(
                printable(key), f"{error}; camera {printable(camera_of(key))!r} is scored by the evidence of the others"
            )

    def _fit(self) -> None:
        self.scorer = Scorer(self._store.dim, self._family, self._evidence)

    def _warn(self, about: str, message: str) -> None:
        if about not in self._warned:
            _LOGGER.warning(message)
        self._warned.add(about)
