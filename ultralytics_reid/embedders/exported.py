"""Exported encoders: ONNX and OpenVINO in their own runtimes, TorchScript, TensorRT and others in the host's.

The host's `AutoBackend` could run all of them, but it treats an unknown model as a detector of 640 x 640 with batch
size 1, hides the input's shape, installs missing packages by itself, and lets ONNX Runtime's threads compete with
torch's. So the two runtimes that matter on a CPU are used directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .._typing import Floats, ImageArray
from ..errors import ConfigError, EmbeddingError
from .crops import AUTO_OPTION, CHANNELS, NORMALIZATIONS, CropOptions, Preprocessing
from .encoder import CropEmbedder, digest, need, torch_device
from .metadata import FULL_PRECISION, METADATA, image_size, preprocessing_of, stored_recipe

_Crops = TypeVar("_Crops", Floats, ImageArray)

# Metadata keys of Ultralytics' exports, whose networks take values in [0, 1].
_ULTRALYTICS_KEYS = frozenset({"stride", "names", "task"})
_INPUT_DIMS, _COLORS = 4, 3  # (N, 3, H, W) or (N, H, W, 3)
_BATCH_SIZES = (1, 2, 4, 8, 16)
_ANY, _OTHER_BATCH = -1, 7  # batch sizes: OpenVINO's "dynamic", and one that no model is fixed to


@dataclass(frozen=True)
class _Input:
    """What a network takes: batch size, height and width, 0 for any, and whether the channels come last."""

    batch: int
    height: int
    width: int
    channels_last: bool


@dataclass(frozen=True)
class _Model:
    """A loaded model file.

    Attributes:
        network: Builds, for a preprocessing, the function that encodes any number of crops.
        raw: Whether that function normalizes by itself.
        height: Input height, pixels; 0 for any.
        width: Input width, pixels; 0 for any.
        metadata: The file's metadata.
    """

    network: Callable[[Preprocessing], Callable[[Any], Any]]
    raw: bool = False
    height: int = 0
    width: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


def exported(model: str, device: Any, options: CropOptions) -> CropEmbedder:
    """Load an exported encoder.

    Args:
        model: Path of a `.onnx` or `.xml` file, of a folder with one, or of another format of the host's `AutoBackend`.
        device: Torch device; None for the default. OpenVINO always runs on the CPU.
        options: Crop options of the tracker YAML.

    Returns:
        The embedder. Its preprocessing comes from the metadata of models exported by `ultralytics-reid export` or by
        Ultralytics, else from the options; the input's layout and size come from the model.

    Raises:
        ConfigError: If the file, its runtime or the device is missing, or neither metadata nor options give the
            preprocessing.
        EmbeddingError: If the output is no vector per crop.
    """
    path = Path(model)
    if not path.exists():
        raise ConfigError(f"model: {model} is neither a file nor a folder")
    if found := _find_file(path, ".onnx"):
        loaded = _onnx(found, device)
    elif found := _find_file(path, ".xml"):
        loaded = _openvino(found)
    else:
        loaded = _autobackend(path, device)
    ours = stored_recipe(model, loaded.metadata)
    preprocessing = options.over(_preprocessing(model, loaded, ours, options))
    _check_size(model, loaded, preprocessing)
    return CropEmbedder(
        loaded.network(preprocessing),
        preprocessing,
        name=_name(ours, path),
        flip=options.flip,
        raw=loaded.raw,
        dim=ours.get("dim"),
    )


def _find_file(path: Path, suffix: str) -> Path | None:
    if path.is_file():
        return path if path.suffix == suffix else None
    return next(iter(sorted(path.glob(f"*{suffix}"))), None)


def _name(ours: dict[str, Any], path: Path) -> str:
    """Name for the fingerprint: exports at full precision share the PyTorch model's, as their vectors are equal."""
    if not ours:
        # Weights may be in other files: OpenVINO's .bin, or ONNX's external data.
        beside = f"{escape(path.stem)}.*" if path.suffix == ".xml" else f"{escape(path.name)}*"
        files = path.rglob("*") if path.is_dir() else path.parent.glob(beside)
        return f"exported:{digest(*sorted(f for f in files if f.is_file()))}"
    return str(ours["name"]) if ours["precision"] == FULL_PRECISION else f"{ours['name']}:{ours['precision']}"


def _preprocessing(model: str, loaded: _Model, ours: dict[str, Any], options: CropOptions) -> Preprocessing:
    """Preprocessing from a model's metadata; ConfigError where neither it nor the options define one."""
    if ours:
        return preprocessing_of(ours)
    is_ultralytics = bool(_ULTRALYTICS_KEYS & loaded.metadata.keys())
    height, width = image_size(model, loaded.metadata) if is_ultralytics else (0, 0)
    height, width = loaded.height or height, loaded.width or width
    if not ((height or options.height) and (width or options.width)):
        raise ConfigError(f"model: {model} doesn't record its crop size; set crop_height and crop_width")
    if not is_ultralytics:
        _check_colors(model, options)
    mean, std = NORMALIZATIONS["unit"]
    return Preprocessing(height=height, width=width, mean=mean, std=std)


def _check_colors(model: str, options: CropOptions) -> None:
    """Refuse to guess: of values of 0-255, some models take red first, others blue."""
    if options.normalize == AUTO_OPTION:
        *others, last = NORMALIZATIONS
        choices = f"{', '.join(others)} or {last}"
        raise ConfigError(f"model: {model} doesn't record its normalization; set normalize to {choices}")
    if options.normalize == "none" and options.channels == AUTO_OPTION:
        choices = " or ".join(CHANNELS)
        raise ConfigError(
            f"model: {model} doesn't record the order of its colors; with normalize: none, set channels to {choices}"
        )


def _check_size(model: str, loaded: _Model, preprocessing: Preprocessing) -> None:
    for side in ("height", "width"):
        fixed, given = getattr(loaded, side), getattr(preprocessing, side)
        if fixed and fixed != given:
            raise ConfigError(f"model: {model} takes crops of {side} {fixed}, but crop_{side} is {given}")


def _onnx(path: Path, device: Any) -> _Model:
    need("onnxruntime", "onnx", path)
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=_providers(onnxruntime, device))
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
        raise ConfigError(f"model: {path} can't be read as ONNX: {error}") from error
    first = session.get_inputs()[0]
    takes = _input_of(path, first.shape, len(session.get_outputs()))
    half = first.type == "tensor(float16)"

    def run(crops: Floats) -> Floats:
        laid_out = np.ascontiguousarray(crops.transpose(0, 2, 3, 1)) if takes.channels_last else crops
        return np.asarray(session.run(None, {first.name: laid_out.astype(np.float16) if half else laid_out})[0])

    metadata = dict(session.get_modelmeta().custom_metadata_map)
    encode = _in_batches_of(takes.batch, run) if takes.batch else run
    return _Model(lambda _: encode, False, takes.height, takes.width, metadata)


def _providers(onnxruntime: Any, device: Any) -> list[Any]:
    from ultralytics.utils import LOGGER

    where = torch_device(device)
    if where.type != "cuda":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        LOGGER.warning("the ONNX encoder runs on the CPU: this onnxruntime has no CUDA; pip install onnxruntime-gpu")
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"device_id": where.index or 0}), "CPUExecutionProvider"]


def _openvino(path: Path) -> _Model:
    need("openvino", "openvino", path)
    import openvino

    core = openvino.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise ConfigError(f"model: {path} can't be read as OpenVINO: {error}") from error
    shape = [d.get_length() if d.is_static else 0 for d in model.input(0).partial_shape]
    takes = _input_of(path, shape, len(model.outputs))
    beside = path.parent / "metadata.yaml"
    metadata = _yaml_metadata(beside) if beside.exists() else {}
    if model.has_rt_info(METADATA):
        metadata[METADATA] = model.get_rt_info(METADATA).astype(str)
    settings = _openvino_settings(openvino, stored_recipe(str(path), metadata))

    def network(preprocessing: Preprocessing) -> Callable[[ImageArray], Floats]:
        whole = _normalizing(model, preprocessing, takes)
        size = preprocessing.height, preprocessing.width

        def compiled(count: int) -> Callable[[ImageArray], Floats]:
            whole.reshape((count, *size, _COLORS))
            compiled_model = core.compile_model(whole, "CPU", settings)
            return lambda crops: np.asarray(compiled_model(crops)[0])

        # Compiled at once, not during the video.
        if not takes.batch:
            return _by_powers_of_two({count: compiled(count) for count in _BATCH_SIZES})
        # Of any batch size at once: an INT8 model takes a second per size to compile, and gains at most 15 % by it.
        reshaped = _takes_any_batch(whole, size)
        return compiled(_ANY) if reshaped else _in_batches_of(takes.batch, compiled(takes.batch))

    return _Model(network, True, takes.height, takes.width, metadata)


def _takes_any_batch(model: Any, size: tuple[int, int]) -> bool:
    """Whether a model of fixed batch size can be reshaped; one with the size in its graph, as a constant, can't."""
    trial = model.clone()
    try:
        trial.reshape((_OTHER_BATCH, *size, _COLORS))
    except RuntimeError:
        return False
    first = trial.output(0).partial_shape[0]
    return not first.is_static or bool(first.get_length() == _OTHER_BATCH)


def _normalizing(model: Any, preprocessing: Preprocessing, takes: _Input) -> Any:
    """Add the normalization to a model, so that OpenVINO applies it while reading the input."""
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat, PrePostProcessor

    whole = PrePostProcessor(model)
    whole.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps = whole.input().preprocess().convert_element_type(Type.f32)
    if not preprocessing.is_bgr:
        steps.convert_color(ColorFormat.RGB)
    mean, std = preprocessing.in_order(preprocessing.mean), preprocessing.in_order(preprocessing.std)
    steps.mean([255 * v for v in mean]).scale([255 * v for v in std])
    whole.input().model().set_layout(Layout("NHWC" if takes.channels_last else "NCHW"))
    return whole.build()


def _yaml_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata beside an OpenVINO model of Ultralytics'."""
    import yaml
    from ultralytics.utils import YAML

    try:
        content = YAML.load(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"model: the metadata {path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"model: the metadata {path} must be keys with values, got {content!r:.100}")
    return content


def _openvino_settings(openvino: Any, ours: dict[str, Any]) -> dict[str, Any]:
    """Latency mode on as many threads as torch; 16-bit computation only for models exported with 16 bits."""
    full = ours.get("precision", FULL_PRECISION) == FULL_PRECISION
    exact = {"INFERENCE_PRECISION_HINT": openvino.Type.f32} if full else {}
    return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": _threads(), **exact}


def _autobackend(path: Path, device: Any) -> _Model:
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    where = torch_device(device)
    try:
        backend = AutoBackend(str(path), device=where, verbose=False)
    # The last four are of odd metadata, which the host converts without a check.
    except (TypeError, ImportError, RuntimeError, OSError, KeyError, ValueError, AttributeError, SyntaxError) as error:
        raise ConfigError(f"model: {path} can't be loaded by Ultralytics: {error!r}") from error

    def run(crops: Floats) -> Any:
        try:
            with torch.inference_mode():
                return backend(torch.from_numpy(crops).to(where))
        except (RuntimeError, AssertionError) as error:
            shape = crops.shape
            raise EmbeddingError(
                f"{path} can't take {shape}; was it exported for another crop size, or a fixed batch?"
            ) from error

    return _Model(lambda _: run, metadata=dict(backend.metadata))


def _threads() -> int:
    """Number of threads: the limit set for torch holds for the other runtimes too."""
    import torch

    return torch.get_num_threads()


def _input_of(path: Path, shape: list[Any], outputs: int) -> _Input:
    """Check an encoder's input; the axis of three is that of the channels, the second where there are several."""
    if outputs != 1:
        raise EmbeddingError(f"{path} has {outputs} outputs, an encoder has one; is it a detector?")
    if len(shape) != _INPUT_DIMS:
        raise EmbeddingError(f"{path} must take images, (N, 3, H, W) or (N, H, W, 3), but takes {shape}")
    batch, *sides = (n if isinstance(n, int) and n > 0 else 0 for n in shape)
    channels_last = sides[0] != _COLORS and sides[-1] == _COLORS
    height, width = sides[:2] if channels_last else sides[1:]
    return _Input(batch, height, width, channels_last)


def _in_batches_of(size: int, run: Callable[[_Crops], Floats]) -> Callable[[_Crops], Floats]:
    """Run a network of a fixed batch size on any number of crops, with the last batch padded."""

    def padded(crops: _Crops) -> Floats:
        missing = np.zeros((-len(crops) % size, *crops.shape[1:]), crops.dtype)
        parts = np.split(np.concatenate([crops, missing]), range(size, len(crops), size))
        return np.concatenate([run(part) for part in parts])[: len(crops)]

    return padded


def _by_powers_of_two(networks: Mapping[int, Callable[[_Crops], Floats]]) -> Callable[[_Crops], Floats]:
    """Run networks compiled for fixed batch sizes, up to a third faster than one of dynamic size.

    Compiling one takes a third of a second, so there are few; beyond a batch of 16 nothing is gained.
    """

    def split(crops: _Crops) -> Floats:
        full, rest = divmod(len(crops), _BATCH_SIZES[-1])
        sizes = [_BATCH_SIZES[-1]] * full + [n for n in reversed(_BATCH_SIZES) if rest & n]
        parts = np.split(crops, np.cumsum(sizes)[:-1])
        return np.concatenate([networks[len(part)](part) for part in parts])

    return split
