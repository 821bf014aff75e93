"""MOT17's validation half as it lies in the shared folder: detections and camera motion without pictures."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path

from .mot.embedding import as_frame
from .mot.inputs import boxes_of_file, by_frame
from .mot.layout import Clip as Stretch
from .mot.reading import FRAME, Doubles, read_info, read_motion, read_truth
from .mot.scoring import benchmark_of, combine, figures, score
from .sequences import Detections, Frame, Sequence

MOT17 = "mot17-val"
NAMES = ("MOT17-02", "MOT17-04", "MOT17-05", "MOT17-11")
COMBINED = "COMBINED"


@dataclass(frozen=True)
class Clip:
    """A sequence without pictures.

    Attributes:
        scene: Every row of the ground truth, distractors, occluders and rows that don't count included; no video.
        detections: By frame, without embeddings; boxes may reach over the picture's edge.
        warps: `(F, 2, 3)` float64, the affine camera motion from the frame before to each frame, pixels.
        shape: The pictures' height and width, pixels.
    """

    scene: Sequence
    detections: list[Detections]
    warps: Doubles
    shape: tuple[int, int]


def load_clip(folder: Path) -> Clip:
    """Read a sequence's `seqinfo.ini`, `gt/gt.txt`, `det/det.txt` and `gmc.txt`.

    Args:
        folder: The sequence's folder, which gives it its name.

    Raises:
        DataError: If one of the files is missing or wrong.
    """
    info = read_info(folder)
    stretch = Stretch(folder, info, 0, info.length)
    truth = stretch.truth().rows
    frames = tuple(as_frame(truth[truth[:, FRAME] == n]) for n in range(1, info.length + 1))
    warps = read_motion(folder / "gmc.txt", (info.length,))
    detections = by_frame(boxes_of_file(stretch, stretch.public()), info.length)
    return Clip(Sequence(folder.name, info.fps, frames, {}, None), detections, warps, info.shape)


def picture_shape(folder: Path) -> tuple[int, int]:
    """The height and width of a sequence's pictures, pixels, from its `seqinfo.ini`."""
    return read_info(folder).shape


def evaluate(folder: Path, outputs: Mapping[str, Rows[Frame]]) -> dict[str, dict[str, float]]:
    """Score a tracker by MOT17's rule.

    Boxes that match distractors (persons on vehicles, static persons, distractors, reflections) are dropped; then
    pedestrians whose flag is set count.

    Args:
        folder: Holds the sequences' folders, each with `gt/gt.txt`.
        outputs: The tracker's boxes by frame, by sequence.

    Returns:
        HOTA, AssA, DetA, IDF1, MOTA (percent), IDSW, Frag and ids, by sequence, and for all of them together as
        `COMBINED`.
    """
    scores = {}
    for name, frames in outputs.items():
        truth = read_truth(folder / name / "gt" / "gt.txt", len(frames))
        scores[name] = score(truth, frames, benchmark_of(name, truth))
    return {name: figures(s) for name, s in {**scores, COMBINED: combine(scores)}.items()}
