"""Train the demo's detector from scratch on generated scenes: a scaled-down YOLO11 that knows people, and little else.

Scenes of seeds 1000 and up teach, those of seeds 2000 and up judge; the demo and the benchmarks use seeds below 1000.
"""

from __future__ import annotations

import csv
import os
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from ..harness.options import add_write
from ..harness.report import present

# Nothing has to be fetched: this keeps Ultralytics from looking.
os.environ.setdefault("YOLO_OFFLINE", "true")

import cv2
import numpy as np
import numpy.typing as npt
import torch
import ultralytics
from scipy.optimize import linear_sum_assignment
from ultralytics import YOLO
from ultralytics.utils import YAML

import ultralytics_reid
from ultralytics_reid.evaluation.frames import iou
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.scenes import Scene, SceneOptions, View

from ..harness.progress import progress

TEACHES, JUDGES = 1000, 2000
OUT = Path(ultralytics_reid.__file__).parent / "demo" / "people.pt"
# Depth, width and most channels. Deep layers are narrow, as there is one class; the early ones, by which people are
# told apart, are three quarters as wide as YOLO11n's.
SCALE = [0.5, 0.1875, 384]
IMAGES_A_SCENE = 8
SIZES = ((960, 540), (768, 576), (1280, 720), (640, 480), (848, 480))
MIN_VISIBLE = 0.2
SEEN = ((0.2, 0.5), (0.5, 0.75), (0.75, 1.01))
AUGMENT = {"hsv_h": 0.05, "hsv_s": 0.6, "hsv_v": 0.4, "scale": 0.5, "erasing": 0.0, "close_mosaic": 6}
STEPS = {"optimizer": "AdamW", "lr0": 0.003, "lrf": 0.02, "cos_lr": True, "warmup_epochs": 2.0}
QUIET = {"amp": False, "plots": False, "verbose": False, "exist_ok": True, "device": "cpu"}


def run(args: Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = _data(work, args)
        best = _train(work, data, args)
        size = _save(best, args.out, args.imgsz)
        blocks = _report(work, data, args)
    present("train_detector", blocks, write=args.write)
    print(f"\n{args.out}: {size / 1e6:.2f} MB")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help="weights to write (default: the demo's)")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--images", type=int, default=480, help="images that teach")
    parser.add_argument("--held-out", type=int, default=80, help="images that judge")
    parser.add_argument("--imgsz", type=int, default=384, help="longer side of the input when used, pixels")
    parser.add_argument("--train-imgsz", type=int, default=320, help="and while trained, where figures vary in size")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the weights' beginning and the images' order")
    add_write(parser)


def samples(first: int, images: int) -> Iterator[tuple[Scene, View]]:
    """Views spread over scenes of other light, size and crowd each.

    Args:
        first: Seed of the first scene.
        images: How many views.
    """
    for n in range(-(-images // IMAGES_A_SCENE)):
        seed = first + n
        size, pillars, noise = SIZES[n % len(SIZES)], n % 4, 1.0 + n % 7
        options = SceneOptions(
            people=30, seconds=45, fps=1, seed=seed, size=size, pillars=pillars, noise=noise, cameras=3
        )
        scene = Scene(options)
        for k in range(min(IMAGES_A_SCENE, images - n * IMAGES_A_SCENE)):
            at = 5 + 5 * k
            yield scene, next(scene.views((n + k) % options.cameras, at, at + 1))


def _data(work: Path, args: Namespace) -> Path:
    """Render images and labels, and describe them as Ultralytics wants it."""
    for part, first, count in (("train", TEACHES, args.images), ("val", JUDGES, args.held_out)):
        images, labels = work / "images" / part, work / "labels" / part
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for n, (scene, view) in enumerate(progress(samples(first, count), f"render {part}", count)):
            cv2.imwrite(str(images / f"{n:05d}.jpg"), scene.render(view))
            (labels / f"{n:05d}.txt").write_text("".join(_labels(view, scene.options.size)))
    data = work / "data.yaml"
    YAML.save(data, {"path": str(work), "train": "images/train", "val": "images/val", "names": {0: "person"}})
    return data


def _inside(view: View, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Boxes, cut at the image's edge."""
    return np.clip(view.xyxy, 0, [*size, *size]).astype(np.float32)


def _labels(view: View, size: tuple[int, int]) -> Iterator[str]:
    boxes = _inside(view, size)[view.visible >= MIN_VISIBLE] / [*size, *size]
    for left, top, right, bottom in boxes.tolist():
        yield f"0 {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} {bottom - top:.6f}\n"


def _train(work: Path, data: Path, args: Namespace) -> Path:
    stock = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11.yaml"
    layout = work / "people.yaml"
    YAML.save(layout, YAML.load(stock) | {"nc": 1, "scales": {"n": SCALE}, "scale": "n"})
    # Nominal and real batch are one: every batch is a step, as there are few of them.
    keys = {"epochs": args.epochs, "imgsz": args.train_imgsz, "batch": args.batch, "nbs": args.batch, "seed": args.seed}
    where = {"data": str(data), "project": str(work), "name": "run", "cache": "ram", "workers": 1}
    YOLO(layout, task="detect").train(**where, **keys, **AUGMENT, **STEPS, **QUIET)
    return work / "run" / "weights" / "best.pt"


def _save(best: Path, out: Path, imgsz: int) -> int:
    """Keep the weights, in half precision, and nothing that tells where or when they were made; returns bytes."""
    net = YOLO(best).model.half()
    said = {"task": "detect", "imgsz": imgsz, "single_cls": False}
    net.args = dict(said)
    net.yaml.pop("yaml_file", None)
    net.pt_path = None
    for name in ("criterion", "optimizer"):
        if hasattr(net, name):
            delattr(net, name)
    for weights in net.parameters():
        weights.requires_grad = False
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": -1, "model": net, "train_args": said, "version": ultralytics.__version__}, out)
    return out.stat().st_size


def _report(work: Path, data: Path, args: Namespace) -> list[str]:
    found = YOLO(args.out).val(data=str(data), imgsz=args.imgsz, project=str(work), name="val", workers=0, **QUIET)
    scores = {"mAP50": found.box.map50, "mAP50-95": found.box.map, "precision": found.box.mp, "recall": found.box.mr}
    keys = ("epochs", "images", "held_out", "imgsz", "train_imgsz", "batch", "seed")
    told = " ".join(f"--{key.replace('_', '-')} {getattr(args, key)}" for key in keys)
    seeds = f"Scenes of seeds {TEACHES} and up teach ({args.images} images), {JUDGES} and up judge ({args.held_out})."
    held = table(["held out", ""], [[name, f"{float(value):.3f}"] for name, value in scores.items()])
    command = f"    python -m benchmarks train_detector {told}"
    return [command, seeds, held, _by_sight(args), _epochs(work / "run" / "results.csv")]


def _by_sight(args: Namespace) -> str:
    """Recall at confidence 0.25 and IoU 0.5, by visible share."""
    model, hits = YOLO(args.out), {seen: [] for seen in SEEN}  # type: ignore[var-annotated]
    for scene, view in samples(JUDGES, args.held_out):
        boxes = model.predict(scene.render(view), imgsz=args.imgsz, conf=0.25, verbose=False)[0].boxes
        found = _found(_inside(view, scene.options.size), boxes.xyxy.numpy())
        for low, high in SEEN:
            hits[low, high] += found[(view.visible >= low) & (view.visible < high)].tolist()
    rows = [[f"{low:g} to {min(high, 1):g}", str(len(h)), f"{np.mean(h):.3f}"] for (low, high), h in hits.items()]
    return table(["visible share", "people", "found"], rows)


def _found(truth: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    overlap = iou(truth, boxes)
    rows, columns = linear_sum_assignment(-overlap)
    found = np.zeros(len(truth), bool)
    found[rows] = overlap[rows, columns] >= 0.5
    return found


def _epochs(path: Path) -> str:
    keep = {"epoch": "epoch", "box": "train/box_loss", "class": "train/cls_loss", "dfl": "train/dfl_loss"}
    keep |= {"mAP50": "metrics/mAP50(B)", "mAP50-95": "metrics/mAP50-95(B)", "seconds": "time"}
    with path.open(newline="") as file:
        rows = [[f"{float(row[key]):.4g}" for key in keep.values()] for row in csv.DictReader(file)]
    return table(list(keep), rows)
