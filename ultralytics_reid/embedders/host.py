"""Any ReID model that Ultralytics' own loader takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.utils.reid import ReID

from ..embedding import Floats


class HostReID:
    """The host's `ReID` encoder behind this package's protocol.

    Args:
        model: Path or asset name, as the host takes it.
        device: Torch device, or None for the default.
    """

    def __init__(self, model: str, device: Any) -> None:
        self._encode = ReID(model, device=device)

    def __call__(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        """See `Embedder`."""
        if not len(xyxy):
            return np.zeros((0, 1), np.float32)
        centres, sizes = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
        rows = self._encode(image, np.concatenate([centres, sizes], axis=1))
        known = next((np.ravel(r) for r in rows if r is not None), np.zeros(1))
        return np.array([np.zeros_like(known) if r is None else np.ravel(r) for r in rows], np.float32)
