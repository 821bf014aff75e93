"""Several cameras, or several runs, that share a gallery; and each camera alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid import TrackLog
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import matches
from ultralytics_reid.events import Linked

from .contenders.host import HostContender, as_boxes, black, make_tracker, rows_as_frame
from .data.features import embedded
from .data.sequences import Detections, load_clip
from .options import CAMPUS
from .progress import progress
from .scoring.track_eval import track_eval

# Pixels between the images of two cameras where they are laid side by side.
_APART = 100_000
# By how much the ids of a camera that knows nothing of others are away from theirs.
OTHERS = 20_000_000
# Seconds that a frame waits for the gallery, so that the same run gives the same ids.
WAIT = 30.0
# Seconds of matched boxes from which on a person was on a camera.
LEAST = 2.0

DEFINITIONS = """\
IDF1, HOTA          TrackEval on all cameras at once, their images laid side by side: a
                    person is one identity wherever they are.
a view              a person on a camera (in a run) for two seconds of matched boxes or
                    more, in all; its id is the one on most of them.
links               views of people with an earlier view: all are to be linked to it.
right               those with the id of an earlier view of the same person.
missed              those with a new id.
wrong merges        views, first ones too, with the id of another person's earlier view.
links made          by the gallery; sound if the new id had been mostly on the same person
                    until then. It is the gallery's own share of the above: mistakes of the
                    cameras' trackers don't count.
matched             one to one, IoU 0.5 or more.
"""

Views = Iterable[tuple[FrameBoxes, Detections]]


@dataclass(frozen=True)
class CameraStream:
    """One camera's input in one run.

    Attributes:
        camera: Its name.
        fps: Frames a second.
        shape: Height and width of its images, pixels.
        start: When it starts, seconds since the first run's start.
        views: Makes, frame by frame, the visible people, and detections with embeddings.
    """

    camera: str
    fps: float
    shape: tuple[int, int]
    start: float
    views: Callable[[], Views]


def campus_streams(shared: Path, embedder: str, features: Path) -> list[CameraStream]:
    """EPFL campus4's two views of one place, which start together: cached detections with embeddings.

    Args:
        shared: The folder that holds data/.
        embedder: Whose embeddings; see `embedded`.
        features: Keeps what has been computed.
    """
    streams = []
    for n, clip in enumerate(CAMPUS):
        sequence, cache = load_clip(shared, clip), embedded(clip, embedder, shared, features)
        views = list(zip(sequence.by_person(), cache, strict=False))
        streams.append(CameraStream(f"campus {n}", sequence.fps, sequence.shape, 0.0, partial(iter, views)))
    return streams


@dataclass(frozen=True)
class CameraRun:
    """A tracker's output on one stream.

    Attributes:
        film: Which.
        truth: The visible people, by frame.
        output: The boxes and ids, by frame.
        linked: Index of the frame, the id until then and the one since, of each person that the gallery knew.
        log: The track log, where there is a gallery.
    """

    film: CameraStream
    truth: tuple[FrameBoxes, ...]
    output: tuple[FrameBoxes, ...]
    linked: tuple[tuple[int, int, int], ...] = ()
    log: TrackLog | None = None

    def time(self, frame: int) -> float:
        """When a frame was, seconds since the first run's start."""
        return self.film.start + frame / self.film.fps


@dataclass(frozen=True)
class Links:
    """Views of people with an earlier view, by result; see `DEFINITIONS`.

    Attributes:
        total: How many there are.
        right: How many were linked.
        missed: How many have a new id.
        wrong: How many views have another person's id.
        people: How many people have views.
        ids: How many different ids views have.
        made: How many links of the gallery can be checked against ground truth.
        sound: How many of them joined what was the same person until then.
    """

    total: int = 0
    right: int = 0
    missed: int = 0
    wrong: int = 0
    people: int = 0
    ids: int = 0
    made: int = 0
    sound: int = 0

    def __add__(self, other: Links) -> Links:
        return Links(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def together(
    contender: HostContender, films: Sequence[CameraStream], gallery: Path | str | None, start: float
) -> list[CameraRun]:
    """Track films frame by frame, all at once, with one gallery or each alone.

    Args:
        contender: The tracker.
        films: Of as many cameras, of one frame rate, starting together.
        gallery: Where identities are shared; None for each camera alone.
        start: When they start, seconds since 1970.
    """
    trackers = [_tracker(contender, film, gallery, start + film.start) for film in films]
    for tracker in trackers[1:]:
        if gallery is not None:
            tracker.camera.connection = trackers[0].camera.connection
    truth: list[list[FrameBoxes]] = [[] for _ in films]
    output: list[list[FrameBoxes]] = [[] for _ in films]
    linked: list[list[tuple[int, int, int]]] = [[] for _ in films]
    for tracker, mine in zip(trackers, linked, strict=True):
        tracker.events.subscribe(partial(_note, mine))
    label = f"{contender.label}, {'alone' if gallery is None else 'gallery'}"
    for views in progress(zip(*(film.views() for film in films), strict=True), label):
        for n, (seen, found) in enumerate(views):
            truth[n].append(seen)
            output[n].append(_track(trackers[n], films[n].shape, found))
    for tracker in trackers if gallery is not None else ():
        tracker.finish(wait=True)
    if gallery is not None:
        trackers[0].camera.connection.close()  # its folder goes next
    made = (map(tuple, part) for part in (truth, output, linked))
    return [CameraRun(*part) for part in zip(films, *made, [tracker.log for tracker in trackers], strict=True)]


def _note(linked: list[tuple[int, int, int]], event: object) -> None:
    if isinstance(event, Linked) and not event.new:
        linked.append((event.frame - 1, event.previous_id, event.identity_id))


def one_by_one(
    contender: HostContender, films: Sequence[CameraStream], gallery: Path | str | None, start: float
) -> list[CameraRun]:
    """Track films one after another, each a run of its own, with one gallery or each alone."""
    return [part for film in films for part in together(contender, [film], gallery, start)]


def _tracker(contender: HostContender, film: CameraStream, gallery: Path | str | None, start: float) -> Any:
    shared = {} if gallery is None else {"gallery": str(gallery), "gallery_wait": WAIT, "camera_id": film.camera}
    changes = {"gmc_method": "none", **contender.changes, **shared}
    tracker = make_tracker(replace(contender, changes=changes), film.fps)
    tracker.camera.starts_at = start
    tracker.log = None if gallery is None else TrackLog()
    return tracker


def _track(tracker: Any, shape: tuple[int, int], found: Detections) -> FrameBoxes:
    return rows_as_frame(tracker.update(as_boxes(found, shape), black(shape), feats=found.feats))


def of_their_own(parts: Sequence[CameraRun]) -> list[CameraRun]:
    """Make the ids of cameras without a common gallery differ."""
    return [
        CameraRun(p.film, p.truth, tuple(FrameBoxes(f.ids + n * OTHERS, f.xyxy) for f in p.output))
        for n, p in enumerate(parts)
    ]


def figures(parts: Sequence[CameraRun], *, at_once: bool) -> dict[str, float]:
    """TrackEval's figures over all films.

    Args:
        parts: What came out of each.
        at_once: Whether they ran at the same time; one after another if not.
    """
    if not at_once:
        truth, output = ([f for p in parts for f in getattr(p, side)] for side in ("truth", "output"))
        return track_eval(truth, output)
    frames = (zip(*(getattr(p, side) for p in parts), strict=True) for side in ("truth", "output"))
    truth, output = ([_beside(frame) for frame in side] for side in frames)
    return track_eval(truth, output)


def _beside(frames: Sequence[FrameBoxes]) -> FrameBoxes:
    """Cameras' frames as one, with their images side by side."""
    shifted = [f.xyxy + np.array([n * _APART, 0] * 2, np.float32) for n, f in enumerate(frames)]
    return FrameBoxes(np.concatenate([f.ids for f in frames]), np.concatenate(shifted).astype(np.float32))


def links(parts: Sequence[CameraRun]) -> Links:
    """Count links of people that were on more than one camera, or in more than one run."""
    views = sorted(view for n, part in enumerate(parts) for view in _views(n, part))
    mine: dict[int, set[int]] = defaultdict(set)
    owner: dict[int, int] = {}
    told = Counter[str]()
    for _, _, person, shown in views:
        right = shown in mine[person]
        wrong = not right and shown in owner
        told["again"] += bool(mine[person])
        told["right"] += right
        told["wrong"] += wrong
        told["missed"] += bool(mine[person]) and not right and not wrong
        owner.setdefault(shown, person)
        mine[person].add(shown)
    made = _made(parts)
    return Links(
        told["again"], told["right"], told["missed"], told["wrong"], len(mine), len(owner), len(made), sum(made)
    )


def _made(parts: Sequence[CameraRun]) -> list[bool]:
    """Check the gallery's links against ground truth, as far as it is known."""
    seen = [
        (part.time(n), place, identity, person)
        for place, part in enumerate(parts)
        for n, frames in enumerate(zip(part.truth, part.output, strict=True))
        for person, identity in matches(*frames)
    ]
    found = []
    for place, part in enumerate(parts):
        for frame, before, since in part.linked:
            until = part.time(frame)
            person = _most(p for t, n, i, p in seen if n == place and i == before and t < until)
            owner = _most(p for t, n, i, p in seen if i == since and t < until)
            found += [person == owner] if person is not None and owner is not None else []
    return found


def _most(people: Iterable[int]) -> int | None:
    votes = Counter(people)
    return votes.most_common(1)[0][0] if votes else None


def _views(number: int, part: CameraRun) -> Iterable[tuple[float, int, int, int]]:
    """When each view began, the part, the person, and the id on most of its boxes."""
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    began: dict[int, float] = {}
    for n, (seen, shown) in enumerate(zip(part.truth, part.output, strict=True)):
        for person, identity in matches(seen, shown):
            votes[person][identity] += 1
            began.setdefault(person, part.time(n))
    for person, ids in votes.items():
        if ids.total() >= LEAST * part.film.fps:
            yield began[person], number, person, ids.most_common(1)[0][0]
