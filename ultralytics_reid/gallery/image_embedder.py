"""Embed single images with the same model as the tracker that filled the gallery."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .._typing import Floats, ImageArray, as_floats
from ..embedders import AUTO, Embedder, build_embedder, embed
from ..embedders.crops import Regions
from ..embedders.detector import DetectorFeatures
from ..errors import GalleryError

# The host's logger, by its name.
_LOGGER = logging.getLogger("ultralytics")

_CHANNELS, _SMALL = 3, 64
# Fill value of the host's letterbox.
_GRAY = 114
# Minimum confidence of a detection.
_MIN_CONFIDENCE = 0.25


class ImageEmbedder(Protocol):
    """Embedder of images that show one individual each.

    Attributes:
        fingerprint: Identifies the embedder; only vectors of equal fingerprints are comparable.
    """

    fingerprint: str

    def __call__(self, images: Sequence[ImageArray]) -> Floats:
        """Embed images.

        Args:
            images: `N` of `(H, W, 3)` uint8 BGR. The largest detection is embedded, or the whole image without one.

        Returns:
            `(N, D)` float32.
        """
        ...


def image_embedder(recipe: Mapping[str, str]) -> ImageEmbedder:
    """Build an embedder of images.

    Args:
        recipe: As a user named it; see `trusted_recipe`, for what is loaded can run code. `model` and `weights` as in a
            tracker YAML. `detector` (a YOLO model) and `imgsz` for `model: auto`, and with `find: yes`, where images
            are whole scenes rather than crops.

    Raises:
        GalleryError: If the recipe names no model, one without features, or a detector that can't be loaded.
        ConfigError: If a model is missing or can't be loaded.
    """
    model = recipe.get("model", "")
    if not model:
        raise GalleryError("images are embedded by a model: name it")
    if model == AUTO:
        return _DetectorImageEmbedder(_detector(recipe), recipe.get("imgsz", ""))
    embedder = build_embedder(model, recipe.get("weights", ""), None)
    assert embedder is not None
    return _CropImageEmbedder(embedder, _detector(recipe) if recipe.get("find") == "yes" else None)


def _detector(recipe: Mapping[str, str]) -> Any:
    name = recipe.get("detector", "")
    if not name:
        raise GalleryError("with the model auto, embeddings come from a detector: name it")
    from ultralytics import YOLO

    try:
        return YOLO(name)
    # The host raises these for files that are missing, damaged, or of another kind.
    except (OSError, TypeError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise GalleryError(f"the detector {name} is not a YOLO model that can be loaded: {reason}") from error


class _CropImageEmbedder:
    """Image embedder by an encoder of crops.

    Args:
        embedder: The encoder.
        detector: YOLO model that finds the individual in a scene; None where images are crops.
    """

    def __init__(self, embedder: Embedder, detector: Any) -> None:
        self._embedder = embedder
        self._detector = detector
        self.fingerprint = str(getattr(embedder, "fingerprint", ""))

    def __call__(self, images: Sequence[ImageArray]) -> Floats:
        """See `ImageEmbedder`."""
        rows = [embed(self._embedder, image, Regions(self._box(image)[None])) for image in images]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _box(self, image: ImageArray) -> Floats:
        if self._detector is None:
            return _whole_image(image)
        return best_box(self._detector.predict(image, verbose=False)[0], image)


class _DetectorImageEmbedder:
    """Image embedder by the features of a detector's backbone.

    Args:
        detector: The YOLO model.
        imgsz: Input size as a number, or as a list in brackets; empty for the model's own.
    """

    def __init__(self, detector: Any, imgsz: str) -> None:
        from ultralytics.models.rtdetr import RTDETRPredictor

        self._detector = detector
        self._imgsz = [int(n) for n in imgsz.strip("[]").split(",")] if imgsz else None
        # The host predicts and tracks with a fused copy of the model, made at the first prediction.
        detector.predict(np.zeros((_SMALL, _SMALL, _CHANNELS), np.uint8), verbose=False)
        predictor = detector.predictor
        if not DetectorFeatures.fits(predictor.model.model):
            raise GalleryError("this detector has no accessible layers: name the PyTorch model (.pt)")
        stretched = isinstance(predictor, RTDETRPredictor)
        self._taps = DetectorFeatures(predictor.model.model, lambda: True, stretched=stretched)
        self.fingerprint = self._taps.fingerprint

    def __call__(self, images: Sequence[ImageArray]) -> Floats:
        """See `ImageEmbedder`."""
        rows = [self._embed(image) for image in images]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _embed(self, image: ImageArray) -> Floats:
        size = {} if self._imgsz is None else {"imgsz": self._imgsz}
        side = max(np.atleast_1d(self._imgsz or self._detector.predictor.args.imgsz).tolist())
        result = self._detector.predict(_pad_to_input(image, side), verbose=False, **size)[0]
        box = best_box(result, image)
        return self._taps([box[None]], [result.orig_shape])[0]


def best_box(result: Any, image: ImageArray) -> Floats:
    """Select the largest confident detection of an image, `(4,)` xyxy; the whole image without one."""
    boxes = result.boxes if result.obb is None else result.obb
    xyxy, conf = as_floats(boxes.xyxy.cpu()), as_floats(boxes.conf.cpu())
    area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]) * (conf >= _MIN_CONFIDENCE)
    if not np.count_nonzero(area):
        _LOGGER.warning("no detection in an image: using the whole image")
        return _whole_image(image)
    if np.count_nonzero(area) > 1:
        _LOGGER.warning(f"{np.count_nonzero(area)} detections in an image: using the largest")
    return as_floats(xyxy[int(area.argmax())])


def _pad_to_input(image: ImageArray, side: int) -> ImageArray:
    """Pad an image with gray to the detector's input size, in place of letting the host enlarge it.

    People are small in a camera's image. An enlarged crop has other features: of 19 visits, 10 were retrieved by
    their own enlarged crop, and 18 by the padded one.
    """
    height, width = image.shape[:2]
    if max(height, width) >= side:
        return image
    padded = np.full((side, side, _CHANNELS), _GRAY, np.uint8)
    padded[:height, :width] = image
    return padded


def _whole_image(image: ImageArray) -> Floats:
    return np.array([0, 0, image.shape[1], image.shape[0]], np.float32)
