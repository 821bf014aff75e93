"""Embeddings for free: the detector's own early backbone, pooled over the final boxes.

The inputs of the Detect layer, which the host uses, tell classes apart and hardly individuals. The early layers of
the same backbone still see colour and texture; averaged over three horizontal stripes of a box, and compared under
the metric that the video teaches, they re-identify people. This works whatever the head, with NMS or end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..embedding import Floats, unit

_STRIDES = (4, 8, 16)
_STRIPES = 3
# Wide detectors are narrowed to this, or the metric, whose cost grows with the square, would eat up the gain.
_MOST_CHANNELS = 128
_MAP_DIMS = 4  # (B, C, H, W)


class DetectorFeatures:
    """Taps a detector's backbone.

    For each stride of 4, 8 and 16 it keeps the output of the last backbone layer that has it.

    Args:
        net: The detector: an `nn.Module` with `model` (its layers in order) and `yaml` (with its `backbone`).
        active: Whether to keep what the next forward pass computes.
    """

    def __init__(self, net: Any, active: Callable[[], bool]) -> None:
        self._active = active
        self._maps: dict[int, Any] = {}
        self._size = (0, 0)
        layers = net.model[: len(net.yaml["backbone"])]
        self._handles = [layers[0].register_forward_pre_hook(self._note_size)]
        self._handles += [layer.register_forward_hook(self._keep) for layer in layers]

    @staticmethod
    def fits(net: Any) -> bool:
        """Whether a detector has layers to tap: exported models have none."""
        return hasattr(net, "model") and hasattr(net, "yaml") and "backbone" in net.yaml

    def remove(self) -> None:
        """Take the taps off; the host calls this when it sets up tracking anew."""
        for handle in self._handles:
            handle.remove()
        self._maps.clear()

    def _note_size(self, _: Any, inputs: tuple[Any, ...]) -> None:
        self._maps.clear()
        self._size = tuple(inputs[0].shape[2:])

    def _keep(self, _: Any, __: Any, output: Any) -> None:
        if self._active() and getattr(output, "ndim", 0) == _MAP_DIMS:
            stride = round(self._size[1] / output.shape[3])
            if stride in _STRIDES:
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
        from torchvision.ops import roi_align

        rois = [torch.from_numpy(_to_input(b, s, self._size)) for b, s in zip(boxes, shapes, strict=True)]
        levels = []
        for stride in sorted(self._maps):
            plane = self._maps[stride].float()
            pooled = roi_align(plane, [r.to(plane.device) for r in rois], (_STRIPES, 1), 1 / stride, aligned=True)
            levels.append(unit(_narrow(pooled).flatten(1).cpu().numpy()))
        ends = np.cumsum([len(b) for b in boxes])[:-1]
        return np.split(unit(np.concatenate(levels, axis=1)), ends)


def _narrow(pooled: Any) -> Any:
    """At most 128 channels of `(N, C, 3, 1)`, by a fixed random projection (Johnson & Lindenstrauss 1984)."""
    import torch

    channels = pooled.shape[1]
    if channels <= _MOST_CHANNELS:
        return pooled
    seed = torch.Generator().manual_seed(channels)
    projection = torch.randn(channels, _MOST_CHANNELS, generator=seed).to(pooled.device) / channels**0.5
    return torch.einsum("nchw,cd->ndhw", pooled, projection)


def _to_input(xyxy: Floats, shape: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Boxes of a picture where the letterbox put them in the detector's input."""
    gain = min(size[0] / shape[0], size[1] / shape[1])
    left, top = (round((s - round(p * gain)) / 2 - 0.1) for s, p in zip(size[::-1], shape[::-1], strict=True))
    high = np.array([shape[1], shape[0]] * 2, np.float32)
    return np.asarray(np.clip(xyxy, 0, high) * gain + np.array([left, top, left, top]), dtype=np.float32)
