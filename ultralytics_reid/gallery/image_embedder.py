"""Embed single images with the same model as the tracker that filled the gallery."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .._typing import Floats, ImageArray, as_floats
from ..embedders import AUTO, CropOptions, Embedder, build_embedder, embed
from ..embedders.crops import AUTO_OPTION, Regions
from ..embedders.detector import DetectorFeatures
from ..embedders.head import HeadedEmbedder, LinearHead, load_head
from ..embedders.host import load_detector
from ..errors import GalleryError
from .recipe import crop_options

_CHANNELS = 3
# Fill value of the host's letterbox.
_GRAY = 114
# Minimum confidence of a detection.
_MIN_CONFIDENCE = 0.25
# Names of classes that a message lists.
_MAX_NAMED = 5


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


@dataclass(frozen=True, eq=False)
class ImageRegion:
    """The region of an image that stands for the individual it shows.

    Attributes:
        xyxy: `(4,)` float32, pixels.
        what: Name of its class; empty for the whole image.
        confidence: Of the detection, in [0, 1]; 1 for the whole image.
        candidates: Number of detections that it was chosen from.
        sought: What was looked for, in words; empty where nothing was, as for crops.
    """

    xyxy: Floats
    what: str = ""
    confidence: float = 1.0
    candidates: int = 0
    sought: str = ""

    def __str__(self) -> str:
        if not self.what:
            return f"the whole image: {self.sought} found in it" if self.sought else "the whole image"
        box, largest = ",".join(f"{x:.0f}" for x in self.xyxy), f", the largest of {self.candidates}"
        return f"{self.what} at {box} (confidence {self.confidence:.2f}{largest if self.candidates > 1 else ''})"


class SceneEmbedder(ImageEmbedder, Protocol):
    """Embedder that finds the individual in an image by itself."""

    def locate(self, image: ImageArray, classes: Collection[int] | None = None) -> ImageRegion:
        """Find the largest confident detection, or take the whole image.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            classes: Only these class indices; None for all.
        """
        ...

    def embed(self, images: Sequence[ImageArray], boxes: Sequence[Floats]) -> Floats:
        """Embed a box, `(4,)` float32 xyxy in pixels, of each image; returns `(N, D)` float32."""
        ...


def image_embedder(recipe: Mapping[str, str]) -> SceneEmbedder:
    """Build an embedder of images.

    Args:
        recipe: As a user named it; see `trusted_recipe`, for what is loaded can run code. `model`, `weights`, `head`
            and crop options as in a tracker YAML. `detector` (a YOLO model) and `imgsz` for `model: auto`, and with
            `find: yes`, where images are whole scenes rather than crops.

    Raises:
        GalleryError: If the recipe names no model, or one without features.
        ConfigError: If a model or detector is missing or can't be loaded.
    """
    model = recipe.get("model", "")
    if not model:
        raise GalleryError("images are embedded by a model: name it")
    head = load_head(recipe["head"]) if recipe.get("head") else None
    if model == AUTO:
        _refuse_colors(crop_options(recipe))
        return _DetectorImageEmbedder(_detector(recipe), recipe.get("imgsz", ""), head)
    embedder = build_embedder(model, recipe.get("weights", ""), None, crop_options(recipe))
    assert embedder is not None
    if head is not None:
        embedder = HeadedEmbedder(embedder, head)
    return _CropImageEmbedder(embedder, _detector(recipe) if recipe.get("find") == "yes" else None)


def _refuse_colors(options: CropOptions) -> None:
    for key in ("normalize", "channels"):
        if (value := getattr(options, key)) != AUTO_OPTION:
            raise GalleryError(f"'{key}' must be auto with the model auto, which sees no crops; got {value!r}")


def _detector(recipe: Mapping[str, str]) -> Any:
    name = recipe.get("detector", "")
    if not name:
        raise GalleryError("with the model auto, embeddings come from a detector: name it")
    return load_detector(name, "the detector", oriented=True)


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
        return self.embed(images, [self.locate(image).xyxy for image in images])

    def locate(self, image: ImageArray, classes: Collection[int] | None = None) -> ImageRegion:
        """See `SceneEmbedder`."""
        if self._detector is None:
            return ImageRegion(whole_image(image))
        return best_region(self._detector.predict(image, verbose=False)[0], image, classes)

    def embed(self, images: Sequence[ImageArray], boxes: Sequence[Floats]) -> Floats:
        """See `SceneEmbedder`."""
        pairs = zip(images, boxes, strict=True)
        rows = [embed(self._embedder, image, Regions(box[None])) for image, box in pairs]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)


class _DetectorImageEmbedder:
    """Image embedder by the features of a detector's backbone.

    Args:
        detector: The YOLO model, which has predicted once.
        imgsz: Input size as a number, or as a list in brackets; empty for the model's own.
        head: Over its features; None without one.
    """

    def __init__(self, detector: Any, imgsz: str, head: LinearHead | None = None) -> None:
        from ultralytics.models.rtdetr import RTDETRPredictor

        self._detector = detector
        self._imgsz = [int(n) for n in imgsz.strip("[]").split(",")] if imgsz else None
        predictor = detector.predictor
        if not DetectorFeatures.fits(predictor.model.model):
            raise GalleryError("this detector has no accessible layers: name the PyTorch model (.pt)")
        stretched = isinstance(predictor, RTDETRPredictor)
        self._taps = DetectorFeatures(predictor.model.model, lambda: True, stretched=stretched)
        self._head = head
        self.fingerprint = self._taps.fingerprint
        if head is not None:
            head.check_base(self.fingerprint)
            self.fingerprint = head.over(self.fingerprint)

    def __call__(self, images: Sequence[ImageArray]) -> Floats:
        """See `ImageEmbedder`."""
        return self.embed(images, [self.locate(image).xyxy for image in images])

    def locate(self, image: ImageArray, classes: Collection[int] | None = None) -> ImageRegion:
        """See `SceneEmbedder`."""
        return best_region(self._predict(image), image, classes)

    def embed(self, images: Sequence[ImageArray], boxes: Sequence[Floats]) -> Floats:
        """See `SceneEmbedder`."""
        rows = []
        for image, box in zip(images, boxes, strict=True):
            result = self._predict(image)  # the features of a box are those of the last prediction
            rows.append(self._taps([box[None]], [result.orig_shape])[0])
        if rows and self._head is not None:
            return self._head(np.concatenate(rows))
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _predict(self, image: ImageArray) -> Any:
        size = {} if self._imgsz is None else {"imgsz": self._imgsz}
        side = max(np.atleast_1d(self._imgsz or self._detector.predictor.args.imgsz).tolist())
        return self._detector.predict(_pad_to_input(image, side), verbose=False, **size)[0]


def best_region(result: Any, image: ImageArray, classes: Collection[int] | None = None) -> ImageRegion:
    """Select the largest confident detection of some classes (None: of all); the whole image without one.

    Boxes are cut to the image: it may have been padded for the detector, and oriented boxes may reach beyond it.
    """
    boxes = result.boxes if result.obb is None else result.obb
    xyxy, conf = as_floats(boxes.xyxy.cpu()), as_floats(boxes.conf.cpu())
    xyxy = xyxy.clip(0, np.tile(whole_image(image)[2:], 2))
    found = np.asarray(boxes.cls.cpu(), np.int64)
    fits = conf >= _MIN_CONFIDENCE
    if classes is not None:
        fits &= np.isin(found, sorted(classes))
    area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]) * fits
    if not np.count_nonzero(area):
        names = [str(result.names.get(n, f"class {n}")) for n in sorted(classes or ())]
        sought = f"no {' or '.join(names)}" if 0 < len(names) <= _MAX_NAMED else "nothing of those classes"
        return ImageRegion(whole_image(image), sought=sought if names else "nothing")
    n = int(area.argmax())
    what = str(result.names.get(int(found[n]), f"class {found[n]}"))
    return ImageRegion(as_floats(xyxy[n]), what, float(conf[n]), int(np.count_nonzero(area)))


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


def whole_image(image: ImageArray) -> Floats:
    """Box of a whole image, `(4,)` float32 xyxy."""
    return np.array([0, 0, image.shape[1], image.shape[0]], np.float32)


def checked_box(box: Sequence[float], image: ImageArray) -> Floats:
    """Check a box of an image, xyxy in pixels; returns `(4,)` float32.

    Raises:
        GalleryError: If it isn't four finite numbers, is empty, or reaches beyond the image.
    """
    height, width = image.shape[:2]
    if len(box) == len("xyxy") and np.isfinite(box).all():
        left, top, right, bottom = box
        if 0 <= left < right <= width and 0 <= top < bottom <= height:
            return as_floats(box)
    shown = ",".join(f"{x:g}" for x in box)
    raise GalleryError(f"the box must be x1,y1,x2,y2 within the image of {width} x {height} pixels, got {shown}")


def cut_out(image: ImageArray, box: Floats) -> ImageArray:
    """Cut a box, `(4,)` xyxy, out of an image, rounded outward to whole pixels."""
    left, top = np.floor(box[:2].clip(0)).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    return image[top:bottom, left:right]
