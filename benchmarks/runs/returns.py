"""Returns recognized: stock Ultralytics trackers and this package's on the same videos."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ultralytics_reid.evaluation.markdown import facts, table

from ..harness.contenders.host import OURS, HostContender
from ..harness.contenders.stock import (
    BOTSORT,
    BOTSORT_REID,
    BYTETRACK,
    MEMORYLESS,
    REID_BOTSORT,
    STOCK_REID,
)
from ..harness.data.sequences import Sequence, load_cache, load_clip
from ..harness.options import CAMPUS, PETS, TUD, add_json, add_shared, add_write, cached_path, need, need_clips
from ..harness.packages import has
from ..harness.report import cells, figures, present
from ..harness.tracking import Run, run_cached, run_live

TITLES = {
    (PETS, "cached"): "PETS by person: the same detections (YOLO11n INT8) and embeddings (OSNet x0.25) for all",
    (PETS, "motchallenge"): "The same runs under MOTChallenge's own identities: a return is a new track",
    (PETS, "live"): "PETS by person: as a user runs it",
    (TUD, "cached"): "TUD-Stadtmitte, without returns: the same detections and embeddings for all",
    (TUD, "live"): "TUD-Stadtmitte: as a user runs it",
    **{(clip, "cached"): f"{clip}, by person: the same detections and embeddings for all" for clip in CAMPUS},
    **{(clip, "live"): f"{clip}, by person: as a user runs it" for clip in CAMPUS},
}
COLUMNS = {
    "cached": ["ids", "returns recognized", "false revivals", "IDF1", "HOTA", "AssA", "MOTA", "IDSW", "ms a frame"],
    "motchallenge": ["ids", "IDF1", "HOTA", "AssA", "MOTA", "IDSW"],
}
CACHED = (
    *(BYTETRACK, *STOCK_REID, REID_BOTSORT, MEMORYLESS),
    HostContender("reid_botsort, fuse_appearance False", OURS, {"fuse_appearance": False}),
)
MOTCHALLENGE = {c.label for c in (BOTSORT, BOTSORT_REID, REID_BOTSORT, MEMORYLESS)}
NATIVE = (BOTSORT, BOTSORT_REID, REID_BOTSORT)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        sequence: The sequence's folder name.
        part: "cached" or "live", or "motchallenge" for cached runs under MOTChallenge's own identities.
        tracker: Its label.
        values: Figures by name; what says nothing of this sequence is absent.
    """

    sequence: str
    part: str
    tracker: str
    values: dict[str, float]


def run(args: Namespace) -> None:
    parts = [args.only] if args.only else ["cached", "live"]
    need_clips(args.shared, args.clips)
    need(args.shared / "models" / "yolo11n.pt")
    scores = [s for name in args.clips for part in parts for s in _scores(args.shared, name, part)]
    if args.json:
        args.json.write_text(json.dumps({"machine": facts(), "scores": [vars(s) for s in scores]}, indent=2) + "\n")
    present("returns", [*_tables(scores), *_notes(parts)], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    clips, default = (PETS, TUD, *CAMPUS), (PETS, TUD)
    parser.add_argument("--clips", nargs="+", choices=clips, default=default, help=f"default: {' '.join(default)}")
    parser.add_argument("--only", choices=("cached", "live"), help="one part instead of both")
    add_json(parser)
    add_write(parser)


def _scores(shared: Path, name: str, part: str) -> Iterator[Row]:
    sequence = load_clip(shared, name)
    runs = _cached_runs(shared, name, sequence) if part == "cached" else _live_runs(shared, sequence)
    for label, run in runs:
        yield Row(name, part, label, figures(sequence, run))
        if part == "cached" and (name, "motchallenge") in TITLES and label in MOTCHALLENGE:
            yield Row(name, "motchallenge", label, figures(sequence, run, by_person=False))


def _cached_runs(shared: Path, name: str, sequence: Sequence) -> Iterator[tuple[str, Run]]:
    cache = load_cache(cached_path(shared, name))
    for contender in CACHED:
        yield contender.label, run_cached(contender, sequence, cache)


def _live_runs(shared: Path, sequence: Sequence) -> Iterator[tuple[str, Run]]:
    models = shared / "models"
    for contender in NATIVE:
        run = run_live(contender, models / "yolo11n.pt", str(sequence.video), imgsz=640, classes=[0])
        yield f"yolo11n.pt: {contender.label}", run
    for contender in _exported(models):
        detector = models / "yolo11n_int8_openvino_model"
        run = run_live(contender, detector, str(sequence.video), imgsz=448, classes=[0])
        yield f"yolo11n INT8: {contender.label}", run


def _exported(models: Path) -> list[HostContender]:
    """Trackers for the OpenVINO model, which has no features to tap, as far as their packages are installed."""
    if not has("openvino"):
        return []
    weights = models / "osnet_x0_25_msmt17.pth"
    need(models / "yolo11n_int8_openvino_model", weights)
    changes = {"model": "osnet_x0_25", "weights": str(weights)}
    ours = [HostContender("**reid_botsort**, osnet_x0_25", OURS, changes)] if has("torchreid") else []
    return [HostContender("botsort", "botsort.yaml"), *ours]


def _tables(scores: list[Row]) -> Iterator[str]:
    for (name, part), title in TITLES.items():
        columns = COLUMNS.get(part, COLUMNS["cached"])
        rows = [[s.tracker, *cells(s.values, columns)] for s in scores if (s.sequence, s.part) == (name, part)]
        if rows:
            yield f"**{title}**"
            yield table(["tracker", *columns], rows)


def _notes(parts: list[str]) -> Iterator[str]:
    if "cached" in parts:
        yield (
            "Cached: every tracker with its YAML's defaults but for what its row says, camera motion (`gmc_method`) as "
            "there, on the video's real frames; ms a frame is the tracker's time alone, this package's told the frame "
            "rate. Live: `YOLO(...).track(...)`; ms a frame is the whole pipeline's. Both are medians."
        )
        yield (
            "Why memory costs under MOTChallenge's own identities: for each return recognized, one id is on two tracks "
            "then, and can be right for one of them only."
        )
    if "live" in parts and not (has("openvino") and has("torchreid")):
        yield "Left out, as openvino or torchreid is not installed: rows of the INT8 OpenVINO model."
