"""The plugin's detector features, `model: auto`, at boxes that are known already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Floats, ImageArray
from ultralytics_reid.embedders.detector import DetectorFeatures


class Backbone:
    """Shows images to a detector and pools what its early layers see over given boxes.

    Args:
        weights: A YOLO model with layers to tap: a `.pt`.
        imgsz: What the detector is run at, pixels.
        device: Torch device, or its name, or None for the default.

    Raises:
        ValueError: If the model has no layers to tap, as exported ones.
    """

    def __init__(self, weights: Path, imgsz: int = 640, device: Any = None) -> None:
        from ultralytics import YOLO
        from ultralytics.models.rtdetr import RTDETRPredictor

        self._yolo = YOLO(weights)
        self._options = {"imgsz": imgsz, "device": device, "verbose": False}
        # The predictor runs a fused copy of the net, and it is made with the first image.
        self.look(np.zeros((64, 64, 3), np.uint8))
        predictor = self._yolo.predictor
        net = predictor.model.model
        if not DetectorFeatures.fits(net):
            raise ValueError(f"{weights} shows nothing of its inside: a .pt is needed for auto")
        self._features = DetectorFeatures(net, lambda: True, stretched=isinstance(predictor, RTDETRPredictor))

    def look(self, image: ImageArray) -> None:
        """Run the detector, as it has run anyway by the time that a tracker asks for embeddings."""
        self._yolo.predict(image, **self._options)

    def pooled(self, image: ImageArray, xyxy: Floats) -> Floats:
        """Embeddings of boxes in the image that was looked at last."""
        return self._features([xyxy], [(image.shape[0], image.shape[1])])[0]

    def __call__(self, image: ImageArray, xyxy: Floats) -> Floats:
        self.look(image)
        return self.pooled(image, xyxy)
