"""Whole images as crops: embed images that a detector, or somebody, has cut out already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._typing import Floats, ImageArray
from ..errors import EmbeddingError
from . import CropEmbedder, Embedder, Regions, embed
from .crops import crop


def whole(image: ImageArray) -> Regions:
    """The one region that is all of an image."""
    return Regions(np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32))


def embed_whole(embedder: Embedder, images: Sequence[ImageArray]) -> Floats:
    """Embed whole images, in one batch where the embedder takes batches.

    Args:
        embedder: The embedder.
        images: `N` of `(H, W, 3)` uint8 BGR, N > 0.

    Returns:
        `(N, D)` float32 of any norm.

    Raises:
        EmbeddingError: If vectors of several dimensions come out.
    """
    if isinstance(embedder, CropEmbedder):
        return embedder.encode(np.concatenate([crop(i, whole(i), embedder.preprocessing)[0] for i in images]))
    rows = [embed(embedder, image, whole(image)) for image in images]
    if len({row.shape for row in rows}) > 1:
        raise EmbeddingError("the embedder must give vectors of one dimension for all images")
    return np.concatenate(rows)
