"""Separability of identities by a detector's layers and poolings: what `model: auto` takes, beside alternatives."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Floats, ImageArray
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.embedders.detector import Boxes, DetectorFeatures, colors, to_input
from ultralytics_reid.evaluation.markdown import table

from ..harness.data.features import EMBEDDERS
from ..harness.data.sequences import Detections, Sequence, load_cache, load_sequence, read_video
from ..harness.options import PETS, TUD, add_shared, add_write, cached_path, need, need_clips
from ..harness.progress import progress
from ..harness.report import present
from ..harness.scoring.separability import Separability, both_ways, crops_of

# Seconds between a look and what it is compared with; TUD-Stadtmitte has only seven.
GAPS = {PETS: 10.0, TUD: 2.0}
COLUMNS = ["dimensions", *(f"{clip}: {c}" for clip in ("PETS", "TUD") for c in ("AUC", "at 1 %", "at 0.3 %"))]
NOTE = (
    "A perfect tracker learns the metric online, as the real one does, and queries its memory: the mean of five crops "
    "against the prototypes of all people of 10 s (TUD-Stadtmitte: 2 s) ago and before. AUC, and the share of genuine "
    "scores above 99 % (99.7 %) of the impostors'; means of the clip forwards and with time reversed. Boxes are the "
    "cached ones (YOLO11n INT8), maps `yolo11n.pt`'s at 640."
)

_GRID = (12, 6)
_NET_STRIDES = (4, 8, 16)
_SPREAD = 0.3

Cells = dict[int, Floats]  # by stride, (N, 12, 6, C)


def _pooled(cells: Cells, stripes: dict[int, int], *, sides: bool, spread: bool) -> list[Floats]:
    """Each stride's means by stripe and, where asked for, deviations; `sides` says whether a box's count as much."""
    place = (np.arange(_GRID[1]) + 0.5) / _GRID[1] * 2 - 1
    weight = np.ones(_GRID[1]) if sides else np.exp(-0.5 * (place / _SPREAD) ** 2)
    weight /= weight.sum() * _GRID[0]
    parts = []
    for stride, count in stripes.items():
        striped = cells[stride].reshape(len(cells[stride]), count, -1, *cells[stride].shape[2:])
        mean = count * np.einsum("nshwc,w->nsc", striped, weight)
        parts.append(mean)
        if spread:
            square = count * np.einsum("nshwc,w->nsc", (striped - mean[:, :, None, None]) ** 2, weight)
            parts.append(np.sqrt(square))
    return [unit(p.reshape(len(p), -1).astype(np.float32)) for p in parts]


_THREE = dict.fromkeys(_NET_STRIDES, 3)
_EARLY = {4: 3, 8: 2}
POOLINGS: dict[str, Callable[[Cells], list[Floats]]] = {
    "strides 4, 8, 16: means of the box": lambda c: _pooled(
        c, dict.fromkeys(_NET_STRIDES, 1), sides=True, spread=False
    ),
    "strides 4, 8, 16: means of 3 stripes": lambda c: _pooled(c, _THREE, sides=True, spread=False),
    "… Gaussian across the width": lambda c: _pooled(c, _THREE, sides=False, spread=False),
    "strides 4, 8: means of 3 and 2 stripes, Gaussian": lambda c: _pooled(c, _EARLY, sides=False, spread=False),
    "… and deviations": lambda c: _pooled(c, _EARLY, sides=False, spread=True),
    "stride 4: means and deviations of 3 stripes, Gaussian": lambda c: _pooled(c, {4: 3}, sides=False, spread=True),
}
NATIVE, COLORS, OURS = "the Detect layer's inputs, as stock's `auto` takes them", "colors alone", "**`model: auto`**"


class _Study:
    """A detector, and all that is taken from one pass of a frame through it."""

    def __init__(self, weights: Path) -> None:
        from ultralytics import YOLO

        self._yolo = YOLO(weights)
        # The predictor runs a fused copy of the net, and it is made with the first image.
        self._detect(np.zeros((64, 64, 3), np.uint8))
        net = self._yolo.predictor.model.model
        self._ours = DetectorFeatures(net, lambda: True)
        self._seen: dict[int, Any] = {}
        self._head: list[Any] = []
        layers = net.model
        layers[0].register_forward_pre_hook(self._keep_input)
        for layer in layers[: len(net.yaml["backbone"])]:
            layer.register_forward_hook(self._keep)
        layers[-1].register_forward_hook(self._keep_head)

    def _detect(self, image: ImageArray) -> None:
        self._yolo.predict(image, imgsz=640, verbose=False)

    def _keep_input(self, _: Any, inputs: tuple[Any, ...]) -> None:
        self._seen = {1: inputs[0]}

    def _keep(self, _: Any, __: Any, output: Any) -> None:
        self._seen[round(self._seen[1].shape[3] / output.shape[3])] = output

    def _keep_head(self, _: Any, inputs: tuple[Any, ...], output: Any) -> None:
        self._head = [*inputs[0], output[0]]

    def __call__(self, image: ImageArray, xyxy: Floats) -> dict[str, Floats]:
        """Embeddings of a frame's boxes, `(N, D)`, by what they are."""
        self._detect(image)
        shape = (image.shape[0], image.shape[1])
        placed = to_input(xyxy, shape, self._seen[1].shape[2:])
        boxes = Boxes([placed], self._seen[1].device)
        cells = {s: boxes.cells(self._seen[s], s, _GRID).numpy() for s in _NET_STRIDES}
        return {
            NATIVE: self._native(placed),
            **{name: np.concatenate(pooled(cells), axis=1) for name, pooled in POOLINGS.items()},
            COLORS: np.concatenate([c.numpy() for c in colors(self._seen[1], boxes)], axis=1),
            OURS: self._ours([xyxy], [shape])[0],
        }

    def _native(self, boxes: Floats) -> Floats:
        """At the cell that best predicts each box, all levels averaged down to the channels of the narrowest."""
        import torch
        from ultralytics.utils.metrics import box_iou
        from ultralytics.utils.ops import xywh2xyxy

        *maps, predicted = self._head
        least = min(m.shape[1] for m in maps)
        flat = [m[0].permute(1, 2, 0).reshape(-1, least, m.shape[1] // least).mean(dim=-1) for m in maps]
        overlap = box_iou(torch.from_numpy(boxes), xywh2xyxy(predicted[0, :4].T))
        # Of cells that predict the same box, the one surest of a person is what would have been kept.
        best = (overlap * predicted[0, 4].clamp(min=1e-3).sqrt()).argmax(dim=1)
        return np.asarray(torch.cat(flat)[best].numpy())


def run(args: Namespace) -> None:
    need_clips(args.shared, GAPS)
    need(args.shared / "models" / "yolo11n.pt")
    found: dict[str, dict[str, list[Separability]]] = {}
    dims: dict[str, int] = {}
    for clip, gap in GAPS.items():
        sequence, cache = load_sequence(args.shared / "data" / clip), load_cache(cached_path(args.shared, clip))
        crops = crops_of(sequence, cache, sequence.shape)
        for name, rows in progress(_embeddings(args, clip, sequence, cache), f"{clip}: comparing"):
            found.setdefault(name, {})[clip] = both_ways(rows, crops, sequence.fps, gap)
            dims[name] = rows.shape[1]
    present("detector_features", [table(["embedding", *COLUMNS], list(_rows(found, dims))), NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_write(parser)


def _embeddings(
    args: Namespace, clip: str, sequence: Sequence, cache: list[Detections]
) -> Iterator[tuple[str, Floats]]:
    """Embeddings of a clip's cached boxes, `(N, D)`, by what they are."""
    yield EMBEDDERS["msmt17"], np.concatenate([d.feats for d in cache if d.feats is not None])
    study = _Study(args.shared / "models" / "yolo11n.pt")
    pairs = progress(zip(read_video(sequence), cache, strict=True), f"{clip}: yolo11n.pt", len(cache))
    frames = [study(image, d.xyxy) for image, d in pairs if len(d.xyxy)]
    for name in frames[0]:
        yield name, np.concatenate([f[name] for f in frames])


def _rows(found: dict[str, dict[str, list[Separability]]], dims: dict[str, int]) -> Iterator[list[str]]:
    for name, clips in found.items():
        cells = [str(dims[name])]
        for clip in GAPS:
            auc, at_1, at_03 = np.mean([[s.auc, s.at_1, s.at_03] for s in clips[clip]], axis=0)
            cells += [f"{auc:.3f}", f"{100 * at_1:.0f}", f"{100 * at_03:.0f}"]
        yield [name, *cells]
