"""Find the individual in each image, and embed it: the images of a search, and of an enrolment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeGuard

import numpy as np

from .._typing import Floats, ImageArray
from ..appearance.embedding import unit
from ..errors import GalleryError
from .image_embedder import ImageEmbedder, ImageRegion, SceneEmbedder, checked_box, cut_out, whole_image
from .image_io import as_image

# The host's logger, by its name.
_LOGGER = logging.getLogger("ultralytics")

# Images in memory at a time.
_BATCH = 16


def finds_individuals(embedder: ImageEmbedder) -> TypeGuard[SceneEmbedder]:
    """Whether an embedder finds the individual in an image by itself; others take images as crops."""
    return hasattr(embedder, "locate")


def logged_box(region: ImageRegion, image: str) -> Floats:
    """The box of a region, which is logged where it was chosen; a warning where nothing was found.

    Args:
        region: What was found.
        image: The image in words, for the log.
    """
    if region.sought:
        _LOGGER.warning(f"{image}: {region}")
    elif region.candidates > 1:
        _LOGGER.info(f"{image}: {region}")
    return region.xyxy


def image_name(image: object, number: int | None = None) -> str:
    """Name an image in words: by its file, else by its number, or as the query if it is the only one.

    Args:
        image: A path, or pixels.
        number: Its number among several, from 1; None for a query.
    """
    if isinstance(image, str | Path):
        return str(image)
    return "query image" if number is None else f"image {number}"


def embed_boxes(
    embedder: ImageEmbedder, images: Sequence[ImageArray], boxes: Sequence[Floats], names: Sequence[str]
) -> Floats:
    """Embed a box of each image.

    Args:
        embedder: Embeds.
        images: `N` images.
        boxes: Of each `(4,)` xyxy, pixels.
        names: The images in words, for the error; see `image_name`.

    Raises:
        GalleryError: If one shows nothing.
    """
    if finds_individuals(embedder):
        vectors = embedder.embed(images, boxes)
    else:
        vectors = embedder([cut_out(image, box) for image, box in zip(images, boxes, strict=True)])
    empty = np.flatnonzero(~vectors.any(axis=1))
    if len(empty):
        raise GalleryError(f"{names[empty[0]]} shows nothing to go by")
    return vectors


def embed_images(
    load: Callable[[], ImageEmbedder],
    images: Iterable[str | Path | ImageArray],
    cls: int,
    boxes: Sequence[Sequence[float]] | None = None,
) -> tuple[ImageArray | None, Floats]:
    """Embed the largest individual of a class in each image, or a given box; a few images are in memory at a time.

    Args:
        load: The embedder, which is asked for once an image could be read.
        images: Images or their paths.
        cls: Class index.
        boxes: Where each image shows the individual, xyxy in pixels; None to find it.

    Returns:
        The first image, of a given box what lies in it, None if there is none; and `(N, D)` float32 unit vectors.

    Raises:
        GalleryError: If one can't be read or shows nothing, or a box is out of range or missing.
    """
    if boxes is not None:
        images = list(images)
        if len(boxes) != len(images):
            raise GalleryError(f"each image requires one box, got {len(boxes)} boxes of {len(images)} images")
    rest, first, vectors = iter(images), None, [np.zeros((0, 0), np.float32)]
    while given := list(islice(rest, _BATCH)):
        some = [as_image(image) for image in given]
        embedder, before = load(), _BATCH * (len(vectors) - 1)
        names = [image_name(image, before + n) for n, image in enumerate(given, 1)]
        if boxes is None:
            regions = _found(embedder, some, cls, names)
        else:
            regions = [checked_box(box, image) for box, image in zip(boxes[before:], some, strict=False)]
        if first is None:
            first = some[0] if boxes is None else cut_out(some[0], regions[0])
        vectors.append(unit(embed_boxes(embedder, some, regions, names)))
    return first, np.concatenate(vectors[1:] or vectors)


def _found(embedder: ImageEmbedder, images: Sequence[ImageArray], cls: int, names: Sequence[str]) -> list[Floats]:
    """The box of the largest individual of a class in each image; names are for the log."""
    if not finds_individuals(embedder):
        return [whole_image(image) for image in images]
    return [logged_box(embedder.locate(image, {cls}), name) for image, name in zip(images, names, strict=True)]
