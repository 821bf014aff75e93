"""What trackers put out, with the identities that the gallery gives their visits afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ultralytics_reid import Gallery
from ultralytics_reid._typing import Ints
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.records import Visit

from .cameras import CameraRun

# Pixels by which the corners of a box and of a visit's path may differ: both are the tracker's.
_SAME_BOX = 3.0
# What is added to ids of boxes that belong to no visit.
_NO_VISIT = 5_000_000


def relinked(parts: Sequence[CameraRun], gallery: Path, start: float, topology: Topology) -> list[CameraRun]:
    """Relink a gallery, and give all boxes the identities of their visits.

    Boxes that belong to no visit, such as those of tracks without a clean crop, keep the id that they were shown with,
    as an identity of their own.

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
    return [_relabeled(part, visits, identities, start + part.film.start) for part in parts]


def _relabeled(part: CameraRun, visits: Iterable[Visit], identities: Mapping[int, int], start: float) -> CameraRun:
    until = start + len(part.output) / part.film.fps
    mine = [v for v in visits if v.camera == part.film.camera and start - 1e-3 <= v.first < until]
    own = [np.zeros(len(frame.ids), np.int64) for frame in part.output]
    for visit in mine:
        shown = np.array(sorted(_shown_ids(visit, part, start)), np.int64)
        for frame in range(max(0, _frame(visit.first, part, start)), _frame(visit.last, part, start) + 1):
            if frame < len(own):
                own[frame][np.isin(part.output[frame].ids, shown) & (own[frame] == 0)] = identities[visit.id]
    frames = (FrameBoxes(_ids(f.ids, found), f.xyxy) for f, found in zip(part.output, own, strict=True))
    return replace(part, output=tuple(frames), linked=())


def _ids(shown: Ints, found: Ints) -> Ints:
    return np.where(found > 0, found, shown + _NO_VISIT).astype(shown.dtype)


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
