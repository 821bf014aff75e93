"""Embeddings by person-reidentification-retail-0287 of the Open Model Zoo, which has no recipe in its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Floats, ImageArray
from ultralytics_reid.embedders import CropEmbedder, Preprocessing

from ..errors import UnavailableError


class Retail0287(CropEmbedder):
    """OpenVINO model that takes crops of 256 x 128 in BGR, from 0 to 255, without mean and scale; `(N, 256)`.

    Args:
        weights: The folder of its `.xml` and `.bin`.

    Raises:
        UnavailableError: If there is no `.xml`.
    """

    def __init__(self, weights: Path) -> None:
        import openvino

        path = next(iter(sorted(weights.glob("*.xml"))), None)
        if path is None:
            raise UnavailableError(f"no .xml in {weights}")
        size = Preprocessing(height=256, width=128)
        core = openvino.Core()
        model = core.read_model(path)
        model.reshape([-1, 3, size.height, size.width])
        network = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})

        def encode(crops: ImageArray) -> Floats:
            rows = network(crops.transpose(0, 3, 1, 2).astype(np.float32))[0]
            return np.asarray(rows, np.float32).reshape(len(crops), -1)

        super().__init__(encode, size, name="retail-0287", raw=True)
