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
from .image_embedder import ImageEmbedder, ImageRegion, SceneEmbedder, cut_out, whole_image
from .image_io import as_image

# The host's logger, by its name.
_LOGGER = logging.getLogger("ultralytics")

# Images in memory at a time.
_BATCH = 16


def finds_individuals(embedder: ImageEmbedder) -> TypeGuard[SceneEmbedder]:
    """Whether an embedder finds the individual in an image by itself; others take images as crops."""
    return hasattr(embedder, "locate")


def warned_box(region: ImageRegion, number: int = 1) -> Floats:
    """The box of a region; a warning where it may be the wrong one.

    Args:
        region: What was found.
        number: Of the image, for the warning.
    """
    if region.sought or region.candidates > 1:
        _LOGGER.warning(f"image {number}: {region}")
    return region.xyxy


def embed_boxes(
    embedder: ImageEmbedder, images: Sequence[ImageArray], boxes: Sequence[Floats], first: int = 1
) -> Floats:
    """Embed a box of each image.

    Args:
        embedder: Embeds.
        images: `N` images.
        boxes: Of each `(4,)` xyxy, pixels.
        first: Number of the first image, for the error.

    Raises:
        GalleryError: If one shows nothing.
    """
    if finds_individuals(embedder):
        vectors = embedder.embed(images, boxes)
    else:
        vectors = embedder([cut_out(image, box) for image, box in zip(images, boxes, strict=True)])
    empty = np.flatnonzero(~vectors.any(axis=1))
    if len(empty):
        raise GalleryError(f"image {first + int(empty[0])} shows nothing to go by")
    return vectors


def embed_images(
    load: Callable[[], ImageEmbedder], images: Iterable[str | Path | ImageArray], cls: int
) -> tuple[ImageArray | None, Floats]:
    """Embed the largest individual of a class in each image; a few images are in memory at a time.

    Args:
        load: The embedder, which is asked for once an image could be read.
        images: Images or their paths.
        cls: Class index.

    Returns:
        The first image, None if there is none, and `(N, D)` float32 unit vectors.

    Raises:
        GalleryError: If one can't be read or shows nothing.
    """
    rest, first, vectors = iter(images), None, [np.zeros((0, 0), np.float32)]
    while some := [as_image(image) for image in islice(rest, _BATCH)]:
        first = some[0] if first is None else first
        embedder, number = load(), _BATCH * (len(vectors) - 1) + 1
        boxes = [whole_image(image) for image in some]
        if finds_individuals(embedder):
            boxes = [warned_box(embedder.locate(image, {cls}), number + n) for n, image in enumerate(some)]
        vectors.append(unit(embed_boxes(embedder, some, boxes, number)))
    return first, np.concatenate(vectors[1:] or vectors)
