"""The gallery that a tracker YAML names, opened once it is known which embeddings there will be."""

from __future__ import annotations

import multiprocessing
import os
import weakref
from collections.abc import Callable, Mapping
from multiprocessing import util
from typing import TypeAlias

from ultralytics.utils import LOGGER

from ...config import Config
from ...errors import GalleryError
from ..store import open_store
from .messages import Settings
from .topology import Topology
from .worker import GalleryWorker, local_ids

# Seconds that the first frame waits for the gallery, and the end of a video for everything to be written.
_START, _END = 2.0, 10.0


_Ending: TypeAlias = "weakref.finalize[..., object]"


class Connection:
    """A process's connection to its gallery, shared by all its cameras, and the owner of the gallery's thread.

    The thread ends when the last tracker lets go of the connection, or the process ends. What cameras have left to send
    is sent and written before, see `at_end`.

    Args:
        config: The tracker's config, whose `gallery` isn't empty.
        family: Kind of embedder; see `family_of`.

    Raises:
        ConfigError: If the topology can't be read, or lacks one of the cameras.

    Attributes:
        worker: The gallery's thread; None before `connect`.
    """

    def __init__(self, config: Config, family: str) -> None:
        self._config = config
        self._family = family
        self._topology = Topology.load(config.topology) if config.topology else Topology()
        for camera in config.cameras:
            self._topology.check(camera)
        self._local = local_ids()
        self.worker: GalleryWorker | None = None
        self._process = 0
        self._endings: list[_Ending] = []
        self._closing: _Ending | None = None
        self._dim, self._fingerprint = 0, ""

    def connect(self, dim: int, fingerprint: str, recipe: Mapping[str, str]) -> GalleryWorker:
        """Start the gallery's thread, or return the one there is; a process' first call waits two seconds at most.

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
            self._closing = weakref.finalize(self, _close, self.worker)
        if self._process != os.getpid():  # a forked process gets ids of its own, too, before it tracks
            self._process = os.getpid()
            if multiprocessing.parent_process() is not None:  # such a process ends without Python's own finalizers
                util.Finalize(None, _end_process, (weakref.ref(self.worker), self._endings), exitpriority=0)
            self.worker.settle(_START)
        if self.worker.failed is not None and not self.worker.opened:
            raise GalleryError(str(self.worker.failed)) from self.worker.failed
        return self.worker

    def at_end(self, owner: object, send: Callable[[], None]) -> _Ending:
        """Have a camera send what it has left, when its owner or the process ends without a word.

        Args:
            owner: Of the camera; deleted when nothing uses it any more.
            send: Sends it; must not keep the owner alive.

        Returns:
            To be detached where the owner did it itself.
        """
        ending = weakref.finalize(owner, _send_rest, send, self)  # holds this, and so the thread, until it was sent
        self._endings[:] = [*(e for e in self._endings if e.alive), ending]
        return ending

    def close(self) -> None:
        """Write what cameras have left to send, and end the thread; nothing can be sent afterwards."""
        for ending in tuple(self._endings):
            ending()
        if self._closing is not None:
            self._closing()

    def check_camera(self, name: str) -> None:
        """Check that the topology, if there is one, has a camera that was named by its source.

        Raises:
            ConfigError: If it hasn't.
        """
        self._topology.check(name)

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
        if self.worker is not None and not (self.worker.settle(_END) and self.worker.failed is None):
            _warn(self.worker)


def _send_rest(send: Callable[[], None], connection: Connection) -> None:  # noqa: ARG001
    send()


def _end_process(worker: weakref.ref[GalleryWorker], endings: list[_Ending]) -> None:
    for ending in tuple(endings):
        ending()
    there = worker()
    if there is not None:
        _close(there)


def _close(worker: GalleryWorker) -> None:
    if not worker.close() or (worker.opened and worker.failed is not None):
        _warn(worker)


def _warn(worker: GalleryWorker) -> None:
    why = "the gallery did not take everything in time" if worker.failed is None else str(worker.failed)
    LOGGER.warning(f"{why}: the last sightings are missing in it")
