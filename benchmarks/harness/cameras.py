"""Several cameras, or several runs, that share a gallery; and each camera alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid.events import Linked

from .runs import Contender, as_boxes, black, make_tracker, rows_as_frame
from .sequences import Detections, Frame

# Pixels between the pictures of two cameras where they are laid side by side.
_APART = 100_000
# Ids by which those of one camera are away from another's that knows nothing of it.
_OTHERS = 10_000_000
# Seconds that a frame waits for the gallery, so that the same run gives the same ids.
WAIT = 30.0

Views = Iterable[tuple[Frame, Detections]]


@dataclass(frozen=True)
class Film:
    """What one camera sees in one run.

    Attributes:
        camera: Its name.
        fps: Frames a second.
        shape: Height and width of its pictures, pixels.
        start: When it starts, seconds since the first run's start.
        views: Makes, frame by frame, who can be seen, and detections with embeddings.
    """

    camera: str
    fps: float
    shape: tuple[int, int]
    start: float
    views: Callable[[], Views]


@dataclass(frozen=True)
class Outcome:
    """What came out of runs, of all cameras side by side.

    Attributes:
        truth: Who can be seen, by frame.
        output: The boxes and ids, by frame.
        links: Who was known to the gallery.
    """

    truth: tuple[Frame, ...]
    output: tuple[Frame, ...]
    links: tuple[Linked, ...]


def together(contender: Contender, films: Sequence[Film], gallery: Path | str | None, start: float) -> Outcome:
    """Track films frame by frame, all at once, with one gallery or each alone.

    Args:
        contender: The tracker.
        films: Of as many cameras, of one frame rate, starting together.
        gallery: Where identities are shared; None for each camera alone.
        start: When they start, seconds since 1970.
    """
    trackers = [_tracker(contender, film, gallery, start) for film in films]
    for tracker in trackers[1:]:
        tracker.connection = trackers[0].connection
    links: list[Linked] = []
    for tracker in trackers:
        tracker.events.subscribe(lambda event: links.append(event) if isinstance(event, Linked) else None)
    truth, output = [], []
    for views in zip(*(film.views() for film in films), strict=True):
        step = zip(trackers, films, views, strict=True)
        shown = [_frame(tracker, film.shape, view[1]) for tracker, film, view in step]
        if gallery is None:
            shown = [Frame(f.ids + n * _OTHERS, f.xyxy) for n, f in enumerate(shown)]
        truth.append(_beside([view[0] for view in views]))
        output.append(_beside(shown))
    for tracker in trackers:
        tracker.finish(wait=True)
    return Outcome(tuple(truth), tuple(output), tuple(links))


def one_by_one(contender: Contender, films: Sequence[Film], gallery: Path | str | None, start: float) -> Outcome:
    """Track films one after another, each a run of its own, with one gallery or each alone."""
    parts = [together(contender, [film], gallery, start + film.start) for film in films]
    apart = 0 if gallery else _OTHERS
    output = (Frame(f.ids + n * apart, f.xyxy) for n, part in enumerate(parts) for f in part.output)
    return Outcome(
        tuple(f for part in parts for f in part.truth), tuple(output), tuple(e for part in parts for e in part.links)
    )


def _tracker(contender: Contender, film: Film, gallery: Path | str | None, start: float) -> Any:
    shared = {} if gallery is None else {"gallery": str(gallery), "gallery_wait": WAIT, "camera_id": film.camera}
    tracker = make_tracker(
        Contender(contender.label, contender.yaml, {"gmc_method": "none", **contender.changes, **shared}), film.fps
    )
    tracker.starts_at = start
    return tracker


def _frame(tracker: Any, shape: tuple[int, int], found: Detections) -> Frame:
    return rows_as_frame(tracker.update(as_boxes(found, shape), black(shape), feats=found.feats))


def _beside(frames: Sequence[Frame]) -> Frame:
    """Cameras' frames as one, with their pictures side by side."""
    shifted = [f.xyxy + np.array([n * _APART, 0] * 2, np.float32) for n, f in enumerate(frames)]
    return Frame(np.concatenate([f.ids for f in frames]), np.concatenate(shifted).astype(np.float32))


def halves(film: Film, cuts: Sequence[int], length: int) -> Iterator[Film]:
    """A film cut into runs at some frames."""
    views = list(film.views())
    for first, stop in zip([0, *cuts], [*cuts, length], strict=True):
        yield Film(film.camera, film.fps, film.shape, first / film.fps, lambda f=first, s=stop: views[f:s])  # type: ignore[misc]
