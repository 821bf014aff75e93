"""What trackers put out, with the identities that the gallery gives their visits afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ultralytics_reid import Gallery
from ultralytics_reid._typing import Ints
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.records import Visit

from .cameras import OTHERS, CameraRun
from .tracking import as_frames

# Pixels by which the corners of a box and of a visit's path may differ: both are the tracker's.
_SAME_BOX = 3.0
# What is added to ids without a visit.
_NO_VISIT = 5_000_000


def relinked(
    parts: Sequence[CameraRun], gallery: Path, start: float, topology: Topology
) -> tuple[list[CameraRun], list[CameraRun]]:
    """Relink a gallery, and give all boxes the identities of their visits.

    Boxes of ids without a visit, such as those of tracks without a clean crop, keep the id that they were shown with,
    as an identity of their own.

    Returns:
        The boxes that were shown; and those after the second pass over each camera's track log, too.

    Args:
        parts: What came out of each film.
        gallery: The gallery that they were tracked with.
        start: When the films start, seconds since 1970.
        topology: Of the cameras.
    """
    with Gallery(gallery) as opened:
        visits = list(opened.visits())
        opened.relink(topology=topology, apply=True)
        identities = {v.id: v.identity for v in opened.visits(details=False)}
        refined = [_refined(n, part, opened, set(identities.values())) for n, part in enumerate(parts)]
    return [relabeled(part, visits, identities, start + part.film.start) for part in parts], refined


def _refined(number: int, part: CameraRun, gallery: Gallery, identities: Collection[int]) -> CameraRun:
    """A camera's boxes after the second pass, with the identities that the gallery has by now."""
    assert part.log is not None
    rows = gallery.identified(part.log, camera=part.film.camera).rows.copy()
    rows[:, 0] -= 1  # this tracker counts from 1
    own = ~np.isin(rows[:, 1], list(identities))
    rows[own, 1] += (number + 1) * OTHERS
    return replace(part, output=tuple(as_frames(rows, len(part.output))), linked=())


def relabeled(part: CameraRun, visits: Iterable[Visit], identities: Mapping[int, int], start: float) -> CameraRun:
    """Give the boxes of a camera the identities of their visits; others keep their id, as an identity of their own.

    Args:
        part: What the tracker put out.
        visits: With their paths, as they were when the tracker had ended.
        identities: By visit.
        start: When the film starts, seconds since 1970.
    """
    until = start + len(part.output) / part.film.fps
    spans: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for visit in visits:
        if visit.camera == part.film.camera and start - 1e-3 <= visit.first < until:
            span = _frame(visit.first, part, start), _frame(visit.last, part, start), identities[visit.id]
            for shown in set(_shown_ids(visit, part, start)):
                spans[shown].append(span)
    output = (FrameBoxes(_ids(frame.ids, n, spans), frame.xyxy) for n, frame in enumerate(part.output))
    return replace(part, output=tuple(output), linked=())


def _ids(shown: Ints, frame: int, spans: Mapping[int, list[tuple[int, int, int]]]) -> Ints:
    """Identities of boxes: that of the visit that was shown under their id, of several the nearest in time."""
    found = [
        min((max(a - frame, frame - b, 0), identity) for a, b, identity in spans[i])[1]
        if spans.get(i)
        else i + _NO_VISIT
        for i in shown.tolist()
    ]
    return np.array(found, shown.dtype).reshape(-1)


def _frame(time: float, part: CameraRun, start: float) -> int:
    return round((time - start) * part.film.fps) - 1


def _shown_ids(visit: Visit, part: CameraRun, start: float) -> Iterator[int]:
    """Ids of the boxes on a visit's path."""
    height, width = part.film.shape
    for seconds, *box in visit.path.astype(np.float64):
        frame = _frame(visit.first + seconds, part, start)
        if 0 <= frame < len(part.output) and len(part.output[frame].ids):
            output = part.output[frame]
            off = np.abs(output.xyxy - np.array(box) * [width, height, width, height]).max(axis=1)
            if off.min() < _SAME_BOX:
                yield int(output.ids[off.argmin()])
