"""The gallery that a tracker YAML names, opened when it is known whose embeddings there will be."""

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

# Seconds that the first frame waits for the gallery to be there, and the end of a video for everything to be written.
_START, _END = 2.0, 10.0


class Connection:
    """One process's way to its gallery, for all its cameras; they share one line.

    Args:
        config: The tracker's config, whose `gallery` isn't empty.
        family: Kind of embedder; see `family_of`.

    Raises:
        ConfigError: If the topology can't be read.
    """

    def __init__(self, config: Config, family: str) -> None:
        self._config = config
        self._family = family
        self._topology = Topology.load(config.topology) if config.topology else Topology()
        self._link: GalleryWorker | None = None
        self._local = local_ids()

    def link(self, dim: int, fingerprint: str, recipe: Mapping[str, str]) -> GalleryWorker:
        """The line; the first call waits for the gallery, for two seconds at most.

        Args:
            dim: `D` of the embeddings.
            fingerprint: Of their embedder.
            recipe: How they are made.

        Raises:
            GalleryError: If the gallery can't be used: it is another embedder's, or no gallery.
        """
        if self._link is None:
            config, uri, index = self._config, self._config.gallery, self._config.gallery_index
            settings = Settings(config.false_revival_rate, config.match_class, config.keep_days, self._family, recipe)
            self._link = GalleryWorker(
                lambda: open_store(uri, dim, fingerprint, index), self._topology, settings, self._local
            )
            # The line lives as long as somebody may use it; what was told is written then, at the latest.
            weakref.finalize(self, _close, self._link)
            self._link.wait_until_ready(_START)
        if self._link.failed is not None and not self._link.opened:
            raise GalleryError(str(self._link.failed)) from self._link.failed
        return self._link

    def next_id(self) -> int:
        """An id that nobody else has; without a gallery one of those that it never gives."""
        return next(self._local) if self._link is None else self._link.next_id()

    def settle(self) -> None:
        """Wait until all that was told is written, for ten seconds at most; says so if it isn't."""
        if self._link is not None and not self._link.settle(_END):
            _warn()


def _close(link: GalleryWorker) -> None:
    if not link.close() and link.failed is None:
        _warn()


def _warn() -> None:
    LOGGER.warning("the gallery did not take everything in time: what was seen last is missing in it")
