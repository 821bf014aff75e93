"""Embeddings by an image classifier that was not trained for re-identification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Floats, ImageArray

_SIZE = (224, 224)
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class ImageNetClassifier:
    """MobileNetV2's last features, `(N, 1280)`, behind the plugin's `Embedder` protocol.

    Args:
        weights: State dict of a MobileNetV2 without its classifier, its layers in torchvision's order.
    """

    def __init__(self, weights: Path) -> None:
        import torch
        from torchvision.models import mobilenet_v2

        stored = torch.load(weights, map_location="cpu", weights_only=True)
        self._net = mobilenet_v2().features.eval()
        # Torchvision's layers by other names.
        self._net.load_state_dict(dict(zip(self._net.state_dict(), stored.values(), strict=True)))
        self._mean, self._std = (torch.tensor(v).view(3, 1, 1) for v in (_MEAN, _STD))

    def __call__(self, image: ImageArray, xyxy: Floats) -> Floats:
        """See `ultralytics_reid.embedders.Embedder`."""
        import torch

        batch = torch.stack([(self._crop(image, box) - self._mean) / self._std for box in xyxy])
        with torch.inference_mode():
            return np.asarray(self._net(batch).mean(dim=(2, 3)).numpy())

    def _crop(self, image: ImageArray, box: Floats) -> Any:
        """A box as `(3, 224, 224)` RGB in [0, 1]."""
        import cv2
        import torch

        x1, y1, x2, y2 = np.maximum(box.astype(int), [0, 0, 1, 1])
        crop = cv2.resize(image[y1:y2, x1:x2], _SIZE)[..., ::-1]
        return torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1) / 255
