"""Embeddings of single pictures, made as a tracker made those in the gallery."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .._typing import Floats, ImageArray
from ..embedders import AUTO, Embedder, build_embedder, embed
from ..embedders.crops import Regions
from ..embedders.detector import DetectorFeatures
from ..errors import GalleryError

# The host's logger, by its name.
_LOGGER = logging.getLogger("ultralytics")

_CHANNELS, _SMALL = 3, 64
# What the host fills its own margins with.
_GRAY = 114
# Confidence from which on a box counts as something found.
_FOUND = 0.25


class ImageEmbedder(Protocol):
    """Turns pictures of one individual each into embeddings.

    Attributes:
        fingerprint: Of what makes them: vectors of one can be compared with each other.
    """

    fingerprint: str

    def __call__(self, pictures: Sequence[ImageArray]) -> Floats:
        """Embed pictures.

        Args:
            pictures: `N` of `(H, W, 3)` uint8 BGR. What is found in it best is meant, or all of it if nothing is.

        Returns:
            `(N, D)` float32.
        """
        ...


def image_embedder(recipe: Mapping[str, str]) -> ImageEmbedder:
    """Make the embedder that a gallery's recipe names.

    Args:
        recipe: `model` and `weights` as in a tracker YAML; for `model: auto`, and to find somebody in a larger picture,
            `detector`, a YOLO model, and `imgsz`; with `find: yes`, every picture is such a larger one.

    Raises:
        GalleryError: If the recipe names no model, or one that gives no features, or a detector that can't be loaded.
        ConfigError: If a model can't be had.
    """
    model = recipe.get("model", "")
    if not model:
        raise GalleryError("the gallery doesn't say what makes its embeddings: name the model")
    if model == AUTO:
        return _DetectorImages(_detector(recipe), recipe.get("imgsz", ""))
    embedder = build_embedder(model, recipe.get("weights", ""), None)
    assert embedder is not None
    return _CropImages(embedder, _detector(recipe) if recipe.get("find") == "yes" else None)


def _detector(recipe: Mapping[str, str]) -> Any:
    name = recipe.get("detector", "")
    if not name:
        raise GalleryError("the gallery's embeddings are a detector's: name the detector")
    from ultralytics import YOLO

    try:
        return YOLO(name)
    # What the host raises for files that are missing, damaged, or of another kind.
    except (OSError, TypeError, RuntimeError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise GalleryError(f"the detector {name} is not a YOLO model that can be loaded: {why}") from error


class _CropImages:
    """Pictures by an encoder of crops.

    Args:
        embedder: The encoder.
        detector: Finds whom a larger picture shows; None where pictures are crops.
    """

    def __init__(self, embedder: Embedder, detector: Any) -> None:
        self._embedder = embedder
        self._detector = detector
        self.fingerprint = str(getattr(embedder, "fingerprint", ""))

    def __call__(self, pictures: Sequence[ImageArray]) -> Floats:
        """See `ImageEmbedder`."""
        rows = [embed(self._embedder, p, Regions(self._box(p)[None])) for p in pictures]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _box(self, picture: ImageArray) -> Floats:
        if self._detector is None:
            return _whole(picture)
        return best_box(self._detector.predict(picture, verbose=False)[0], picture)


class _DetectorImages:
    """Pictures by a detector's own features.

    Args:
        detector: The YOLO model.
        imgsz: Side of its input as a number, or as a list in brackets; empty for its own.
    """

    def __init__(self, detector: Any, imgsz: str) -> None:
        from ultralytics.models.rtdetr import RTDETRPredictor

        self._detector = detector
        self._imgsz = [int(n) for n in imgsz.strip("[]").split(",")] if imgsz else None
        # What the host predicts with, as what it tracks with, is a fused copy, made when it is first asked.
        detector.predict(np.zeros((_SMALL, _SMALL, _CHANNELS), np.uint8), verbose=False)
        predictor = detector.predictor
        if not DetectorFeatures.fits(predictor.model.model):
            raise GalleryError("this detector shows nothing of its inside: name the PyTorch model (.pt)")
        stretched = isinstance(predictor, RTDETRPredictor)
        self._taps = DetectorFeatures(predictor.model.model, lambda: True, stretched=stretched)
        self.fingerprint = self._taps.fingerprint

    def __call__(self, pictures: Sequence[ImageArray]) -> Floats:
        """See `ImageEmbedder`."""
        rows = [self._embed(p) for p in pictures]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _embed(self, picture: ImageArray) -> Floats:
        size = {} if self._imgsz is None else {"imgsz": self._imgsz}
        side = max(np.atleast_1d(self._imgsz or self._detector.predictor.args.imgsz).tolist())
        result = self._detector.predict(_not_enlarged(picture, side), verbose=False, **size)[0]
        box = best_box(result, picture)
        return self._taps([box[None]], [result.orig_shape])[0]


def best_box(result: Any, picture: ImageArray) -> Floats:
    """`(4,)` xyxy of what fills most of a picture, of what the detector is sure enough of; all of it if nothing."""
    boxes = result.boxes if result.obb is None else result.obb
    xyxy, conf = np.asarray(boxes.xyxy.cpu(), np.float32), np.asarray(boxes.conf.cpu(), np.float32)
    area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]) * (conf >= _FOUND)
    if not np.count_nonzero(area):
        _LOGGER.warning("the detector found nothing in a picture: all of it is taken")
        return _whole(picture)
    if np.count_nonzero(area) > 1:
        _LOGGER.warning(f"the detector found {np.count_nonzero(area)} things in a picture: the largest is taken")
    return np.asarray(xyxy[int(area.argmax())], np.float32)


def _not_enlarged(picture: ImageArray, side: int) -> ImageArray:
    """A picture in the corner of a gray one that is as large as a detector's input, unless it is as large itself.

    Cameras show people small. A crop of one, blown up until it fills the input, has other features: of 19 visits, 10
    were found by their own crop, and 18 so.
    """
    height, width = picture.shape[:2]
    if max(height, width) >= side:
        return picture
    ground = np.full((side, side, _CHANNELS), _GRAY, np.uint8)
    ground[:height, :width] = picture
    return ground


def _whole(picture: ImageArray) -> Floats:
    return np.array([0, 0, picture.shape[1], picture.shape[0]], np.float32)
