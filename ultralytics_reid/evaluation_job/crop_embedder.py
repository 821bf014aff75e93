"""Embed whole images as crops, in batches, by any embedder that a tracker YAML can name."""

from __future__ import annotations

from collections.abc import Sequence

from .._typing import Floats, ImageArray
from ..embedders import AUTO, Embedder, build_embedder
from ..embedders.head import load_head
from ..embedders.whole_images import embed_whole
from ..gallery.image_embedder import SceneEmbedder, image_embedder, whole_image
from .options import ModelChoice


class ImageBatchEmbedder:
    """Embedder of images that are crops.

    `model: auto` takes the features of a detector, of the crop padded with gray to the detector's input. In a video, it
    takes those of the whole frame, so that these figures are an approximation for it.

    Args:
        choice: The embedder.
        detector: YOLO model for `model: auto`.

    Raises:
        ReIDError: If a model can't be loaded, or its output is no vector per crop.

    Attributes:
        fingerprint: Identifies the embedder, without its head; only vectors of equal fingerprints are comparable.
        head: Maps its embeddings; None without one.
    """

    def __init__(self, choice: ModelChoice, detector: str = "") -> None:
        # First, as it is quickly told if it can't be used.
        self.head = load_head(choice.head) if choice.head else None
        self._scene: SceneEmbedder | None = None
        self._embedder: Embedder | None = None
        if choice.model == AUTO:
            recipe = {"model": AUTO, "detector": detector, "normalize": choice.normalize, "channels": choice.channels}
            self._scene = image_embedder(recipe)
            self.fingerprint = self._scene.fingerprint
        else:
            self._embedder = build_embedder(choice.model, choice.weights, None, choice.crop_options)
            # Without a fingerprint, its vectors are kept in no cache.
            self.fingerprint = str(getattr(self._embedder, "fingerprint", ""))
        if self.head is not None:
            self.head.check_base(self.fingerprint)

    def __call__(self, images: Sequence[ImageArray]) -> Floats:
        """Embed images, `N` of `(H, W, 3)` uint8 BGR and N > 0, to `(N, D)` float32 of any norm, before the head.

        Raises:
            EmbeddingError: If the embedder gives another shape.
        """
        if self._scene is not None:
            return self._scene.embed(images, [whole_image(image) for image in images])
        assert self._embedder is not None
        return embed_whole(self._embedder, images)
