"""From a frame and regions of it to one batch of crops: the only place that cuts images up.

Per crop there are a resize or a warp, and, where there are masks, a fill; everything else is done for all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Floats, ImageArray
from ..errors import EmbeddingError

Color = tuple[float, float, float]

# Mean and standard deviation of red, green and blue, by the names that a tracker YAML may say.
NORMALIZATIONS: dict[str, tuple[Color, Color]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}

_CHANNELS = 3
_GRAY_DIMS, _COLOR_DIMS = 2, 3
_POLYGON = 3  # corners at least
_MAX_SHRINK = 8


@dataclass(frozen=True)
class Regions:
    """What is to be embedded of an image.

    Attributes:
        xyxy: `(N, 4)` float32 boxes, pixels; they may reach over the image's edge.
        xywhr: `(N, 5)` rotated boxes, pixels and radians, as the host's `OBB.xywhr`; None where boxes are upright.
        masks: One a region: a polygon, `(P, 2)` floats in pixels of the image, as the host's `Masks.xy`, or a bitmap
            of the image's size, `(H, W)` bool or uint8, not 0 inside; None where nothing is known of the outlines. A
            polygon of fewer than three corners leaves its crop as it is.
    """

    xyxy: Floats
    xywhr: Floats | None = None
    masks: Sequence[npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self.xyxy)

    def take(self, rows: npt.NDArray[np.int64]) -> Regions:
        """Some of the regions, by index."""
        xywhr = None if self.xywhr is None else self.xywhr[rows]
        masks = None if self.masks is None else [self.masks[n] for n in rows.tolist()]
        return Regions(self.xyxy[rows], xywhr, masks)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What an encoder expects of its crops.

    Attributes:
        height: Of a crop, pixels.
        width: Of a crop, pixels.
        mean: Of red, green and blue, in [0, 1]; subtracted.
        std: Of red, green and blue; divided by, after the mean was subtracted.
    """

    height: int
    width: int
    mean: Color = NORMALIZATIONS["imagenet"][0]
    std: Color = NORMALIZATIONS["imagenet"][1]

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # lists would do, but for the comparison

    def __str__(self) -> str:
        named = {values: name for name, values in NORMALIZATIONS.items()}
        other = ",".join(f"{v:g}" for v in (*self.mean, *self.std))
        return f"{self.height}x{self.width}-{named.get((self.mean, self.std), other)}"

    @property
    def fill(self) -> ImageArray:
        """`(3,)` BGR: the color that becomes 0, or nearly."""
        return np.asarray(np.rint(np.array(self.mean[::-1]) * 255), np.uint8)

    def normalize(self, crops: ImageArray) -> Floats:
        """Make a network's input of crops.

        Args:
            crops: `(N, height, width, 3)` uint8, BGR.

        Returns:
            `(N, 3, height, width)` float32, RGB, less the mean, by the standard deviation.
        """
        import cv2

        # A table of 256 values a channel is as fast as arithmetic, and it is applied while the plane is in the cache.
        levels = np.arange(256)[None] / 255
        tables = ((levels - np.array([self.mean]).T) / np.array([self.std]).T).astype(np.float32)
        batch = np.empty((len(crops), _CHANNELS, *crops.shape[1:3]), np.float32)
        planes = np.empty(batch.shape[1:], np.uint8)
        for crop, out in zip(crops, batch, strict=True):
            cv2.split(crop, [planes[2], planes[1], planes[0]])
            for plane, table, normalized in zip(planes, tables, out, strict=True):
                cv2.LUT(plane, table, dst=normalized)
        return batch


@dataclass(frozen=True)
class CropOptions:
    """What a tracker YAML says of crops, over what a model says of itself.

    Attributes:
        height: ImageArray; 0 = as the model says.
        width: ImageArray; 0 = as the model says.
        normalize: A name of `NORMALIZATIONS`, or "auto" = as the model says.
        flip: Whether to average with the mirrored crop.
    """

    height: int = 0
    width: int = 0
    normalize: str = "auto"
    flip: bool = False

    def over(self, given: Preprocessing) -> Preprocessing:
        """What a model says, but for what is said here."""
        mean, std = NORMALIZATIONS.get(self.normalize, (given.mean, given.std))
        return Preprocessing(height=self.height or given.height, width=self.width or given.width, mean=mean, std=std)


NOTHING_ELSE = CropOptions()


def as_bgr(image: npt.NDArray[Any]) -> ImageArray:
    """A frame as 8-bit BGR: gray is repeated, of 16 bits the upper 8 are kept.

    Args:
        image: `(H, W)`, `(H, W, 1)` or `(H, W, 3)`, uint8 or uint16; 16 bits are taken as full range, so whoever has
            12 bits in them scales them first.

    Returns:
        `(H, W, 3)` uint8; the very array where it was that already.

    Raises:
        EmbeddingError: If it is none of these.
    """
    known = image.ndim == _GRAY_DIMS or (image.ndim == _COLOR_DIMS and image.shape[2] in (1, _CHANNELS))
    if not known or image.dtype not in (np.uint8, np.uint16):
        raise EmbeddingError(
            f"frames must be (H, W, 3) BGR or (H, W) gray, of 8 or 16 bits, got {image.shape} {image.dtype}"
        )
    eight = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    if eight.ndim == _GRAY_DIMS:
        eight = eight[..., None]
    return np.asarray(eight if eight.shape[2] == _CHANNELS else np.repeat(eight, _CHANNELS, axis=2), np.uint8)


def crop(image: npt.NDArray[Any], regions: Regions, preprocessing: Preprocessing) -> tuple[ImageArray, Bools]:
    """Cut regions out of an image, all to one size.

    Upright boxes are widened to whole pixels, clipped at the image's edges and stretched. Rotated boxes are turned
    upright: the long side goes along the crop's long side, or its height where it is square, so that `(w, h, r)` and
    `(h, w, r + 90°)` give the same crop; of the two ways to do that, head up or down, the one that keeps up what is up
    in the image, and left what is left where the crop is wide. What lies beyond the image there, and what a mask
    leaves out, has the color of the normalization's mean.

    Args:
        image: What `as_bgr` takes.
        regions: `N` of them.
        preprocessing: Says the crops' size.

    Returns:
        `(G, height, width, 3)` uint8 BGR, and `(N,)` with `G` True: the regions that have a crop. Those don't that are
        empty, outside the image or not finite.

    Raises:
        EmbeddingError: If it is no image, or the regions' arrays don't fit each other.
    """
    image = as_bgr(image)
    _check(regions)
    height, width = image.shape[:2]
    boxes, good = clipped(_enclosing(regions), (width, height))
    rows = np.flatnonzero(good)
    crops = np.empty((len(rows), preprocessing.height, preprocessing.width, _CHANNELS), np.uint8)
    if regions.xywhr is None:
        affine = _upright(boxes[rows], preprocessing)
        _resize(image, boxes[rows], crops)
    else:
        affine = _turned(regions.xywhr[rows], preprocessing)
        _warp(image, affine, crops, preprocessing)
    if regions.masks is not None:
        _suppress(crops, [regions.masks[n] for n in rows.tolist()], affine, preprocessing)
    return crops, good


def _check(regions: Regions) -> None:
    count = len(regions.xyxy)
    if regions.xyxy.shape != (count, 4):
        raise EmbeddingError(f"boxes must have the shape (N, 4), got {regions.xyxy.shape}")
    if regions.xywhr is not None and regions.xywhr.shape != (count, 5):
        raise EmbeddingError(f"rotated boxes must have the shape ({count}, 5), got {regions.xywhr.shape}")
    if regions.masks is not None and len(regions.masks) != count:
        raise EmbeddingError(f"there must be {count} masks, one a box, got {len(regions.masks)}")


def _enclosing(regions: Regions) -> Doubles:
    """The regions' upright boxes, `(N, 4)`; those around rotated ones, not finite where a side isn't above 0."""
    if regions.xywhr is None:
        return regions.xyxy.astype(np.float64)
    known = np.isfinite(regions.xywhr).all(axis=1) & (regions.xywhr[:, 2:4] > 0).all(axis=1)
    xywhr = np.where(np.c_[known], regions.xywhr, 0).astype(np.float64)
    center, size, angle = np.split(xywhr, [2, 4], axis=1)
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = np.concatenate([cos * size[:, :1] + sin * size[:, 1:], sin * size[:, :1] + cos * size[:, 1:]], axis=1) / 2
    half[~known] = np.nan
    return np.concatenate([center - half, center + half], axis=1)


def clipped(xyxy: npt.NDArray[Any], size: tuple[int, int]) -> tuple[npt.NDArray[np.int64], Bools]:
    """Whole pixels of `(N, 4)` boxes within an image of a width and height, and which have any: `(N, 4)`, `(N,)`."""
    finite = np.isfinite(xyxy).all(axis=1)
    inside = np.clip(np.where(finite[:, None], xyxy, 0), 0, size * 2)
    good = np.asarray((inside[:, 2:] > inside[:, :2]).all(axis=1), np.bool_)
    return np.concatenate([np.floor(inside[:, :2]), np.ceil(inside[:, 2:])], axis=1).astype(np.int64), good


def _upright(boxes: npt.NDArray[np.int64], preprocessing: Preprocessing) -> Doubles:
    """`(N, 2, 3)` from crops' pixels to the image's, by whole boxes."""
    size = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    across, down = np.zeros((2, len(boxes), 2))
    across[:, 0], down[:, 1] = size.T
    return _affine((boxes[:, :2] + boxes[:, 2:]) / 2, across, down, preprocessing)


def _turned(xywhr: Floats, preprocessing: Preprocessing) -> Doubles:
    """`(N, 2, 3)` from crops' pixels to the image's, by rotated boxes; see `crop` for which side goes where."""
    center, size, angle = np.split(xywhr.astype(np.float64), [2, 4], axis=1)
    first = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    second = np.stack([-first[:, 1], first[:, 0]], axis=1)
    swap = size[:, :1] < size[:, 1:]
    sides = first * size[:, :1], second * size[:, 1:]
    long, short = np.where(swap, sides[1], sides[0]), np.where(swap, sides[0], sides[1])
    tall = preprocessing.height >= preprocessing.width
    along = long * _ahead(long, axis=1 if tall else 0)
    # To the right of what points down, and below what points to the right: a turn, never a mirror.
    right_of = np.stack([along[:, 1], -along[:, 0]], axis=1) if tall else np.stack([-along[:, 1], along[:, 0]], axis=1)
    aside = short * np.where((short * right_of).sum(axis=1, keepdims=True) < 0, -1, 1)
    return _affine(center, aside if tall else along, along if tall else aside, preprocessing)


def _ahead(sides: Doubles, axis: int) -> Doubles:
    """`(N, 1)` signs that make sides point down (axis 1) or right (axis 0); to the other's positive where neither."""
    tiny = 1e-6 * np.abs(sides).max(axis=1)
    level = np.abs(sides[:, axis]) <= tiny
    return np.where(np.where(level, sides[:, 1 - axis], sides[:, axis]) < 0, -1.0, 1.0)[:, None]


def _affine(center: Doubles, across: Doubles, down: Doubles, preprocessing: Preprocessing) -> Doubles:
    """`(N, 2, 3)`: a crop's pixel centers to the image's, a crop spanning `across` and `down` about `center`."""
    x, y = across / preprocessing.width, down / preprocessing.height
    origin = center - (across + down) / 2 + (x + y) / 2 - 0.5
    return np.stack([x, y, origin], axis=2)


def _resize(image: ImageArray, boxes: npt.NDArray[np.int64], crops: ImageArray) -> None:
    import cv2

    size = crops.shape[2], crops.shape[1]
    # What is made smaller is averaged, or it would show every nth pixel.
    shrinks = ((boxes[:, 2:] - boxes[:, :2]) > size).all(axis=1)
    ways = np.where(shrinks, cv2.INTER_AREA, cv2.INTER_LINEAR).tolist()
    for (left, top, right, bottom), out, way in zip(boxes.tolist(), crops, ways, strict=True):
        cv2.resize(image[top:bottom, left:right], size, dst=out, interpolation=way)


def _warp(image: ImageArray, affine: Doubles, crops: ImageArray, preprocessing: Preprocessing) -> None:
    import cv2

    size = crops.shape[2], crops.shape[1]
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": preprocessing.fill.tolist()}
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Warps don't average: what is made smaller is warped to a multiple of the crop's size first.
    steps = np.linalg.norm(affine[:, :, :2], axis=1).min(axis=1)
    for matrix, out, step in zip(affine, crops, np.clip(steps, 1, _MAX_SHRINK).astype(int).tolist(), strict=True):
        if step == 1:
            cv2.warpAffine(image, matrix, size, dst=out, flags=way, **border)
        else:
            finer = np.c_[matrix[:, :2] / step, matrix[:, 2] - matrix[:, :2].sum(axis=1) * (step - 1) / (2 * step)]
            large = cv2.warpAffine(image, finer, (step * size[0], step * size[1]), flags=way, **border)
            cv2.resize(large, size, dst=out, interpolation=cv2.INTER_AREA)


def _suppress(
    crops: ImageArray, masks: Sequence[npt.NDArray[Any]], affine: Doubles, preprocessing: Preprocessing
) -> None:
    fill = preprocessing.fill
    for out, mask, matrix in zip(crops, masks, affine, strict=True):
        inside = _inside(mask, matrix, out.shape[:2])
        if inside is not None:
            out[inside == 0] = fill


def _inside(mask: npt.NDArray[Any], matrix: Doubles, shape: tuple[int, ...]) -> ImageArray | None:
    """A mask as its crop shows it, `(height, width)`, not 0 inside; None where it says nothing."""
    import cv2

    if not np.issubdtype(mask.dtype, np.floating):
        way = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(mask.astype(np.uint8), matrix, shape[::-1], flags=way), np.uint8)
    if len(mask) < _POLYGON:
        return None
    corners = np.linalg.solve(matrix[:, :2], mask.T - matrix[:, 2:]).T
    inside = np.zeros(shape, np.uint8)
    # Sixteenths of a pixel; far outside is as good as anywhere outside, and doesn't overflow.
    cv2.fillPoly(inside, [np.rint(np.clip(corners, -1e4, 1e4) * 16).astype(np.int32)], (1,), shift=4)
    return inside
