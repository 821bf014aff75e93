"""The gallery that a tracker YAML names, opened once it is known which embeddings there will be."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

from ultralytics.utils import LOGGER

from ...config import Config
from ...errors import GalleryError
from ..store import open_store
from .messages import Settings
from .topology import Topology
from .worker import GalleryWorker, local_ids

# Seconds that the first frame waits for the gallery, and the end of a video for everything to be written.
_START, _END = 2.0, 10.0


class Connection:
    """A process's connection to its gallery, shared by all its cameras, and the owner of the gallery's thread.

    The thread ends when the last tracker lets go of the connection, or the process ends; what was sent is written
    before.

    Args:
        config: The tracker's config, whose `gallery` isn't empty.
        family: Kind of embedder; see `family_of`.

    Raises:
        ConfigError: If the topology can't be read.

    Attributes:
        worker: The gallery's thread; None before `connect`.
    """

    def __init__(self, config: Config, family: str) -> None:
        self._config = config
        self._family = family
        self._topology = Topology.load(config.topology) if config.topology else Topology()
        self._local = local_ids()
        self.worker: GalleryWorker | None = None
        self._dim, self._fingerprint = 0, ""

    def connect(self, dim: int, fingerprint: str, recipe: Mapping[str, str]) -> GalleryWorker:
        """Start the gallery's thread, or return the one there is; the first call waits two seconds at most.

        Args:
            dim: `D` of the embeddings.
            fingerprint: Of their embedder.
            recipe: How they are made.

        Raises:
            GalleryError: If the gallery can't be used: it is another embedder's, or no gallery.
        """
        self._check_embedder(dim, fingerprint)
        if self.worker is None:
            config = self._config
            uri, index = config.gallery, config.gallery_index
            settings = Settings(config.false_revival_rate, config.match_class, config.keep_days, self._family, recipe)
            self.worker = GalleryWorker(
                lambda: open_store(uri, dim, fingerprint, index), self._topology, settings, self._local
            )
            weakref.finalize(self, _close, self.worker)
            self.worker.settle(_START)
        if self.worker.failed is not None and not self.worker.opened:
            raise GalleryError(str(self.worker.failed)) from self.worker.failed
        return self.worker

    def _check_embedder(self, dim: int, fingerprint: str) -> None:
        """Refuse vectors of another embedder than the gallery was opened for; trackers may change theirs by a reset."""
        if self._dim not in (0, dim):
            raise GalleryError(f"the gallery was opened for embeddings of dimension {self._dim}, got {dim}")
        if fingerprint and self._fingerprint not in ("", fingerprint):
            opened = f"the gallery was opened for embeddings by {self._fingerprint}"
            raise GalleryError(f"{opened}, and these are by {fingerprint}; they need a gallery of their own")
        self._dim, self._fingerprint = dim, fingerprint or self._fingerprint

    def next_id(self) -> int:
        """Take a new id; without a gallery one of those that no gallery gives."""
        return next(self._local) if self.worker is None else self.worker.next_id()

    def settle(self) -> None:
        """Wait until all that was sent is written, ten seconds at most; warn if it isn't."""
        if self.worker is not None and not self.worker.settle(_END):
            _warn()


def _close(worker: GalleryWorker) -> None:
    if not worker.close() and worker.failed is None:
        _warn()


def _warn() -> None:
    LOGGER.warning("the gallery did not take everything in time: the last sightings are missing in it")
