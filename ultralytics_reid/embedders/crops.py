"""Cut regions out of an image into one batch of crops, by resizing or warping, with optional masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Floats, ImageArray, Ints, as_bools, as_pixels
from ..config import Config
from ..errors import EmbeddingError

Color = tuple[float, float, float]

# Mean and standard deviation of red, green and blue, by the values of a tracker YAML's `normalize`.
NORMALIZATIONS: dict[str, tuple[Color, Color]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "none": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),  # values stay 0-255
}
# Orders of the channels that a network may take, by the values of a tracker YAML's `channels`.
CHANNELS = ("rgb", "bgr")

# Value of an option that leaves it to the model.
AUTO_OPTION = "auto"

_CHANNELS = 3
_GRAY_DIMS, _COLOR_DIMS = 2, 3
_MIN_CORNERS = 3  # of a polygon
_MAX_SUPERSAMPLING = 8


@dataclass(frozen=True)
class Regions:
    """Regions of an image to embed.

    Attributes:
        xyxy: `(N, 4)` float32 boxes, pixels; they may reach beyond the image.
        xywhr: `(N, 5)` rotated boxes, pixels and radians, as the host's `OBB.xywhr`; None for upright boxes.
        masks: One mask per region: a polygon, `(P, 2)` floats in pixels of the image, as the host's `Masks.xy`, or a
            bitmap of the image's size, `(H, W)` bool or uint8, nonzero inside; None without masks. Polygons of fewer
            than three corners are ignored.
    """

    xyxy: Floats
    xywhr: Floats | None = None
    masks: Sequence[npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self.xyxy)

    def take(self, rows: Ints) -> Regions:
        """Select regions by index."""
        xywhr = None if self.xywhr is None else self.xywhr[rows]
        masks = None if self.masks is None else [self.masks[n] for n in rows.tolist()]
        return Regions(self.xyxy[rows], xywhr, masks)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Size and normalization of an encoder's crops.

    Attributes:
        height: Crop height, pixels.
        width: Crop width, pixels.
        mean: Mean of red, green and blue, in [0, 1], which is subtracted.
        std: Standard deviation of red, green and blue, which the result is divided by; 1/255 for values of 0-255.
        channels: Order of the network's input channels, one of `CHANNELS`; `mean` and `std` are red first in both.
    """

    height: int
    width: int
    mean: Color = NORMALIZATIONS["imagenet"][0]
    std: Color = NORMALIZATIONS["imagenet"][1]
    channels: str = CHANNELS[0]

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise EmbeddingError(f"channels must be {' or '.join(CHANNELS)}, got {self.channels!r}")
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # lists would break comparison

    def __str__(self) -> str:
        named = {values: name for name, values in NORMALIZATIONS.items()}
        other = ",".join(f"{v:g}" for v in (*self.mean, *self.std))
        order = "" if self.channels == CHANNELS[0] else f"-{self.channels}"
        return f"{self.height}x{self.width}-{named.get((self.mean, self.std), other)}{order}"

    @property
    def is_bgr(self) -> bool:
        """Whether the network takes blue first, as crops have it."""
        return self.channels == "bgr"

    def in_order(self, color: Color) -> Color:
        """Put a color, red first, in the order of the network's channels."""
        red, green, blue = color
        return (blue, green, red) if self.is_bgr else color

    @property
    def fill(self) -> ImageArray:
        """The mean color, `(3,)` uint8 BGR, which is normalized to about 0."""
        return as_pixels(np.rint(np.array(self.mean[::-1]) * 255))

    def normalize(self, crops: ImageArray) -> Floats:
        """Normalize crops to a network's input.

        Args:
            crops: `(N, height, width, 3)` uint8, BGR.

        Returns:
            `(N, 3, height, width)` float32, in the order of `channels`.
        """
        import cv2

        # A lookup table per channel is as fast as arithmetic, and is applied while the plane is in the cache.
        levels = np.arange(256)[None] / 255
        mean, std = np.array([self.in_order(self.mean)]).T, np.array([self.in_order(self.std)]).T
        tables = ((levels - mean) / std).astype(np.float32)
        batch = np.empty((len(crops), _CHANNELS, *crops.shape[1:3]), np.float32)
        planes = np.empty(batch.shape[1:], np.uint8)
        blue_first = list(planes if self.is_bgr else planes[::-1])
        for crop, out in zip(crops, batch, strict=True):
            cv2.split(crop, blue_first)
            for plane, table, normalized in zip(planes, tables, out, strict=True):
                cv2.LUT(plane, table, dst=normalized)
        return batch


@dataclass(frozen=True)
class CropOptions:
    """Crop options of a tracker YAML, which override the model's own.

    Attributes:
        height: Crop height, pixels; 0 for the model's own.
        width: Crop width, pixels; 0 for the model's own.
        normalize: A key of `NORMALIZATIONS`, or "auto" for the model's own.
        flip: Whether to average with the embedding of the mirrored crop.
        channels: One of `CHANNELS`, or "auto" for the model's own.
    """

    height: int = 0
    width: int = 0
    normalize: str = AUTO_OPTION
    flip: bool = False
    channels: str = AUTO_OPTION

    @classmethod
    def of(cls, config: Config) -> CropOptions:
        """Take the options from a tracker's config."""
        return cls(config.crop_height, config.crop_width, config.normalize, config.flip_crops, config.channels)

    def over(self, given: Preprocessing) -> Preprocessing:
        """Override a model's preprocessing."""
        mean, std = NORMALIZATIONS.get(self.normalize, (given.mean, given.std))
        height, width = self.height or given.height, self.width or given.width
        channels = given.channels if self.channels == AUTO_OPTION else self.channels
        return Preprocessing(height=height, width=width, mean=mean, std=std, channels=channels)


NOTHING_ELSE = CropOptions()


def as_bgr(image: npt.NDArray[Any]) -> ImageArray:
    """Convert a frame to 8-bit BGR: repeat gray, keep the upper 8 of 16 bits.

    Args:
        image: `(H, W)`, `(H, W, 1)` or `(H, W, 3)`, uint8 or uint16; 16-bit values must span the full range.

    Returns:
        `(H, W, 3)` uint8; the same array if it already has this format.

    Raises:
        EmbeddingError: If the array has another format.
    """
    known = image.ndim == _GRAY_DIMS or (image.ndim == _COLOR_DIMS and image.shape[2] in (1, _CHANNELS))
    if not known or image.dtype not in (np.uint8, np.uint16):
        raise EmbeddingError(
            f"frames must be (H, W, 3) BGR or (H, W) gray, of 8 or 16 bits, got {image.shape} {image.dtype}"
        )
    eight = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    if eight.ndim == _GRAY_DIMS:
        eight = eight[..., None]
    return as_pixels(eight if eight.shape[2] == _CHANNELS else np.repeat(eight, _CHANNELS, axis=2))


def crop(image: npt.NDArray[Any], regions: Regions, preprocessing: Preprocessing) -> tuple[ImageArray, Bools]:
    """Cut regions out of an image into crops of one size.

    Upright boxes are widened to whole pixels, clipped at the image's edges and stretched. Rotated boxes are warped
    upright: the long side goes along the crop's long side (its height, if the crop is square), so that `(w, h, r)` and
    `(h, w, r + 90°)` give the same crop. Of the two possible directions, the one is used that keeps the image's top at
    the crop's top, or its left at the left in a wide crop. Pixels beyond the image, or outside a mask, get the mean
    color of the normalization.

    Args:
        image: Image in a format of `as_bgr`.
        regions: `N` regions.
        preprocessing: Size and mean color of the crops.

    Returns:
        `(G, height, width, 3)` uint8 BGR crops, and `(N,)` bool with `G` True: the regions with a crop. Regions that
        are empty, outside the image or not finite have none.

    Raises:
        EmbeddingError: If the image has another format, or the shapes of the regions' arrays don't match.
    """
    image = as_bgr(image)
    _check_shapes(regions)
    height, width = image.shape[:2]
    boxes, good = clipped(_enclosing(regions), (width, height))
    rows = np.flatnonzero(good)
    crops = np.empty((len(rows), preprocessing.height, preprocessing.width, _CHANNELS), np.uint8)
    if regions.xywhr is None:
        affine = _affine_of_upright(boxes[rows], preprocessing)
        _resize(image, boxes[rows], crops)
    else:
        affine = _affine_of_rotated(regions.xywhr[rows], preprocessing)
        _warp(image, affine, crops, preprocessing)
    if regions.masks is not None:
        _mask_background(crops, [regions.masks[n] for n in rows.tolist()], affine, preprocessing)
    return crops, good


def _check_shapes(regions: Regions) -> None:
    count = len(regions.xyxy)
    if regions.xyxy.shape != (count, 4):
        raise EmbeddingError(f"boxes must have the shape (N, 4), got {regions.xyxy.shape}")
    if regions.xywhr is not None and regions.xywhr.shape != (count, 5):
        raise EmbeddingError(f"rotated boxes must have the shape ({count}, 5), got {regions.xywhr.shape}")
    if regions.masks is not None and len(regions.masks) != count:
        raise EmbeddingError(f"there must be {count} masks, one per box, got {len(regions.masks)}")


def _enclosing(regions: Regions) -> Doubles:
    """Upright boxes that enclose the regions, `(N, 4)`; NaN where a side of a rotated box isn't above 0."""
    if regions.xywhr is None:
        return regions.xyxy.astype(np.float64)
    known = np.isfinite(regions.xywhr).all(axis=1) & (regions.xywhr[:, 2:4] > 0).all(axis=1)
    xywhr = np.where(np.c_[known], regions.xywhr, 0).astype(np.float64)
    center, size, angle = np.split(xywhr, [2, 4], axis=1)
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = np.concatenate([cos * size[:, :1] + sin * size[:, 1:], sin * size[:, :1] + cos * size[:, 1:]], axis=1) / 2
    half[~known] = np.nan
    return np.concatenate([center - half, center + half], axis=1)


def clipped(xyxy: npt.NDArray[Any], size: tuple[int, int]) -> tuple[Ints, Bools]:
    """Clip `(N, 4)` boxes to an image of (width, height): `(N, 4)` whole pixels, and `(N,)` whether any are inside."""
    finite = np.isfinite(xyxy).all(axis=1)
    inside = np.clip(np.where(finite[:, None], xyxy, 0), 0, size * 2)
    good = as_bools((inside[:, 2:] > inside[:, :2]).all(axis=1))
    return np.concatenate([np.floor(inside[:, :2]), np.ceil(inside[:, 2:])], axis=1).astype(np.int64), good


def _affine_of_upright(boxes: Ints, preprocessing: Preprocessing) -> Doubles:
    """Affine maps from crop pixels to image pixels, `(N, 2, 3)`, for upright boxes."""
    size = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    across, down = np.zeros((2, len(boxes), 2))
    across[:, 0], down[:, 1] = size.T
    return _affine((boxes[:, :2] + boxes[:, 2:]) / 2, across, down, preprocessing)


def _affine_of_rotated(xywhr: Floats, preprocessing: Preprocessing) -> Doubles:
    """Affine maps from crop pixels to image pixels, `(N, 2, 3)`, for rotated boxes; `crop` states the orientation."""
    center, size, angle = np.split(xywhr.astype(np.float64), [2, 4], axis=1)
    first = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    second = np.stack([-first[:, 1], first[:, 0]], axis=1)
    swap = size[:, :1] < size[:, 1:]
    sides = first * size[:, :1], second * size[:, 1:]
    long, short = np.where(swap, sides[1], sides[0]), np.where(swap, sides[0], sides[1])
    tall = preprocessing.height >= preprocessing.width
    along = long * _orientation(long, axis=1 if tall else 0)
    # The second axis is to the right of one that points down, or below one that points right: never mirrored.
    right_of = np.stack([along[:, 1], -along[:, 0]], axis=1) if tall else np.stack([-along[:, 1], along[:, 0]], axis=1)
    aside = short * np.where((short * right_of).sum(axis=1, keepdims=True) < 0, -1, 1)
    return _affine(center, aside if tall else along, along if tall else aside, preprocessing)


def _orientation(sides: Doubles, axis: int) -> Doubles:
    """Signs, `(N, 1)`, that make sides point down (axis 1) or right (axis 0); along the other axis where level."""
    tiny = 1e-6 * np.abs(sides).max(axis=1)
    level = np.abs(sides[:, axis]) <= tiny
    return np.where(np.where(level, sides[:, 1 - axis], sides[:, axis]) < 0, -1.0, 1.0)[:, None]


def _affine(center: Doubles, across: Doubles, down: Doubles, preprocessing: Preprocessing) -> Doubles:
    """Map crop pixel centers to image pixels, `(N, 2, 3)`; crops span `across` and `down` around `center`."""
    x, y = across / preprocessing.width, down / preprocessing.height
    origin = center - (across + down) / 2 + (x + y) / 2 - 0.5
    return np.stack([x, y, origin], axis=2)


def _resize(image: ImageArray, boxes: Ints, crops: ImageArray) -> None:
    import cv2

    size = crops.shape[2], crops.shape[1]
    # Area interpolation when shrinking, against aliasing.
    shrinks = ((boxes[:, 2:] - boxes[:, :2]) > size).all(axis=1)
    modes = np.where(shrinks, cv2.INTER_AREA, cv2.INTER_LINEAR).tolist()
    for (left, top, right, bottom), out, mode in zip(boxes.tolist(), crops, modes, strict=True):
        cv2.resize(image[top:bottom, left:right], size, dst=out, interpolation=mode)


def _warp(image: ImageArray, affine: Doubles, crops: ImageArray, preprocessing: Preprocessing) -> None:
    import cv2

    size = crops.shape[2], crops.shape[1]
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": preprocessing.fill.tolist()}
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Warps don't average: when shrinking, warp to a multiple of the crop's size first.
    steps = np.linalg.norm(affine[:, :, :2], axis=1).min(axis=1)
    for matrix, out, step in zip(
        affine, crops, np.clip(steps, 1, _MAX_SUPERSAMPLING).astype(int).tolist(), strict=True
    ):
        if step == 1:
            cv2.warpAffine(image, matrix, size, dst=out, flags=flags, **border)
        else:
            finer = np.c_[matrix[:, :2] / step, matrix[:, 2] - matrix[:, :2].sum(axis=1) * (step - 1) / (2 * step)]
            large = cv2.warpAffine(image, finer, (step * size[0], step * size[1]), flags=flags, **border)
            cv2.resize(large, size, dst=out, interpolation=cv2.INTER_AREA)


def _mask_background(
    crops: ImageArray, masks: Sequence[npt.NDArray[Any]], affine: Doubles, preprocessing: Preprocessing
) -> None:
    fill = preprocessing.fill
    for out, mask, matrix in zip(crops, masks, affine, strict=True):
        inside = _warp_mask(mask, matrix, out.shape[:2])
        if inside is not None:
            out[inside == 0] = fill


def _warp_mask(mask: npt.NDArray[Any], matrix: Doubles, shape: tuple[int, ...]) -> ImageArray | None:
    """Warp a mask to its crop, `(height, width)` uint8, nonzero inside; None for a polygon without area."""
    import cv2

    if not np.issubdtype(mask.dtype, np.floating):
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        return as_pixels(cv2.warpAffine(mask.astype(np.uint8), matrix, shape[::-1], flags=flags))
    if len(mask) < _MIN_CORNERS:
        return None
    corners = np.linalg.solve(matrix[:, :2], mask.T - matrix[:, 2:]).T
    inside = np.zeros(shape, np.uint8)
    # In sixteenths of a pixel; clipped far outside, against overflow.
    cv2.fillPoly(inside, [np.rint(np.clip(corners, -1e4, 1e4) * 16).astype(np.int32)], (1,), shift=4)
    return inside
