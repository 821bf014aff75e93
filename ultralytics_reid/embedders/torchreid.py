"""Person ReID models of torchreid."""

from __future__ import annotations

import difflib
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

from .._typing import Floats, as_floats
from ..errors import ConfigError
from .crops import NOTHING_ELSE, CropOptions, Preprocessing
from .encoder import CropEmbedder, digest, torch_device
from .head import HEAD, read_safetensors

PREPROCESSING = Preprocessing(height=256, width=128)
SAFETENSORS = ".safetensors"
# Checkpoints keep the prefix of torch's `DataParallel`, and a classifier that embeddings don't use.
_WRAPPER = "module."
_HEAD = "classifier."
# What torch raises for files that are damaged, or hold more than tensors.
_UNREADABLE = (
    *(pickle.UnpicklingError, OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RuntimeError),
    *(struct.error, MemoryError),
)


class TorchReID(CropEmbedder):
    """Embedder by a torchreid architecture.

    Args:
        model: Name of the architecture, such as "osnet_x0_25".
        weights: Path of a state dict; empty for torchreid's download, which is trained on ImageNet, not for ReID.
        device: Torch device; None for the default.
        options: Override torchreid's preprocessing: crops of 256 x 128, normalization of ImageNet.

    Raises:
        ConfigError: If torchreid isn't installed, doesn't know the name, its download fails, the weights don't fit,
            or the device isn't there.

    Attributes:
        net: The network, in evaluation mode.
    """

    def __init__(self, model: str, weights: str, device: Any, options: CropOptions = NOTHING_ELSE) -> None:
        import torch

        self._device = torch_device(device)
        net = architecture(model, weights)
        # Depthwise convolutions of small planes take half the time on a CPU with this memory format.
        self.net = net.eval().to(self._device, memory_format=torch.channels_last)
        self._order = torch.channels_last
        name = f"{model}:{digest(Path(weights)) if weights else 'imagenet'}"
        super().__init__(self._forward, options.over(PREPROCESSING), name=name, flip=options.flip)

    def _forward(self, batch: Floats) -> Floats:
        import torch

        with torch.inference_mode():
            crops = torch.from_numpy(batch).to(self._device, memory_format=self._order)
            return as_floats(self.net(crops).float().cpu().numpy())


def architecture(model: str, weights: str) -> Any:
    """Build a network of torchreid's and load its weights.

    Args:
        model: Name of the architecture.
        weights: Path of a state dict, `.pth` or `.safetensors`; empty for torchreid's download.

    Raises:
        ConfigError: If torchreid isn't installed, doesn't know the name, its download fails, or the weights don't fit.
    """
    net = _built(model, pretrained=not weights)
    if weights:
        _load(net, model, weights)
    return net


def _built(model: str, *, pretrained: bool) -> Any:
    try:
        with warnings.catch_warnings():
            # Of its evaluation, which isn't used here.
            warnings.filterwarnings("ignore", message="Cython evaluation")
            import torchreid
    except ImportError as error:
        raise ConfigError(
            f"model: {model} is a torchreid name, and torchreid can't be imported ({error}); "
            "pip install '.[torchreid]' in the checkout, or set model to auto or to a path"
        ) from error
    try:
        net = torchreid.models.build_model(model, num_classes=1, pretrained=False)
    except KeyError as error:
        # Its only list of names that isn't printed is private: without it there is no hint.
        close = difflib.get_close_matches(model, getattr(torchreid.models, "__model_factory", ()), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ConfigError(f"model: {model} is neither a file nor an architecture of torchreid's{hint}") from error
    return _pretrained(torchreid, model) if pretrained else net


def _pretrained(torchreid: Any, model: str) -> Any:
    import gdown

    try:
        return torchreid.models.build_model(model, num_classes=1, pretrained=True)
    # OSError: the network, or no file. The others: an HTML page in place of the file.
    except (OSError, RuntimeError, KeyError, pickle.UnpicklingError, gdown.exceptions.FileURLRetrievalError) as error:
        raise ConfigError(
            f"model: {model} without weights needs torchreid's download, which failed ({error}); set weights to a file"
        ) from error


def _load(net: Any, model: str, weights: str) -> None:
    stored = _of_ours(model, weights) if weights.endswith(SAFETENSORS) else _of_torch(weights)
    import torch

    inner = stored.get("state_dict", stored) if isinstance(stored, dict) else stored
    if not isinstance(inner, dict) or not all(isinstance(k, str) and torch.is_tensor(v) for k, v in inner.items()):
        raise ConfigError(f"weights: {weights} contain a {type(stored).__name__}, not a state dict")
    state = {key.removeprefix(_WRAPPER): value for key, value in inner.items()}
    try:
        misfit = net.load_state_dict({k: v for k, v in state.items() if not k.startswith(_HEAD)}, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"weights: {weights} do not fit {model}: {error}") from error
    different = [k for k in (*misfit.missing_keys, *misfit.unexpected_keys) if not k.startswith(_HEAD)]
    if different:
        raise ConfigError(f"weights: {weights} do not fit {model}: {len(different)} keys differ, first {different[0]}")


def _of_torch(weights: str) -> Any:
    import torch

    if not Path(weights).is_file():
        raise ConfigError(f"weights: {weights} is not a file")
    try:
        # A pickle with more than tensors in it, which could run code, is refused.
        return torch.load(weights, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise ConfigError(f"weights: {weights} can't be read as a state dict: {error}") from error


def _of_ours(model: str, weights: str) -> Any:
    import torch

    tensors, card = read_safetensors(weights, "weights")
    if card.get("kind") == HEAD:
        raise ConfigError(f"weights: {weights} is a head; set the key 'head' to it, and 'weights' to its base's")
    if card.get("model", model) != model:
        raise ConfigError(f"weights: {weights} are of model {card['model']!r}, not of {model}")
    return {name: torch.from_numpy(array) for name, array in tensors.items()}
