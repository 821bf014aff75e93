"""Report of two cameras with one gallery, and the commands that show what is in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..evaluation.frames import FrameBoxes
from ..evaluation.idf1 import by_person, idf1
from ..evaluation.markdown import table
from ..evaluation.returns import sightings
from .ground_truth import MIN_VISIT_SECONDS, SceneGroundTruth

GALLERY, QUERY, FOUND, HEATMAP = "gallery.db", "query.png", "found.png", "heatmap.png"


@dataclass(frozen=True)
class Query:
    """An individual of the gallery on the query image.

    Attributes:
        box: Where it is, xyxy in pixels.
        detector: The YOLO model of the gallery's embeddings.
        camera: A camera that saw it.
    """

    box: tuple[int, ...]
    detector: str
    camera: str


@dataclass(frozen=True)
class CameraReport:
    """Result of cameras that share a gallery.

    Attributes:
        cameras: Names of the cameras.
        truth: Ground truth by camera.
        frames: Boxes and ids by camera and frame, as many frames as the ground truth has.
        query: Whom to search for; None where the gallery is empty.
    """

    cameras: tuple[str, ...]
    truth: tuple[SceneGroundTruth, ...]
    frames: tuple[tuple[FrameBoxes, ...], ...]
    query: Query | None

    @property
    def ids(self) -> int:
        """Number of different ids on all cameras."""
        return len({int(i) for frames in self.frames for frame in frames for i in frame.ids})

    @property
    def idf1(self) -> float:
        """IDF1 by person over all cameras, in [0, 1]."""
        truth = [frame for part in self.truth for frame in by_person(part)]
        return idf1(truth, [frame for frames in self.frames for frame in frames])

    def __str__(self) -> str:
        title = f"Two cameras, {' and '.join(self.cameras)}, one gallery:"
        if not self.ids:
            return f"{title}\n\nNo ids: nothing was detected, or not for long enough; the gallery has no identities."
        people = {part.person_of(int(t)) for part in self.truth for frame in part.frames for t in frame.ids}
        linked = self._main_ids()
        on_all = [ids for ids in linked.values() if len(ids) == len(self.cameras)]
        same = sum(len(set(ids)) == 1 for ids in on_all)
        head = ["frames", "ids", "people", "IDF1 by person", "people on both with one id"]
        row = [f"{len(self.frames)} x {len(self.frames[0])}", str(self.ids), str(len(people)), f"{100 * self.idf1:.1f}"]
        return f"{title}\n\n{table(head, [[*row, f'{same} of {len(on_all)}']])}"

    def commands(self, folder: Path) -> list[list[str]]:
        """Command lines that show what is in the gallery, without the program's name; none if it is empty.

        Args:
            folder: Folder with the files of `track_cameras`.
        """
        if self.query is None:
            return []
        gallery, query = ["--gallery", str(folder / GALLERY)], self.query
        image = ["--image", str(folder / QUERY), "--box", ",".join(map(str, query.box)), "--detector", query.detector]
        background = ["--camera", query.camera, "--background", str(folder / f"{query.camera}.mp4")]
        return [
            ["list", *gallery],
            ["search", *gallery, *image, "--sheet", str(folder / FOUND), "--overwrite"],
            ["heatmap", *gallery, *background, "--out", str(folder / HEATMAP), "--overwrite"],
        ]

    def _main_ids(self) -> dict[int, list[int]]:
        """The id on most boxes of each person, on each camera where the person was matched for a second or more."""
        found: dict[int, list[int]] = {}
        for truth, frames in zip(self.truth, self.frames, strict=True):
            votes: dict[int, Counter[int]] = {}
            for _, track, identity in sightings(truth.frames, frames):
                votes.setdefault(truth.person_of(track), Counter())[identity] += 1
            for person, ids in votes.items():
                if ids.total() >= MIN_VISIT_SECONDS * truth.fps:
                    found.setdefault(person, []).append(ids.most_common(1)[0][0])
        return found
