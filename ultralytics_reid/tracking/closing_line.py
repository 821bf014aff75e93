"""What a run came to, in the line that is logged when its source, a loop of frames, or the process ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ultralytics.utils import LOGGER

from ..config import TRACKER_TYPE
from ..events import Event, Revival, RevivalReverted
from .results import BoxIdentity

# Revivals after shorter gaps are brief occlusions, not returns.
MIN_RETURN_SECONDS = 1.0


class RunTally:
    """Count one tracker's frames, detections, ids, returns and reverted revivals."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._frames = self._detections = self._returns = self._reverted = 0
        self._ids: set[int] = set()

    def detected(self, count: int) -> None:
        """Count a frame with its detections."""
        self._frames += 1
        self._detections += count

    def shown(self, boxes: Iterable[BoxIdentity]) -> None:
        """Count the ids of a frame."""
        self._ids.update(box.identity_id for box in boxes)

    def note(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Revival) and not event.corrected and event.gap >= MIN_RETURN_SECONDS:
            self._returns += 1
        elif isinstance(event, RevivalReverted):
            self._reverted += 1

    def take_line(self) -> str:
        """Return the line, and begin anew; empty if there was no frame."""
        frames, detections, ids = self._frames, self._detections, len(self._ids)
        returns, reverted = self._returns, self._reverted
        self._clear()
        if not frames:
            return ""
        if not detections:
            return f"nothing was detected in {_count(frames, 'frame')}: check the model, 'classes' and 'conf'"
        if not ids:
            return f"no ids: {_count(detections, 'detection')} in {_count(frames, 'frame')}, none for long enough"
        return f"{_count(ids, 'id')}, {_count(returns, 'return')} recognized, {reverted} reverted"


def log_closing_lines(tallies: Sequence[RunTally], args: Any) -> None:
    """Log a line for each tracker that had a frame, as the host logs its own figures: unless `verbose=False`.

    Args:
        tallies: One a tracker; they begin anew.
        args: The host's arguments.
    """
    lines = [tally.take_line() for tally in tallies]
    for n, line in enumerate(lines, 1):
        if line and args.verbose and args.mode == "track":
            LOGGER.info(f"{TRACKER_TYPE}{f', stream {n}' if len(lines) > 1 else ''}: {line}")


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"
