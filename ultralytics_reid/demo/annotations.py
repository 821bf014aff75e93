"""What the video says of each tracker: by ground truth where there is some, else by what the tracker itself tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .._typing import ImageArray
from ..evaluation.frames import Frame
from ..evaluation.returns import Returns
from ..events import Revival
from ..tracking.results import identities
from .drawing import Tag, Timeline
from .ground_truth import ReturnScorer, SceneTruth

# News of a return stays on the box for as long.
_TOLD_SECONDS = 3.0
# A shorter gap is a doubt that was settled, or a lamp post.
_AWAY_SECONDS = 1.0
# A return counts in the heading once the tracker has had as long to recognize it.
_SETTLED_SECONDS = 1.0
# Who isn't found for less is drawn as if.
_BRIDGED_SECONDS = 1.0

Box = npt.NDArray[np.float32]


class Comment(Protocol):
    """What a panel shows beside the image."""

    def tags(self, result: Any, frames: list[Frame], seconds: float) -> list[Tag]:
        """The next frame's boxes, of which `frames` has the last; to be called once a frame."""
        ...

    def summary(self) -> str:
        """What came of it until now."""
        ...

    def strip(self) -> ImageArray | None:
        """What stands below the image, always of the same size."""
        ...


class ByTruth:
    """Knows who is who.

    Args:
        truth: The ground truth.
        width: Of the panel, pixels.
    """

    def __init__(self, truth: SceneTruth, width: int) -> None:
        self._truth, self._judge = truth, ReturnScorer(truth)
        self._timeline = Timeline(width, truth.people, len(truth.frames), round(_BRIDGED_SECONDS * truth.fps))
        self._ids: set[int] = set()
        self._people: set[int] = set()
        self._frame = 0

    def tags(self, result: Any, frames: list[Frame], seconds: float) -> list[Tag]:  # noqa: ARG002
        """See `Comment`."""
        on = self._judge.add(frames)
        self._frame = len(frames) - 1
        self._ids.update(map(int, frames[-1].ids))
        self._people.update(map(self._truth.person_of, map(int, self._truth.frames[self._frame].ids)))
        self._timeline.add(self._frame, {self._truth.person_of(track): i for i, track in on.items()})
        return [self._tag(i, box, on.get(i)) for i, box in _rows(frames[-1])]

    def _settled(self) -> Returns:
        last = self._frame - _SETTLED_SECONDS * self._truth.fps
        return Returns(tuple(r for r in self._judge.found.each if r.frame <= last), self._judge.found.false)

    def _tag(self, identity: int, xyxy: Box, track: int | None) -> Tag:
        back = next((r for r in self._judge.found.each if r.track == track), None)
        if back is None or self._frame - back.frame > _TOLD_SECONDS * self._truth.fps:
            return Tag(identity, xyxy)
        if identity in back.known:
            return Tag(identity, xyxy, f"back after {self._truth.away[back.track]:.0f} s", good=True)
        return Tag(identity, xyxy, f"was {max(back.known)}" if back.known else "not recognized", good=False)

    def summary(self) -> str:
        """See `Comment`."""
        found = self._settled()
        ids = f"{_count(len(self._ids), 'id')} for {_count(len(self._people), 'person', 'people')}"
        false = f", {_count(found.false, 'false revival')}" if found.false else ""
        back = f"{found.recognized} of {_count(found.total, 'return')} recognized" if found.total else "nobody back yet"
        return f"{ids}   ·   {back}{false}"

    def strip(self) -> ImageArray | None:
        """See `Comment`."""
        return self._timeline.image(self._frame, ((r.frame, r.person, r.recognized) for r in self._settled().each))


class ByHearsay:
    """Knows only what the tracker itself says.

    Args:
        tells: Whether it tells who came back, as this package's does.
    """

    def __init__(self, *, tells: bool) -> None:
        self._tells = tells
        self._ids: set[int] = set()
        self._back = 0

    def tags(self, result: Any, frames: list[Frame], seconds: float) -> list[Tag]:
        """See `Comment`."""
        self._ids.update(map(int, frames[-1].ids))
        if not self._tells:
            return [Tag(i, box) for i, box in _rows(frames[-1])]
        known = {who.identity_id: who for who in identities(result) if who is not None}
        self._back += sum(who.revived_now and _was_away(who.revival) for who in known.values())
        return [_warned(known.get(i), i, box, seconds) for i, box in _rows(frames[-1])]

    def summary(self) -> str:
        """See `Comment`."""
        back = f"   ·   {_count(self._back, 'time')} somebody came back" if self._tells else ""
        return f"{_count(len(self._ids), 'id')}{back}"

    def strip(self) -> ImageArray | None:
        """See `Comment`."""
        return None


def _rows(frame: Frame) -> Iterator[tuple[int, Box]]:
    return zip(map(int, frame.ids), frame.xyxy, strict=True)


def _was_away(revival: Revival | None) -> bool:
    return revival is not None and not revival.corrected and revival.gap >= _AWAY_SECONDS


def _warned(who: Any, identity: int, xyxy: Box, seconds: float) -> Tag:
    if who is None or not _was_away(who.revival) or seconds - who.revival.time > _TOLD_SECONDS:
        return Tag(identity, xyxy)
    return Tag(identity, xyxy, f"back after {who.revival.gap:.0f} s", good=True)


def _count(n: int, one: str, more: str = "") -> str:
    return f"{n} {one if n == 1 else more or one + 's'}"
