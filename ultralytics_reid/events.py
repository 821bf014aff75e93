"""Events: what happens to identities."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_KEPT = 10_000

# The host's logger, by its name: events are of use without the host too.
_LOGGER = logging.getLogger("ultralytics")


@dataclass(frozen=True)
class Revival:
    """An identity came back from memory.

    Attributes:
        identity_id: The id that it has again.
        previous_id: The id under which its boxes were shown until now; None if none were.
        frame: Number of the frame in which it was recognized, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
        gap: Seconds between its last appearance and the first box of its new one.
        similarity: Cosine under the learned metric, in [-1, 1], to the closest of what is remembered of it.
        corrected: Whether it was never gone: its track had caught on another's boxes, or theirs on its, and that is
            put right now; False for a return.
        forced: Whether no identity was similar enough, but `max_identities` left no other choice.
    """

    identity_id: int
    previous_id: int | None
    frame: int
    time: float
    gap: float
    similarity: float
    corrected: bool = False
    forced: bool = False


@dataclass(frozen=True)
class RevivalReverted:
    """A revival turned out to be wrong: the boxes that were shown under an identity's id aren't its.

    Attributes:
        identity_id: The id under which they go on; None if they go on without one until more is known.
        previous_id: The identity that they were taken for, which can be revived again.
        frame: Number of the frame, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
        since: When those boxes began, in the same seconds.
    """

    identity_id: int | None
    previous_id: int
    frame: int
    time: float
    since: float = 0.0


@dataclass(frozen=True)
class Linked:
    """The gallery knew an individual that was new to this camera or run, or has an id now for one that lacked it.

    Attributes:
        identity_id: Its identity from now on.
        previous_id: The id under which it was shown until now.
        frame: Number of the frame, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
        gap: Seconds since it was last seen anywhere.
        camera_id: Where that was; empty for an identity enrolled from images.
        similarity: Cosine under the metric of all cameras, in [-1, 1], to the closest of what is known of it.
        probability: Does the individual look like that identity? In [0, 1], from their similarity and the number of
            sightings alone, at a prior of 0.1; see `Match.probability`.
        late: Whether the gallery was away when it was asked, so that the link had to be made up for.
        new: Whether it has an id of its own from now on: it came while the gallery couldn't give ids, or a link of it
            turned out to be wrong. Then `gap` is 0, and `camera_id` this camera.
    """

    identity_id: int
    previous_id: int
    frame: int
    time: float
    gap: float
    camera_id: str
    similarity: float
    probability: float
    late: bool = False
    new: bool = False


@dataclass(frozen=True)
class GalleryAway:
    """The gallery can't be reached: tracking goes on, with ids of this camera's own until it is back.

    Attributes:
        why: The reason.
        frame: Number of the frame, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
    """

    why: str
    frame: int
    time: float


@dataclass(frozen=True)
class GalleryBack:
    """The gallery can be reached again: what it missed is made up for.

    Attributes:
        lost: Visits that could not be kept until now; 0 unless it was away for very long.
        frame: Number of the frame, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
    """

    lost: int
    frame: int
    time: float


Event = Revival | RevivalReverted | Linked | GalleryAway | GalleryBack


class Events:
    """The last events of one tracker, and listeners to the next. A copy has the events and no listeners."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque(maxlen=_KEPT)
        self._listeners: list[Callable[[Event], object]] = []
        self._failed: list[Callable[[Event], object]] = []

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_listeners": [], "_failed": []}

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def subscribe(self, listener: Callable[[Event], object]) -> Callable[[], None]:
        """Call `listener` with every event from now on, in the thread that tracks.

        A listener that raises costs neither the frame nor the other listeners their event: its first error is logged,
        and it is called again with the next event.

        Returns:
            A function that ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def _unsubscribe(self, listener: Callable[[Event], object]) -> None:
        for listeners in (self._listeners, self._failed):
            if listener in listeners:
                listeners.remove(listener)

    def emit(self, event: Event) -> None:
        """Keep an event and tell the listeners."""
        self._kept.append(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener is the user's code and may raise anything
                self._log_once(listener, event)

    def _log_once(self, listener: Callable[[Event], object], event: Event) -> None:
        if listener not in self._failed:
            self._failed.append(listener)
            what = f"{listener!r}, which listens to a tracker's events, failed on {event!r}; tracking goes on"
            _LOGGER.warning(f"{what}, and later errors of it are not logged", exc_info=True)

    def clear(self) -> None:
        """Forget past events; listeners stay."""
        self._kept.clear()
