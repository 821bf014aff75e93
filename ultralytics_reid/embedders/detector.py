"""Embeddings for free: the detector's own early layers and the pixels it was shown, pooled over the final boxes.

The inputs of the Detect layer, which the host uses, tell classes apart and hardly individuals. The early layers of
the same backbone still see color and texture. What helps most is how they are pooled: by horizontal stripe, with the
box's sides, where the background is, counting less than its middle, and with the spread of what a channel sees beside
its mean. Histograms of the input's colors tell even more per dimension. Compared under the metric that the video
teaches, that re-identifies people. It works whatever the head, with NMS or end to end.
`docs/benchmarks/detector_features.md` has the figures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Floats
from ..appearance.embedding import unit

_MAP_DIMS = 4  # (B, C, H, W)
_SPREAD = 0.3  # of the Gaussian across a box's width, in half widths
_TINY = 1e-8


@dataclass(frozen=True)
class _Level:
    """How the map of one stride is pooled.

    Attributes:
        stripes: Horizontal stripes of a box, each with its own means and deviations.
        channels: Most channels. Wide detectors are narrowed to this, or the metric, whose cost grows faster than the
            square, would eat up the gain.
    """

    stripes: int
    channels: int


_LEVELS = {4: _Level(3, 64), 8: _Level(2, 128)}
_GRID = (12, 6)  # cells of a box, in rows and columns

_COLOR_GRID = (24, 8)
_COLOR_STRIPES = 6
_BINS = 12
# Brightness, red against blue, green against both: from RGB in [0, 1], the range that is binned, a third axis each.
# What is decorrelated needs no joint histogram. Clothes are seldom saturated, so chroma is binned in a narrow range.
_OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, -0.5), (-0.25, 0.5, -0.25))
_RANGE = ((0.0, 1.0), (-0.25, 0.25), (-0.15, 0.15))
# What color weighs beside each level's means and deviations, which weigh 1: lamps change it more than texture.
_COLOR = 0.5


class DetectorFeatures:
    """Taps a detector's backbone.

    It keeps the detector's input and, for each stride of 4 and 8, the output of the last backbone layer that has it.

    Args:
        net: The detector: an `nn.Module` with `model` (its layers in order) and `yaml` (with its `backbone`).
        active: Whether to keep what the next forward pass computes.
        stretched: Whether pictures are stretched to the detector's input (RT-DETR) rather than letterboxed.

    Attributes:
        fingerprint: Vectors of one fingerprint can be compared with each other.
    """

    def __init__(self, net: Any, active: Callable[[], bool], *, stretched: bool = False) -> None:
        self._active = active
        self._to_input = stretch if stretched else to_input
        self._input: Any = None
        self._maps: dict[int, Any] = {}
        self._size = (0, 0)
        layers = net.model[: len(net.yaml["backbone"])]
        self.fingerprint = f"detector:{_digest(layers)}"
        self._handles = [layers[0].register_forward_pre_hook(self._keep_input)]
        self._handles += [layer.register_forward_hook(self._keep) for layer in layers]

    @staticmethod
    def fits(net: Any) -> bool:
        """Whether a detector has layers to tap: exported models have none."""
        return hasattr(net, "model") and hasattr(net, "yaml") and "backbone" in net.yaml

    def remove(self) -> None:
        """Take the taps off; the host calls this when it sets up tracking anew."""
        for handle in self._handles:
            handle.remove()
        self._forget()

    def _forget(self) -> None:
        self._input = None
        self._maps.clear()

    def _keep_input(self, _: Any, inputs: tuple[Any, ...]) -> None:
        self._forget()
        self._size = tuple(inputs[0].shape[2:])
        if self._active():
            self._input = inputs[0].detach()

    def _keep(self, _: Any, __: Any, output: Any) -> None:
        if self._input is not None and getattr(output, "ndim", 0) == _MAP_DIMS:
            stride = round(self._size[1] / output.shape[3])
            if stride in _LEVELS:
                self._maps[stride] = output.detach()

    def __call__(self, boxes: Sequence[Floats], shapes: Sequence[tuple[int, int]]) -> list[Floats]:
        """Embed the detections of the batch that went through the detector last.

        Args:
            boxes: `(N, 4)` xyxy for each picture, in pixels of the original picture.
            shapes: Height and width of each original picture.

        Returns:
            `(N, D)` float32 unit rows for each picture.
        """
        import torch

        rois = [self._to_input(b, s, self._size) for b, s in zip(boxes, shapes, strict=True)]
        placed = Boxes(rois, self._input.device)
        parts = [part for stride in sorted(self._maps) for part in _moments(self._maps[stride], placed, stride)]
        parts += [_COLOR * part for part in colors(self._input, placed)]
        rows = unit(torch.cat(parts, dim=1).cpu().numpy())
        return np.split(rows, np.cumsum([len(b) for b in boxes])[:-1])


def _digest(layers: Any) -> str:
    """A short hash of weights, the same in single and in half precision."""
    total = hashlib.sha256()
    for _, weights in sorted(layers.state_dict().items()):
        total.update(weights.half().cpu().numpy().tobytes())
    return total.hexdigest()[:8]


def _moments(plane: Any, boxes: Boxes, stride: int) -> list[Any]:
    """Each channel's mean and deviation by stripe: two `(N, stripes · channels)` of unit rows."""
    level = _LEVELS[stride]
    cells = _striped(_narrow(boxes.cells(plane, stride, _GRID), level.channels), level.stripes)
    weights = _across(cells)
    mean = (cells * weights).sum(dim=(2, 3), keepdim=True)
    deviation = ((cells - mean) ** 2 * weights).sum(dim=(2, 3)).clamp(min=_TINY).sqrt()
    return [_unit(mean), _unit(deviation)]


def colors(pixels: Any, boxes: Boxes) -> list[Any]:
    """Soft histograms of opponent colors by stripe: three `(N, stripes · bins)` of unit rows.

    Roots of shares make the dot product Bhattacharyya's coefficient (as in RootSIFT, Arandjelovic & Zisserman 2012).
    """
    import torch

    cells = boxes.cells(pixels, 1, _COLOR_GRID)
    low, high = torch.tensor(_RANGE, device=cells.device).T
    opponent = cells @ torch.tensor(_OPPONENT, device=cells.device).T
    place = _striped(((opponent - low) / (high - low)).clamp(0, 1) * (_BINS - 1), _COLOR_STRIPES)[..., None]
    bins = torch.arange(_BINS, device=cells.device)
    share = ((1 - (place - bins).abs()).clamp(min=0) * _across(place[..., 0])[..., None]).sum(dim=(2, 3))
    return [_unit(channel) for channel in share.sqrt().unbind(dim=2)]


class Boxes:
    """A batch's boxes, and reading maps at them.

    RoIAlign with one sample a cell, but it gathers points only, of all channels at once: torchvision's converts and
    copies whole maps, whose layout is channels last, and that takes longer than all the rest.

    Args:
        rois: `(N, 4)` float32 xyxy for each picture, in pixels of the detector's input.
        device: Where the maps are.
    """

    def __init__(self, rois: Sequence[Floats], device: Any) -> None:
        import torch

        self._picture = torch.from_numpy(np.repeat(np.arange(len(rois)), [len(r) for r in rois])).to(device)
        self._xyxy = torch.from_numpy(np.concatenate(rois)).to(device)

    def cells(self, plane: Any, stride: int, grid: tuple[int, int]) -> Any:
        """What a map `(B, C, h, w)` shows in the middle of each box's cells, `(N, *grid, C)` float32."""
        rows = plane.permute(0, 2, 3, 1)
        x_low, x_high, x_share = self._between(0, stride, grid[1], rows.shape[2])
        y_low, y_high, y_share = self._between(1, stride, grid[0], rows.shape[1])

        def read(y: Any, x: Any) -> Any:
            return rows[self._picture[:, None, None], y[:, :, None], x[:, None]].float()

        x_share, y_share = x_share[:, None, :, None], y_share[:, :, None, None]
        upper = read(y_low, x_low).lerp(read(y_low, x_high), x_share)
        return upper.lerp(read(y_high, x_low).lerp(read(y_high, x_high), x_share), y_share)

    def _between(self, axis: int, stride: int, cells: int, size: int) -> tuple[Any, Any, Any]:
        """The two places of a map that the middles of cells lie between along an axis, and how far on, `(N, cells)`."""
        import torch

        start, end = self._xyxy[:, axis, None], self._xyxy[:, axis + 2, None]
        middle = (torch.arange(cells, device=start.device) + 0.5) / cells
        place = ((start + middle * (end - start)) / stride - 0.5).clamp(0, size - 1)
        low = place.long()
        return low, (low + 1).clamp(max=size - 1), place - low


def _striped(cells: Any, stripes: int) -> Any:
    """`(N, H, W, C)` as `(N, stripes, H / stripes, W, C)`."""
    return cells.unflatten(1, (stripes, -1))


def _across(cells: Any) -> Any:
    """Weights of a stripe's cells, `(H, W, 1)` of sum 1: Gaussian across the width, as the sides show background."""
    import torch

    height, width = cells.shape[2:4]
    place = (torch.arange(width, device=cells.device) + 0.5) / width * 2 - 1
    weights = torch.exp(-0.5 * (place / _SPREAD) ** 2)
    return (weights / weights.sum() / height).expand(height, width)[..., None]


def _narrow(cells: Any, channels: int) -> Any:
    """At most so many channels of `(N, H, W, C)`, by a fixed random projection (Johnson & Lindenstrauss 1984)."""
    import torch

    wide = cells.shape[-1]
    if wide <= channels:
        return cells
    seed = torch.Generator().manual_seed(wide)
    return cells @ torch.randn(wide, channels, generator=seed).to(cells.device) / wide**0.5


def _unit(rows: Any) -> Any:
    """`(N, ...)` flattened to unit rows."""
    from torch.nn.functional import normalize

    return normalize(rows.flatten(1), dim=1)


def to_input(xyxy: Floats, shape: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Boxes of a picture where the letterbox put them in the detector's input."""
    gain = min(size[0] / shape[0], size[1] / shape[1])
    left, top = (round((s - round(p * gain)) / 2 - 0.1) for s, p in zip(size[::-1], shape[::-1], strict=True))
    high = np.array([shape[1], shape[0]] * 2, np.float32)
    return np.asarray(np.clip(xyxy, 0, high) * gain + np.array([left, top, left, top]), dtype=np.float32)


def stretch(xyxy: Floats, shape: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Boxes of a picture that was stretched to the detector's input."""
    high, wide = np.array([shape[1], shape[0]] * 2, np.float32), np.array([size[1], size[0]] * 2, np.float32)
    return np.asarray(np.clip(xyxy, 0, high) * wide / high, dtype=np.float32)
