"""One tracker's link to the gallery: opened when embeddings are known, asked before and told after each frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ultralytics.utils import LOGGER

from .._typing import ImageArray, as_pixels
from ..config import Config
from ..embedders import CropOptions, family_of
from ..embedders.crops import as_bgr
from ..errors import ConfigError, EmbeddingError
from ..events import Events, Linked
from ..gallery.recipe import crop_recipe
from ..gallery.times import RELEASED
from ..revival.decision import Decision
from ..revival.recognizer import Recognizer, When
from .frame import Frame
from .stream_names import SOME_CAMERA
from .track import ReIDTrack

if TYPE_CHECKING:  # databases and threads, which only a tracker with a gallery needs
    from ..gallery.linking.client import GalleryCamera
    from ..gallery.linking.connection import Connection
    from ..gallery.linking.messages import Observation
    from ..gallery.linking.worker import Channel

# Seconds by which a live camera's clock may differ from the wall clock, which frames reach with delays.
_MAX_DRIFT = 2.0
# Seconds by which stored times must be off to be corrected, and corrections that can be undone.
_MIN_CORRECTION, _UNDONE = 60.0, 16


class CameraLink:
    """Keep one camera's identities those of the gallery, if the config names one.

    Args:
        config: The tracker's config.
        events: Takes links and outages.

    Attributes:
        connection: The way to the gallery, which all cameras of a process share; None without a gallery.
        camera_id: The camera's name in the gallery; empty where the config names several, until it is said which.
        starts_at: When the tracker's clock was 0, seconds since 1970; None if unknown.
        recipe: How embeddings are made, for later searches of the gallery.
    """

    def __init__(self, config: Config, events: Events) -> None:
        self.connection = _connection(config)
        self.camera_id = "" if len(config.cameras) > 1 else (config.cameras or (SOME_CAMERA,))[0]
        self.starts_at = config.starts
        self.recipe = {"model": config.model, "weights": config.weights} | crop_recipe(CropOptions.of(config))
        self.recipe |= {"head": config.head} if config.head else {}
        self._config = config
        self._events = events
        self._gallery: GalleryCamera | None = None
        self._channel: Channel | None = None
        self._endings: list[Callable[[], object]] = []
        self._warned = False
        self._copied = False
        self._left: deque[float] = deque(maxlen=_UNDONE)

    def __getstate__(self) -> dict[str, Any]:
        """A copy is another run of the same camera, connected by itself from its next frame on."""
        channel = self._channel if self._gallery is None else self._gallery.channel
        session = None if channel is None else channel.session
        starts_at = self.starts_at if session is None else session.origin
        gone = dict.fromkeys(("connection", "_gallery", "_channel"))
        return (
            vars(self) | gone | {"_endings": [], "starts_at": starts_at, "_copied": self._copied or channel is not None}
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.connection = _connection(self._config)

    @property
    def links(self) -> Mapping[int, Linked]:
        """How the gallery knew those identities that it did, by id."""
        return {} if self._gallery is None else self._gallery.links

    def receive(self, recognizer: Recognizer, dim: int | None, decisions: Sequence[Decision], when: When) -> None:
        """Take the gallery's answers, before a frame's decisions; the first call opens the gallery.

        Args:
            recognizer: The camera's memory.
            dim: `D` of the embeddings; None as long as it isn't known, and nothing happens.
            decisions: Of all tracks, lost ones too.
            when: The frame's number, and its time in seconds.

        Raises:
            GalleryError: If the gallery is another embedder's, or no gallery.
            ConfigError: If there is a topology that lacks this camera, or several cameras are named and it isn't said
                which one this is.
        """
        if self.connection is None:
            return
        if not self.camera_id:
            names = ", ".join(self._config.cameras)
            one = "a tracker that is driven directly is one camera: name one, or set tracker.camera.camera_id"
            raise ConfigError(f"'camera_id' names several cameras ({names}), and {one}")
        if dim is None:
            return
        from ..gallery.linking.client import GalleryCamera

        if self._gallery is None or self._gallery.channel.camera != self.camera_id:
            self.connection.check_camera(self.camera_id)  # first: a run that is refused leaves no new gallery
        worker = self.connection.connect(dim, recognizer.bank.fingerprint, self.recipe)
        if self._gallery is not None and self._is_outdated(self._gallery.channel):
            self.close(decisions, when)
        if self._gallery is None:
            channel = worker.open_channel(self.camera_id, self.starts_at, self._channel)
            since = when[1] if self._copied or self._channel is not None else -np.inf
            self._gallery = gallery = GalleryCamera(worker, channel, recognizer, self._events, since)
            ending = self.connection.at_end(self, gallery.close)
            self._endings = [self._events.subscribe(gallery.correct), ending.detach]
        if self._config.gallery_wait:
            worker.settle(self._config.gallery_wait, until_back=False)
        self._gallery.receive(decisions, when)

    def _is_outdated(self, channel: Channel) -> bool:
        """Whether a channel is another camera's, another process', or of a time that turned out to be wrong."""
        return channel.camera != self.camera_id or channel.inherited or channel.start != self.starts_at

    def follow(self, wall: float, now: float) -> None:
        """Follow the wall clock of a live stream: where it jumps, by a correction or after sleep, the origin moves.

        After a jump forward visits end, and others begin at the right time. A clock that is set back was wrong: what
        was seen since the run began moves with it, stored visits too. A clock before the release's year isn't set yet;
        until it is, the gallery chooses times, and corrects them then.

        Args:
            wall: Seconds since 1970 (UTC), as the system says.
            now: The same moment, seconds of the tracker's clock.
        """
        if self._config.starts is not None or wall < RELEASED:
            return
        starts_at = wall - now
        if self.starts_at is not None and abs(starts_at - self.starts_at) <= _MAX_DRIFT:
            return
        if self._gallery is not None and self._was_wrong(starts_at):
            self._gallery.correct_clock(starts_at)
        self.starts_at = starts_at

    def _was_wrong(self, starts_at: float) -> bool:
        """Whether the clock was wrong until now, in place of the machine asleep or paused, which jumps forward too.

        A clock is set back because it was ahead; and a jump forward to where it was before undoes that.
        """
        if self.starts_at is None:
            return True
        if any(abs(starts_at - earlier) < _MIN_CORRECTION for earlier in self._left):
            return True
        if starts_at > self.starts_at - _MIN_CORRECTION:
            return False
        self._left.append(self.starts_at)
        return True

    def report(self, tracks: Sequence[ReIDTrack], frame: Frame) -> None:
        """Report the confirmed tracks that have a box in this frame, after its decisions."""
        if self._gallery is None:
            return
        by_decision = {id(t.decision): t for t in tracks}
        decisions = [t.decision for t in tracks if t.decision is not None]
        self._gallery.report(decisions, frame.time, lambda d: self._observe(by_decision[id(d)], d, frame))

    def _observe(self, track: ReIDTrack, decision: Decision, frame: Frame) -> Observation:
        """Make the observation of a box, with its crop, if that is to be stored."""
        from ..gallery.linking.client import shares
        from ..gallery.linking.messages import Observation

        box, score, tracklet = np.asarray(track.xyxy, np.float32), float(track.score), decision.tracklet
        where = (0.0, 0.0, 0.0, 0.0) if frame.shape is None else shares(box, frame.shape)
        if not self._config.store_crops or frame.image is None or not tracklet.clean:
            return Observation(decision.identity, tracklet.cls, score, where)
        left, top, right, bottom = np.maximum(box, 0).astype(int)
        crop = self._stored(frame.image[top:bottom, left:right])
        return Observation(decision.identity, tracklet.cls, score, where, crop, score * float(bottom - top))

    def _stored(self, crop: npt.NDArray[Any]) -> ImageArray | None:
        """Convert a crop to what the gallery stores; None, with one warning, where its format isn't known."""
        try:
            return as_pixels(as_bgr(crop).copy())
        except EmbeddingError as error:
            if not self._warned:
                self._warned = True
                LOGGER.warning(f"crops of {self.camera_id} aren't stored: {error}")
            return None

    def close(self, decisions: Sequence[Decision], when: When, *, wait: bool = False) -> str:
        """Tell the gallery that the video is over.

        Args:
            decisions: Of all tracks, lost ones too.
            when: The last frame's number, and its time in seconds.
            wait: Whether to wait, ten seconds at most, until it has everything.

        Returns:
            How many individuals it knew, in words; empty if there is nothing to tell.
        """
        if self._gallery is None or self.connection is None:
            return ""
        gallery, self._gallery = self._gallery, None
        for end in self._endings:
            end()
        gallery.close()
        self._channel = gallery.channel
        if wait:
            self.connection.settle()
            gallery.receive(decisions, when)
        return gallery.summary

    def forget(self) -> None:
        """Begin another run with the next frame, which has nothing to do with the last one."""
        self._channel, self._copied = None, False
        self._left.clear()


def _connection(config: Config) -> Connection | None:
    if not config.gallery:
        return None
    from ..gallery.linking.connection import Connection

    return Connection(config, family_of(config.model, config.head))
