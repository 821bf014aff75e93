"""Annotations of the video: from ground truth where it exists, else from the tracker's events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from .._typing import Floats, ImageArray
from ..drawing.boxes import BoxLabel
from ..evaluation.frames import FrameBoxes
from ..evaluation.returns import Returns, matches
from ..events import Linked, Revival
from ..gallery.commands.terminal import counted
from ..tracking.results import identities
from .drawing import Timeline
from .ground_truth import ReturnScorer, SceneGroundTruth

# How long the note of a return stays on the box.
_NOTE_SECONDS = 3.0
# Revivals after shorter gaps are brief occlusions, and not annotated.
_MIN_GAP_SECONDS = 1.0
# A return counts in the heading after the tracker has had this long to recognize it.
_SETTLED_SECONDS = 1.0
# The timeline bridges shorter gaps between boxes of an id.
_BRIDGED_SECONDS = 1.0


class Annotator(Protocol):
    """Source of a panel's labels, heading and timeline."""

    def labels(self, result: Any, frames: list[FrameBoxes], seconds: float) -> list[BoxLabel]:
        """Label the boxes of the last of `frames`; called once per frame."""
        ...

    def summary(self) -> str:
        """Summarize the video so far, for the heading."""
        ...

    def timeline(self) -> ImageArray | None:
        """Draw the timeline below the image, of constant size; None without one."""
        ...


class GroundTruthAnnotator:
    """Annotates by ground truth.

    Args:
        truth: Ground truth.
        width: Width of the panel, pixels.
    """

    def __init__(self, truth: SceneGroundTruth, width: int) -> None:
        self._truth, self._scorer = truth, ReturnScorer(truth)
        self._timeline = Timeline(width, truth.people, len(truth.frames), round(_BRIDGED_SECONDS * truth.fps))
        self._ids: set[int] = set()
        self._people: set[int] = set()
        self._frame = 0

    def labels(self, result: Any, frames: list[FrameBoxes], seconds: float) -> list[BoxLabel]:  # noqa: ARG002
        """See `Annotator`."""
        on = self._scorer.add(frames)
        self._frame = len(frames) - 1
        self._ids.update(map(int, frames[-1].ids))
        self._people.update(map(self._truth.person_of, map(int, self._truth.frames[self._frame].ids)))
        self._timeline.add(self._frame, {self._truth.person_of(track): i for i, track in on.items()})
        return [self._label(i, box, on.get(i)) for i, box in _rows(frames[-1])]

    def _settled_returns(self) -> Returns:
        last = self._frame - _SETTLED_SECONDS * self._truth.fps
        return Returns(tuple(r for r in self._scorer.found.each if r.frame <= last), self._scorer.found.false)

    def _label(self, identity: int, xyxy: Floats, track: int | None) -> BoxLabel:
        found = next((r for r in self._scorer.found.each if r.track == track), None)
        if found is None or self._frame - found.frame > _NOTE_SECONDS * self._truth.fps:
            return BoxLabel(identity, xyxy)
        if identity in found.known:
            return BoxLabel(identity, xyxy, f"back after {self._truth.away[found.track]:.0f} s", good=True)
        return BoxLabel(identity, xyxy, f"was {max(found.known)}" if found.known else "not recognized", good=False)

    def summary(self) -> str:
        """See `Annotator`."""
        found = self._settled_returns()
        ids = f"{counted(len(self._ids), 'id')} for {counted(len(self._people), 'person', 'people')}"
        false = f", {counted(found.false, 'false revival')}" if found.false else ""
        returns = (
            f"{found.recognized} of {counted(found.total, 'return')} recognized" if found.total else "no returns yet"
        )
        return f"{ids}   ·   {returns}{false}"

    def timeline(self) -> ImageArray | None:
        """See `Annotator`."""
        return self._timeline.render(
            self._frame, ((r.frame, r.person, r.recognized) for r in self._settled_returns().each)
        )


class EventAnnotator:
    """Annotates by the tracker's own results.

    Args:
        has_revivals: Whether the tracker reports revivals, as this package's does.
    """

    def __init__(self, *, has_revivals: bool) -> None:
        self._has_revivals = has_revivals
        self._ids: set[int] = set()
        self._revivals = 0

    def labels(self, result: Any, frames: list[FrameBoxes], seconds: float) -> list[BoxLabel]:
        """See `Annotator`."""
        self._ids.update(map(int, frames[-1].ids))
        if not self._has_revivals:
            return [BoxLabel(i, box) for i, box in _rows(frames[-1])]
        states = {state.identity_id: state for state in identities(result) if state is not None}
        self._revivals += sum(state.revived_now and _is_return(state.revival) for state in states.values())
        return [_revival_label(states.get(i), i, box, seconds) for i, box in _rows(frames[-1])]

    def summary(self) -> str:
        """See `Annotator`."""
        revivals = f"   ·   {counted(self._revivals, 'revival')}" if self._has_revivals else ""
        return f"{counted(len(self._ids), 'id')}{revivals}"

    def timeline(self) -> ImageArray | None:
        """See `Annotator`."""
        return None


class IdentityOwners:
    """Whom each id was matched to so far, on any camera."""

    def __init__(self) -> None:
        self._votes: dict[int, Counter[int]] = {}

    def add(self, identity: int, person: int) -> None:
        """Count a matched box."""
        self._votes.setdefault(identity, Counter())[person] += 1

    def of(self, identity: int) -> int | None:
        """The person on most of an id's boxes; None before the first."""
        votes = self._votes.get(identity)
        return votes.most_common(1)[0][0] if votes else None


class LinkAnnotator:
    """Annotates one of several cameras with one gallery: whom it knew from another camera, judged by ground truth.

    Args:
        camera: Name of the camera.
        truth: Its ground truth.
        people: Persons of all cameras, by row of the timeline.
        owners: Shared by the cameras.
        width: Width of the panel, pixels.
    """

    def __init__(
        self, camera: str, truth: SceneGroundTruth, people: list[int], owners: IdentityOwners, width: int
    ) -> None:
        self._camera, self._truth, self._owners = camera, truth, owners
        self._timeline = Timeline(width, people, len(truth.frames), round(_BRIDGED_SECONDS * truth.fps))
        self._ids: set[int] = set()
        self._links: dict[int, bool] = {}
        self._frame = 0

    def labels(self, result: Any, frames: list[FrameBoxes], seconds: float) -> list[BoxLabel]:
        """See `Annotator`."""
        self._frame = len(frames) - 1
        self._ids.update(map(int, frames[-1].ids))
        person = {i: self._truth.person_of(t) for t, i in matches(self._truth.frames[self._frame], frames[-1])}
        states = {state.identity_id: state for state in identities(result) if state is not None}
        for i, state in states.items():
            if _is_link(state.link, self._camera) and state.linked_now and i in person:
                self._links[i] = self._owners.of(i) == person[i]
        for i, who in person.items():
            self._owners.add(i, who)
        self._timeline.add(self._frame, {who: i for i, who in person.items()})
        return [self._label(states.get(i), i, box, seconds) for i, box in _rows(frames[-1])]

    def _label(self, state: Any, identity: int, xyxy: Floats, seconds: float) -> BoxLabel:
        link = None if state is None else state.link
        if link is None or identity not in self._links or seconds - link.time > _NOTE_SECONDS:
            return BoxLabel(identity, xyxy)
        return BoxLabel(identity, xyxy, f"known from {link.camera_id}", good=self._links[identity])

    def summary(self) -> str:
        """See `Annotator`."""
        right, wrong = sum(self._links.values()), len(self._links) - sum(self._links.values())
        text = f"{counted(len(self._ids), 'id')}   ·   {right} known from the other camera"
        return f"{text}, {wrong} taken for another" if wrong else text

    def timeline(self) -> ImageArray | None:
        """See `Annotator`."""
        return self._timeline.render(self._frame, ())


def _rows(frame: FrameBoxes) -> Iterator[tuple[int, Floats]]:
    return zip(map(int, frame.ids), frame.xyxy, strict=True)


def _is_link(link: Linked | None, camera: str) -> bool:
    """Whether the gallery knew an individual from another camera."""
    return link is not None and not link.new and link.camera_id != camera


def _is_return(revival: Revival | None) -> bool:
    return revival is not None and not revival.corrected and revival.gap >= _MIN_GAP_SECONDS


def _revival_label(state: Any, identity: int, xyxy: Floats, seconds: float) -> BoxLabel:
    if state is None or not _is_return(state.revival) or seconds - state.revival.time > _NOTE_SECONDS:
        return BoxLabel(identity, xyxy)
    return BoxLabel(identity, xyxy, f"back after {state.revival.gap:.0f} s")
