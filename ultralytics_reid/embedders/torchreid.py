"""Person ReID models of torchreid, by name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..embedding import Floats
from ..errors import ConfigError

_SIZE = (256, 128)
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
# Checkpoints keep the prefix of the wrapper that torchreid trains in, and a classifier that embeddings have no use for.
_WRAPPER = "module."
_HEAD = "classifier."


class TorchReID:
    """A torchreid architecture with given weights.

    Args:
        model: torchreid's name of the architecture, such as "osnet_x0_25".
        weights: Path of a state dict; empty lets torchreid load what it has for that name.
        device: Torch device, or None for the default.

    Raises:
        ConfigError: If torchreid isn't installed, doesn't know the name, or the weights don't fit it.
    """

    def __init__(self, model: str, weights: str, device: Any) -> None:
        import torch

        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        net = _architecture(model, pretrained=not weights)
        if weights:
            _load(net, model, weights)
        self._net = net.eval().to(self._device)
        self._mean, self._std = (torch.tensor(v, device=self._device).view(3, 1, 1) for v in (_MEAN, _STD))

    def __call__(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        """See `Embedder`."""
        import torch

        if not len(xyxy):
            return np.zeros((0, 1), np.float32)
        with torch.inference_mode():
            batch = (self._crops(image, xyxy) - self._mean) / self._std
            return np.asarray(self._net(batch).float().cpu().numpy())

    def _crops(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Any:
        """All crops by one resampling of the picture, `(N, 3, 256, 128)` RGB in [0, 1]."""
        import torch
        from torchvision.ops import roi_align

        high = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        boxes = torch.from_numpy(np.clip(xyxy, 0, high)).to(self._device)
        pixels = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).to(self._device)
        planes = pixels.permute(2, 0, 1)[None].float() / 255
        return roi_align(planes, [boxes], _SIZE, sampling_ratio=2, aligned=True)


def _architecture(model: str, *, pretrained: bool) -> Any:
    try:
        import torchreid
    except ImportError as error:
        raise ConfigError(
            f"model: {model} is a torchreid name, and torchreid can't be imported ({error}); "
            "pip install 'ultralytics-reid[torchreid]', or set model to auto or to a path"
        ) from error
    try:
        return torchreid.models.build_model(model, num_classes=1, pretrained=pretrained)
    except KeyError as error:
        raise ConfigError(f"model: {model} is neither a file nor an architecture of torchreid's") from error


def _load(net: Any, model: str, weights: str) -> None:
    import torch

    if not Path(weights).is_file():
        raise ConfigError(f"weights: {weights} is not a file")
    try:
        stored = torch.load(weights, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ConfigError(f"weights: {weights} can't be read as a state dict: {error}") from error
    state = {k.removeprefix(_WRAPPER): v for k, v in stored.get("state_dict", stored).items()}
    try:
        misfit = net.load_state_dict({k: v for k, v in state.items() if not k.startswith(_HEAD)}, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"weights: {weights} do not fit {model}: {error}") from error
    strange = [k for k in (*misfit.missing_keys, *misfit.unexpected_keys) if not k.startswith(_HEAD)]
    if strange:
        raise ConfigError(f"weights: {weights} do not fit {model}: {len(strange)} keys differ, first {strange[0]}")
