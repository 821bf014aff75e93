"""What a caller can observe of identities, live and by box."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_KEPT = 10_000


@dataclass(frozen=True)
class Revival:
    """An identity came back from memory.

    Attributes:
        identity_id: The id that it has again.
        previous_id: The id under which its boxes were shown until now; None if none were.
        frame: Number of the frame in which it was recognised, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
        gap: Seconds between its last appearance and the first box of its new one.
        similarity: Cosine under the learned metric, in [-1, 1], to the closest of what is remembered of it.
        corrected: Whether it was never gone: its track had caught on another's boxes, or theirs on its, and that is
            put right now; False for a return.
        forced: Whether nobody resembled it enough, but `max_identities` left no other choice.
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
class TakenBack:
    """A revival turned out to be wrong: the boxes that were shown under an identity's id aren't its.

    Attributes:
        identity_id: The id under which they go on; None if they go on without one until more is known.
        previous_id: The identity that they were taken for, which can be revived again.
        frame: Number of the frame, counted from 1 as the host does.
        time: The same in seconds of the tracker's clock.
    """

    identity_id: int | None
    previous_id: int
    frame: int
    time: float


Event = Revival | TakenBack


class Events:
    """The last revivals of one tracker, those taken back too, and who wants to hear of the next."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque(maxlen=_KEPT)
        self._listeners: list[Callable[[Event], object]] = []

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def subscribe(self, listener: Callable[[Event], object]) -> Callable[[], None]:
        """Call `listener` with every event from now on, in the thread that tracks.

        Returns:
            A function that ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def _unsubscribe(self, listener: Callable[[Event], object]) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def emit(self, event: Event) -> None:
        """Keep an event and tell the listeners."""
        self._kept.append(event)
        for listener in tuple(self._listeners):
            listener(event)

    def clear(self) -> None:
        """Forget past events; listeners stay."""
        self._kept.clear()
