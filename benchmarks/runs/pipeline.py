"""Time and accuracy of whole pipelines, from the video to ids, in turns on the same machine.

Detectors are YOLO11n, in INT8 by OpenVINO and in PyTorch; encoders OSNet x0.25, as `ultralytics-reid export` makes it,
person-reidentification-retail-0287 in INT8, and the detector's own features. Accuracy is of the same runs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ultralytics_reid.demo.runner import of_result
from ultralytics_reid.embedders.export import export
from ultralytics_reid.evaluation.markdown import table

from ..harness.contenders.host import OURS, HostContender
from ..harness.contenders.stock import BOTSORT, BOTSORT_REID
from ..harness.data.features import RETAIL_CROPS, RETAIL_FOLDER
from ..harness.data.sequences import Sequence, load_sequence
from ..harness.options import PETS, TUD, add_shared, add_write, need
from ..harness.progress import progress
from ..harness.report import cells, figures, present
from ..harness.tracking import Run, live

MODEL, WEIGHTS = "osnet_x0_25", "osnet_x0_25_msmt17.pth"
INT8, NATIVE = "yolo11n_int8_openvino_model", "yolo11n.pt"
SIZES = {INT8: 448, NATIVE: 640}
NAMES = {INT8: "YOLO11n INT8, 448", NATIVE: "yolo11n.pt, 640"}
STAGES = ("preprocess", "inference", "postprocess")
WARM_UP = 20

RETAIL_KEYS = {"normalize": RETAIL_CROPS.normalize, "channels": RETAIL_CROPS.channels}

OSNET_STOCK = "botsort, with_reid, OSNet (ONNX)"
OSNET, OSNET_ALL = "**reid_botsort**, OSNet", "reid_botsort, OSNet, reid_interval 0"
RETAIL_INT8 = "**reid_botsort**, retail-0287 INT8"
AUTO = "**reid_botsort**, auto"
# Most times that a pipeline may take as long as stock botsort on its detector, by detector and label: on both clips.
GOALS = {
    (INT8, OSNET): {PETS: 1.25, TUD: 1.35},
    (INT8, RETAIL_INT8): {PETS: 1.25, TUD: 1.35},
    (NATIVE, AUTO): {PETS: 1.1, TUD: 1.1},
}


@dataclass
class Pipeline:
    """A detector and a tracker, and what was measured of them.

    Attributes:
        detector: File or folder name of the YOLO model.
        contender: The tracker.
        frames: Ids and boxes of the last round.
        whole, tracking: Milliseconds of each frame of all rounds: in all, and beyond the detector's.
        share: Share of the detections whose crops were embedded; None where there is no encoder of crops.
    """

    detector: str
    contender: HostContender
    frames: list[Any] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    tracking: list[float] = field(default_factory=list)
    share: float | None = None

    def run(self, shared: Path, sequence: Sequence) -> None:
        """Track the sequence's video once."""
        self.frames = []
        options: dict[str, Any] = {"imgsz": SIZES[self.detector], "classes": [0], "at_end": self._note_share}
        start = time.perf_counter()
        path = shared / "models" / self.detector
        for number, result in enumerate(live(self.contender, path, str(sequence.video), **options)):
            took = 1000 * (time.perf_counter() - start)
            self.frames.append(of_result(result))
            if number >= WARM_UP:
                self.whole.append(took)
                self.tracking.append(took - sum(result.speed[stage] for stage in STAGES))
            start = time.perf_counter()

    def _note_share(self, tracker: Any) -> None:
        crops = getattr(tracker, "crop_selector", None)
        self.share = crops.embedded / crops.seen if crops is not None and crops.seen else None

    @property
    def milliseconds(self) -> float:
        """Mean over all frames: encoders work in some of them only, and a median would hide it."""
        return statistics.mean(self.whole)


def run(args: Namespace) -> None:
    need(*(args.shared / "data" / name for name in args.sequences))
    need(*(args.shared / "models" / name for name in (WEIGHTS, RETAIL_FOLDER, *SIZES)))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exporters about themselves
        contenders = _contenders(args, Path(folder))
        parts = [part for name in args.sequences for part in _part(args, name, contenders)]
    present("pipeline", parts, write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_write(parser)
    parser.add_argument("--rounds", type=int, default=2, help="over each video (default: 2)")
    parser.add_argument("--sequences", nargs="+", choices=(PETS, TUD), default=[PETS, TUD])
    parser.add_argument("--full-precision", action="store_true", help="export OSNet in 32 bits instead of 16")


def _contenders(args: Namespace, folder: Path) -> list[tuple[str, HostContender]]:
    weights = str(args.shared / "models" / WEIGHTS)
    onnx = export(MODEL, weights, kind="onnx", out=folder / "onnx").path
    ours = {"model": str(export(MODEL, weights, kind="openvino", half=not args.full_precision, out=folder / "ov").path)}
    retail = args.shared / "models" / RETAIL_FOLDER
    return [
        (INT8, BOTSORT),
        (INT8, HostContender(OSNET_STOCK, BOTSORT_REID.name, {**BOTSORT_REID.changes, "model": str(onnx)})),
        (INT8, HostContender(OSNET, OURS, ours)),
        (INT8, HostContender(OSNET_ALL, OURS, {**ours, "reid_interval": 0.0})),
        (INT8, HostContender(RETAIL_INT8, OURS, {"model": str(retail), **RETAIL_KEYS})),
        (NATIVE, BOTSORT),
        (NATIVE, BOTSORT_REID),
        (NATIVE, HostContender(AUTO, OURS)),
    ]


def _part(args: Namespace, name: str, contenders: list[tuple[str, HostContender]]) -> Iterator[str]:
    sequence = load_sequence(args.shared / "data" / name)
    pipelines = [Pipeline(*contender) for contender in contenders]
    for _ in progress(range(args.rounds), f"{name}, rounds"):
        for pipeline in pipelines:
            pipeline.run(args.shared, sequence)
    stock = {p.detector: p.milliseconds for p in pipelines if p.contender is BOTSORT}
    columns = ["ids", "returns recognized", "false revivals", "IDF1", "MOTA"]
    head = ["detector", "tracker", "ms a frame", "frames/s", "tracking ms", "times botsort", "crops embedded", *columns]
    yield f"**{name}**"
    yield table(head, [[*_cost(p, stock), *cells(_figures(sequence, p), columns)] for p in pipelines])
    yield "\n".join(_verdicts(name, pipelines))


def _figures(sequence: Sequence, pipeline: Pipeline) -> dict[str, float]:
    return figures(sequence, Run(tuple(pipeline.frames), pipeline.milliseconds))


def _cost(pipeline: Pipeline, stock: dict[str, float]) -> list[str]:
    ms = pipeline.milliseconds
    share = "-" if pipeline.share is None else f"{100 * pipeline.share:.0f} %"
    times = [f"{ms:.1f}", f"{1000 / ms:.0f}", f"{statistics.mean(pipeline.tracking):.1f}"]
    return [NAMES[pipeline.detector], pipeline.contender.label, *times, f"{ms / stock[pipeline.detector]:.2f}", share]


def _verdicts(name: str, pipelines: list[Pipeline]) -> Iterator[str]:
    found = {(p.detector, p.contender.label): p.milliseconds for p in pipelines}
    for (detector, label), most in GOALS.items():
        ratio = found[detector, label] / found[detector, BOTSORT.label]
        target = f"at most {most[name]:.2f}): {'met' if ratio <= most[name] else 'MISSED'}"
        yield f"- {NAMES[detector]}: {label} takes {ratio:.2f} times as long as botsort ({target}"
