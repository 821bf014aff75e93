"""Embeddings from the detector itself: an early feature map and input pixels, pooled over the final boxes.

The inputs of the Detect layer, which the host uses, separate classes but hardly individuals. The first layers of the
same backbone still encode color and texture; layers of stride 8 add nothing that improves tracking. Pooling matters
most: by horizontal stripe, with Gaussian weights across the box against background at its sides, and with the standard
deviation of each channel beside its mean. Histograms of the input's colors are even more discriminative per
dimension, with chroma relative to brightness. Together with the metric learned from the video, this re-identifies
people, with any head (NMS or end to end).
`docs/benchmarks/detector_features.md` has the measurements.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._typing import Floats, as_floats
from ..appearance.embedding import unit

_MAP_DIMS = 4  # (B, C, H, W)
_SIGMA = 0.3  # of the Gaussian across a box, in half widths
_TINY = 1e-8

_STRIDE = 4  # of the map that is pooled, pixels of the detector's input
_STRIPES = 3  # of a box, each with its own means and deviations
# More channels are projected to this number, as the cost of the metric grows faster than with the square of the
# dimension.
_MAX_CHANNELS = 32
_GRID = (12, 6)  # rows and columns of cells in a box

_COLOR_GRID = (48, 16)
_COLOR_STRIPES = 8
_BINS = 16
# Opponent colors from RGB in [0, 1]: brightness, red against blue, green against both. Decorrelated axes need no joint
# histogram.
_OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, -0.5), (-0.25, 0.5, -0.25))
# Chroma counts relative to brightness, which a shadow changes; the floor keeps a dark pixel's noise small. Clothes are
# seldom saturated: the binned ranges are narrow, and with an exponent below 1 bins are finest around gray.
_FLOOR = 1 / 6
_CHROMA = (0.375, 0.225)
_EXPONENT = 0.7
# All that decides what a vector means, beside the detector's weights.
_RECIPE = (
    *(_STRIDE, _STRIPES, _GRID, _MAX_CHANNELS, _SIGMA, _COLOR_GRID, _COLOR_STRIPES, _BINS),
    *(_OPPONENT, _FLOOR, _CHROMA, _EXPONENT),
)


class DetectorFeatures:
    """Embedder by forward hooks on a detector's backbone.

    The hooks keep the detector's input, and the output of the last backbone layer of stride 4.

    Args:
        net: The detector: an `nn.Module` with `model` (its layers in order) and `yaml` (with its `backbone`).
        active: Whether to keep the maps of the next forward pass.
        stretched: Whether images are stretched to the detector's input (RT-DETR) rather than letterboxed.

    Attributes:
        fingerprint: Identifies the embedder; only vectors of equal fingerprints are comparable.
    """

    def __init__(self, net: Any, active: Callable[[], bool], *, stretched: bool = False) -> None:
        self._active = active
        self._to_input = stretch if stretched else to_input
        self._input: Any = None
        self._map: Any = None
        self._size = (0, 0)
        layers = net.model[: len(net.yaml["backbone"])]
        self.fingerprint = f"detector:{_digest(layers)}"
        self._handles = [layers[0].register_forward_pre_hook(self._keep_input)]
        self._handles += [layer.register_forward_hook(self._keep) for layer in layers]

    @staticmethod
    def fits(net: Any) -> bool:
        """Whether a detector has accessible layers; exported models have none."""
        return hasattr(net, "model") and hasattr(net, "yaml") and "backbone" in net.yaml

    def remove(self) -> None:
        """Remove the hooks; the host calls this when it sets up tracking anew."""
        for handle in self._handles:
            handle.remove()
        self._forget()

    def _forget(self) -> None:
        self._input = self._map = None

    def _keep_input(self, _: Any, inputs: tuple[Any, ...]) -> None:
        self._forget()
        self._size = tuple(inputs[0].shape[2:])
        if self._active():
            self._input = inputs[0].detach()

    def _keep(self, _: Any, __: Any, output: Any) -> None:
        if self._input is None or getattr(output, "ndim", 0) != _MAP_DIMS:
            return
        if round(self._size[1] / output.shape[3]) == _STRIDE:
            self._map = output.detach()

    def __call__(self, boxes: Sequence[Floats], shapes: Sequence[tuple[int, int]]) -> list[Floats]:
        """Embed the detections of the last batch of the detector.

        Args:
            boxes: `(N, 4)` xyxy for each image, pixels of the original image.
            shapes: Height and width of each original image.

        Returns:
            `(N, D)` float32 unit rows for each image.
        """
        import torch

        rois = [self._to_input(b, s, self._size) for b, s in zip(boxes, shapes, strict=True)]
        placed = Boxes(rois, self._input.device)
        parts = [*_moments(self._map, placed), *colors(self._input, placed)]
        rows = unit(torch.cat(parts, dim=1).cpu().numpy())
        return np.split(rows, np.cumsum([len(b) for b in boxes])[:-1])


def _digest(layers: Any) -> str:
    """Short hash of the recipe and of weights, equal for single and half precision."""
    total = hashlib.sha256(repr(_RECIPE).encode())
    for _, weights in sorted(layers.state_dict().items()):
        total.update(weights.half().cpu().numpy().tobytes())
    return total.hexdigest()[:8]


def _moments(plane: Any, boxes: Boxes) -> list[Any]:
    """Mean and standard deviation of each channel by stripe: two `(N, stripes · channels)` of unit rows."""
    cells = _striped(_narrow(boxes.cells(plane, _STRIDE, _GRID)), _STRIPES)
    weights = _gaussian_weights(cells)
    mean = (cells * weights).sum(dim=(2, 3), keepdim=True)
    deviation = ((cells - mean) ** 2 * weights).sum(dim=(2, 3)).clamp(min=_TINY).sqrt()
    return [_unit(mean), _unit(deviation)]


def colors(pixels: Any, boxes: Boxes) -> list[Any]:
    """Soft histograms of opponent colors by stripe: three `(N, stripes · bins)` of unit rows.

    Roots of shares make the dot product Bhattacharyya's coefficient (as in RootSIFT, Arandjelovic & Zisserman 2012).
    """
    import torch

    place = _striped(_color_places(boxes.cells(pixels, 1, _COLOR_GRID)) * (_BINS - 1), _COLOR_STRIPES)
    count, device = len(place), place.device
    low = place.long().clamp(max=_BINS - 2)
    weights = _gaussian_weights(place)
    above = (place - low) * weights
    below = weights - above
    # A histogram for each box, stripe and color, one after another.
    histogram = torch.arange(count * _COLOR_STRIPES * 3, device=device).view(count, _COLOR_STRIPES, 1, 1, 3)
    bins = (histogram * _BINS + low).flatten()
    share = torch.zeros(count * _COLOR_STRIPES * 3 * _BINS, device=device)
    share = share.index_add(0, bins, below.flatten()).index_add(0, bins + 1, above.flatten())
    return [_unit(channel) for channel in share.view(count, _COLOR_STRIPES, 3, _BINS).sqrt().unbind(dim=2)]


def _color_places(cells: Any) -> Any:
    """Where RGB samples `(..., 3)` in [0, 1] are in the binned ranges of the opponent colors, `(..., 3)` in [0, 1]."""
    import torch

    brightness, chroma = (cells @ torch.tensor(_OPPONENT, device=cells.device).T).split((1, 2), dim=-1)
    chroma = (chroma / (brightness + _FLOOR) / torch.tensor(_CHROMA, device=cells.device)).clamp(-1, 1)
    chroma = chroma.sign() * chroma.abs() ** _EXPONENT
    return torch.cat([brightness.clamp(0, 1), (chroma + 1) / 2], dim=-1)


class Boxes:
    """Boxes of a batch, with bilinear sampling of maps.

    RoIAlign (He et al. 2017) with one sample per cell. Only the sampled points are gathered: torchvision's version
    converts and copies whole channels-last maps, which takes longer than all the rest.

    Args:
        rois: `(N, 4)` float32 xyxy for each image, pixels of the detector's input.
        device: Torch device of the maps.
    """

    def __init__(self, rois: Sequence[Floats], device: Any) -> None:
        import torch

        self._image = torch.from_numpy(np.repeat(np.arange(len(rois)), [len(r) for r in rois])).to(device)
        self._xyxy = torch.from_numpy(np.concatenate(rois)).to(device)

    def cells(self, plane: Any, stride: int, grid: tuple[int, int]) -> Any:
        """Sample a map `(B, C, h, w)` at the centers of each box's cells, `(N, *grid, C)` float32."""
        rows = plane.permute(0, 2, 3, 1)
        x_low, x_high, x_share = self._neighbors(0, stride, grid[1], rows.shape[2])
        y_low, y_high, y_share = self._neighbors(1, stride, grid[0], rows.shape[1])

        def read(y: Any, x: Any) -> Any:
            return rows[self._image[:, None, None], y[:, :, None], x[:, None]].float()

        x_share, y_share = x_share[:, None, :, None], y_share[:, :, None, None]
        upper = read(y_low, x_low).lerp(read(y_low, x_high), x_share)
        return upper.lerp(read(y_high, x_low).lerp(read(y_high, x_high), x_share), y_share)

    def _neighbors(self, axis: int, stride: int, cells: int, size: int) -> tuple[Any, Any, Any]:
        """Indices below and above each cell center along an axis, and its fraction of the way, `(N, cells)` each."""
        import torch

        start, end = self._xyxy[:, axis, None], self._xyxy[:, axis + 2, None]
        middle = (torch.arange(cells, device=start.device) + 0.5) / cells
        place = ((start + middle * (end - start)) / stride - 0.5).clamp(0, size - 1)
        low = place.long()
        return low, (low + 1).clamp(max=size - 1), place - low


def _striped(cells: Any, stripes: int) -> Any:
    """Split `(N, H, W, C)` into `(N, stripes, H / stripes, W, C)`."""
    return cells.unflatten(1, (stripes, -1))


def _gaussian_weights(cells: Any) -> Any:
    """Gaussian weights of a stripe's cells across its width, `(H, W, 1)` of sum 1, against background at the sides."""
    import torch

    height, width = cells.shape[2:4]
    place = (torch.arange(width, device=cells.device) + 0.5) / width * 2 - 1
    weights = torch.exp(-0.5 * (place / _SIGMA) ** 2)
    return (weights / weights.sum() / height).expand(height, width)[..., None]


def _narrow(cells: Any) -> Any:
    """Reduce the channels of `(N, H, W, C)`, by a fixed random projection (Johnson & Lindenstrauss 1984)."""
    import torch

    wide = cells.shape[-1]
    if wide <= _MAX_CHANNELS:
        return cells
    seed = torch.Generator().manual_seed(wide)
    return cells @ torch.randn(wide, _MAX_CHANNELS, generator=seed).to(cells.device) / wide**0.5


def _unit(rows: Any) -> Any:
    """Flatten `(N, ...)` to unit rows."""
    from torch.nn.functional import normalize

    return normalize(rows.flatten(1), dim=1)


def to_input(xyxy: Floats, shape: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Map boxes of an image to the letterboxed input of the detector."""
    gain = min(size[0] / shape[0], size[1] / shape[1])
    left, top = (round((s - round(p * gain)) / 2 - 0.1) for s, p in zip(size[::-1], shape[::-1], strict=True))
    high = np.array([shape[1], shape[0]] * 2, np.float32)
    return as_floats(np.clip(xyxy, 0, high) * gain + np.array([left, top, left, top]))


def stretch(xyxy: Floats, shape: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Map boxes of an image to the stretched input of the detector."""
    high, wide = np.array([shape[1], shape[0]] * 2, np.float32), np.array([size[1], size[0]] * 2, np.float32)
    return as_floats(np.clip(xyxy, 0, high) * wide / high)
