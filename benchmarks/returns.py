"""Who is recognised when they come back: stock Ultralytics trackers and this package's on the same videos."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.runs import OURS, Contender, Run, run_cached, run_live
from harness.scores import DEFINITIONS, returns, track_eval
from harness.sequences import Sequence, load_cache, load_sequence
from harness.setting import PETS, TUD, add_shared, facts, has, need, table

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- returns:begin -->", "<!-- returns:end -->"

TITLES = {
    (PETS, "cached"): "PETS by person: the same detections (YOLO11n INT8) and embeddings (OSNet x0.25) for all",
    (PETS, "live"): "PETS by person: as a user runs it",
    (TUD, "cached"): "TUD-Stadtmitte, where nobody comes back: the same detections and embeddings for all",
    (TUD, "live"): "TUD-Stadtmitte: as a user runs it",
}
REID = {"with_reid": True}
LONG = {**REID, "proximity_thresh": 0.0, "track_buffer": 3000, "appearance_thresh": 0.85}
CACHED = (
    Contender("bytetrack", "bytetrack.yaml"),
    Contender("botsort", "botsort.yaml"),
    Contender("botsort, with_reid", "botsort.yaml", REID),
    Contender("botsort, with_reid, proximity 0, buffer 3000, appearance 0.85", "botsort.yaml", LONG),
    Contender("tracktrack, with_reid", "tracktrack.yaml", REID),
    Contender("deepocsort, with_reid", "deepocsort.yaml", REID),
    Contender("**reid_botsort**", OURS),
    Contender("reid_botsort, memory_seconds 0", OURS, {"memory_seconds": 0.0}),
    Contender("reid_botsort, fuse_appearance False", OURS, {"fuse_appearance": False}),
)
NATIVE = (
    Contender("botsort", "botsort.yaml"),
    Contender("botsort, with_reid", "botsort.yaml", REID),
    Contender("**reid_botsort**", OURS),
)


@dataclass(frozen=True)
class Score:
    """One row of a table.

    Attributes:
        sequence: The sequence's folder name.
        part: "cached" or "live".
        tracker: Its label.
        values: Figures by name; what says nothing of this sequence is absent.
    """

    sequence: str
    part: str
    tracker: str
    values: dict[str, float]


def main() -> None:
    args = _arguments()
    scores = [s for name in (PETS, TUD) for part in args.parts for s in _scores(args.shared, name, part)]
    if args.json:
        args.json.write_text(json.dumps({"machine": facts(), "scores": [vars(s) for s in scores]}, indent=2) + "\n")
    text = "\n\n".join([*_tables(scores), *_notes(args.parts), facts()])
    print(text)
    if args.write:
        _write(text)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__, epilog=DEFINITIONS, formatter_class=RawDescriptionHelpFormatter)
    add_shared(parser)
    parser.add_argument("--only", choices=("cached", "live"), help="one part instead of both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md too")
    args = parser.parse_args()
    args.parts = [args.only] if args.only else ["cached", "live"]
    for name in (PETS, TUD):
        need(args.shared / "data" / name)
    need(args.shared / "models" / "yolo11n.pt")
    return args


def _scores(shared: Path, name: str, part: str) -> Iterator[Score]:
    sequence = load_sequence(shared / "data" / name)
    runs = _cached_runs(shared, name, sequence) if part == "cached" else _live_runs(shared, sequence)
    for label, run in runs:
        yield Score(name, part, label, _values(sequence, run))


def _cached_runs(shared: Path, name: str, sequence: Sequence) -> Iterator[tuple[str, Run]]:
    path = shared / "data" / "cache" / f"{name}.npz"
    need(path)
    cache = load_cache(path)
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


def _exported(models: Path) -> list[Contender]:
    """Trackers for the OpenVINO model, whose inside shows no features: as far as what they need is installed."""
    if not has("openvino"):
        return []
    weights = models / "osnet_x0_25_msmt17.pth"
    need(models / "yolo11n_int8_openvino_model", weights)
    changes = {"model": "osnet_x0_25", "weights": str(weights)}
    ours = [Contender("**reid_botsort**, osnet_x0_25", OURS, changes)] if has("torchreid") else []
    return [Contender("botsort", "botsort.yaml"), *ours]


def _values(sequence: Sequence, run: Run) -> dict[str, float]:
    values = track_eval(sequence.by_person(), run.frames) | {"ms": run.milliseconds}
    found = returns(sequence, run.frames)
    if found.total:
        values |= {"returns": found.total, "recognised": found.recognised, "false": found.false}
    return values


def _tables(scores: list[Score]) -> Iterator[str]:
    head = ["tracker", "ids", "returns recognised", "false revivals", "IDF1", "HOTA", "AssA", "MOTA", "IDSW"]
    for (name, part), title in TITLES.items():
        rows = [_row(s) for s in scores if (s.sequence, s.part) == (name, part)]
        if rows:
            yield f"**{title}**"
            yield table([*head, "ms a frame"], rows)


def _row(score: Score) -> list[str]:
    v = score.values
    back = [f"{v['recognised']:.0f} of {v['returns']:.0f}", f"{v['false']:.0f}"] if "returns" in v else ["-", "-"]
    percent = [f"{v[k]:.1f}" for k in ("IDF1", "HOTA", "AssA", "MOTA")]
    return [score.tracker, f"{v['ids']:.0f}", *back, *percent, f"{v['IDSW']:.0f}", f"{v['ms']:.1f}"]


def _notes(parts: list[str]) -> Iterator[str]:
    if "cached" in parts:
        yield (
            "Cached: every tracker with its YAML's defaults but for what its row says, camera motion (`gmc_method`) as "
            "there, on the video's real frames; ms a frame is the tracker's time alone, this package's told the frame "
            "rate. Live: `YOLO(...).track(...)`; ms a frame is the whole pipeline's. Both are medians."
        )
    if "live" in parts and not (has("openvino") and has("torchreid")):
        yield "Left out, as openvino or torchreid is not installed: rows of the INT8 OpenVINO model."


def _write(text: str) -> None:
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
