"""Crops as a network's training input: read once, kept small, and changed at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import ImageArray, Ints, as_pixels
from ..datasets.crop_set import read_crop
from ..embedders.crops import Preprocessing, crop
from ..embedders.whole_images import whole

# Crops beyond this are read from disk again in each epoch.
_MAX_BYTES = 2 * 2**30
_PADDING = 10  # pixels that a crop is moved at most
# Random changes of brightness, contrast and saturation; shares.
_JITTER = {"brightness": 0.2, "contrast": 0.15, "saturation": 0.15}
# Share of crops with an erased part (Zhong et al. 2020), and its share of the crop's area.
_ERASED, _ERASED_AREA = 0.5, (0.02, 0.3)


@dataclass(eq=False)
class CropImages:
    """Images of crops at a network's input size.

    Args:
        paths: `N` image files.
        size: The network's input.
    """

    paths: Sequence[Path]
    size: Preprocessing
    _kept: dict[int, ImageArray] = field(default_factory=dict)

    def __call__(self, rows: Ints) -> ImageArray:
        """Read some crops, `(n, height, width, 3)` uint8 BGR.

        Raises:
            DatasetError: If one can't be read; the message names it.
        """
        return np.stack([self._one(n) for n in rows.tolist()])

    def _one(self, n: int) -> ImageArray:
        if n in self._kept:
            return self._kept[n]
        image = read_crop(self.paths[n])
        small = as_pixels(crop(image, whole(image), self.size)[0][0])
        if (len(self._kept) + 1) * small.nbytes <= _MAX_BYTES:
            self._kept[n] = small
        return small


class Augmentation:
    """Flip, shift, color jitter, random erasing, and the network's normalization.

    Args:
        size: The network's input.
    """

    def __init__(self, size: Preprocessing) -> None:
        import torch
        from torchvision.transforms import v2

        mean, std = (size.in_order(color) for color in (size.mean, size.std))
        self._bgr = size.is_bgr
        self._changed = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.Pad(_PADDING),
                v2.RandomCrop((size.height, size.width)),
                v2.ColorJitter(**_JITTER),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean, std),
                v2.RandomErasing(_ERASED, _ERASED_AREA),
            ]
        )

    def __call__(self, crops: ImageArray) -> Any:
        """Change crops, `(n, height, width, 3)` uint8 BGR, to a tensor `(n, 3, height, width)` float32."""
        import torch

        ordered = crops if self._bgr else crops[..., ::-1]
        planes = torch.from_numpy(np.ascontiguousarray(ordered.transpose(0, 3, 1, 2)))
        return torch.stack([self._changed(plane) for plane in planes])
