"""Exported encoders: ONNX and OpenVINO by their own runtimes, TorchScript, TensorRT and others by the host's.

The host's `AutoBackend` could run all of them, but takes a model of unknown origin for a detector of 640 x 640 in a
batch of one, tells nothing of its input's shape, installs missing packages by itself, and leaves ONNX Runtime with its
own idea of threads, which fight torch's. The two runtimes that matter on a CPU are a few lines each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .._typing import Floats, ImageArray
from ..errors import ConfigError, EmbeddingError
from .crops import NORMALIZATIONS, CropOptions, Preprocessing
from .encoder import CropEmbedder, digest, need

_Crops = TypeVar("_Crops", Floats, ImageArray)

METADATA = "ultralytics_reid"
FULL_PRECISION = "fp32"

# Keys that Ultralytics leaves in whatever it exports; its networks take crops in [0, 1].
_OF_ULTRALYTICS = frozenset({"stride", "names", "task"})
_IMAGES = 4  # (N, 3, H, W)
_POWERS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class _Model:
    """A loaded file.

    Attributes:
        network: Makes of what crops are like what takes any number of them.
        raw: Whether that normalizes by itself.
        height: Of its input, pixels; 0 where it takes any.
        width: Of its input, pixels; 0 where it takes any.
        metadata: What the file says of itself, by key.
    """

    network: Callable[[Preprocessing], Callable[[Any], Any]]
    raw: bool = False
    height: int = 0
    width: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


def exported(model: str, device: Any, options: CropOptions) -> CropEmbedder:
    """Load an exported encoder.

    Args:
        model: Path of a `.onnx` or `.xml` file, of a folder with one, or of what else the host's `AutoBackend` takes.
        device: Torch device, or None for the default. OpenVINO always runs on the CPU.
        options: What the tracker YAML says of crops.

    Returns:
        The embedder. Crops are as the model's metadata says, for models that `ultralytics-reid export` made, or that
        Ultralytics did; for others as the options do.

    Raises:
        ConfigError: If the file or its runtime is missing, or nobody says what crops it takes.
        EmbeddingError: If it gives no vectors.
    """
    path = Path(model)
    if not path.exists():
        raise ConfigError(f"model: {model} is neither a file nor a folder")
    if found := _inside(path, ".onnx"):
        loaded = _onnx(found, device)
    elif found := _inside(path, ".xml"):
        loaded = _openvino(found)
    else:
        loaded = _autobackend(path, device)
    ours = _ours(loaded)
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


def _inside(path: Path, suffix: str) -> Path | None:
    if path.is_file():
        return path if path.suffix == suffix else None
    return next(iter(sorted(path.glob(f"*{suffix}"))), None)


def _ours(model: _Model) -> dict[str, Any]:
    said = model.metadata.get(METADATA)
    return json.loads(said) if said else {}


def _name(ours: dict[str, Any], path: Path) -> str:
    """The PyTorch model's, where it is known: an export at full precision gives the same vectors."""
    if not ours:
        # The weights may lie beside: in a .bin, or in what ONNX calls external data.
        beside = f"{escape(path.stem)}.*" if path.suffix == ".xml" else f"{escape(path.name)}*"
        files = path.rglob("*") if path.is_dir() else path.parent.glob(beside)
        return f"exported:{digest(*sorted(f for f in files if f.is_file()))}"
    precision = ours.get("precision", FULL_PRECISION)
    return str(ours["name"]) if precision == FULL_PRECISION else f"{ours['name']}:{precision}"


def _preprocessing(model: str, loaded: _Model, ours: dict[str, Any], options: CropOptions) -> Preprocessing:
    """What a model says of its crops; where it doesn't, and nobody else, an error rather than a guess."""
    if ours:
        sides = {k: ours[k] for k in ("height", "width")}
        return Preprocessing(**sides, mean=tuple(ours["mean"]), std=tuple(ours["std"]))
    of_ultralytics = bool(_OF_ULTRALYTICS & loaded.metadata.keys())
    height, width = _imgsz(loaded.metadata) if of_ultralytics else (0, 0)
    height, width = loaded.height or height, loaded.width or width
    if not ((height or options.height) and (width or options.width)):
        raise ConfigError(f"model: {model} doesn't say how large its crops are; set crop_height and crop_width")
    if options.normalize == "auto" and not of_ultralytics:
        choices = " or ".join(NORMALIZATIONS)
        raise ConfigError(f"model: {model} doesn't say how its input is normalized; set normalize to {choices}")
    mean, std = NORMALIZATIONS["unit"]
    return Preprocessing(height=height, width=width, mean=mean, std=std)


def _imgsz(metadata: dict[str, Any]) -> tuple[int, int]:
    imgsz = metadata.get("imgsz", 0)
    sides = json.loads(imgsz) if isinstance(imgsz, str) else imgsz
    height, width = sides if isinstance(sides, list | tuple) else (sides, sides)
    return int(height), int(width)


def _check_size(model: str, loaded: _Model, preprocessing: Preprocessing) -> None:
    for side in ("height", "width"):
        fixed, asked = getattr(loaded, side), getattr(preprocessing, side)
        if fixed and fixed != asked:
            raise ConfigError(f"model: {model} takes crops of {side} {fixed}, and crop_{side} is {asked}")


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
    batch, height, width = _input_shape(path, first.shape, len(session.get_outputs()))
    half = first.type == "tensor(float16)"

    def run(crops: Floats) -> Floats:
        return np.asarray(session.run(None, {first.name: crops.astype(np.float16) if half else crops})[0])

    metadata = dict(session.get_modelmeta().custom_metadata_map)
    encode = _in_batches_of(batch, run) if batch else run
    return _Model(lambda _: encode, False, height, width, metadata)


def _providers(onnxruntime: Any, device: Any) -> list[Any]:
    import torch
    from ultralytics.utils import LOGGER

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type != "cuda":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        LOGGER.warning("the ONNX encoder runs on the CPU: this onnxruntime has no CUDA; pip install onnxruntime-gpu")
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"device_id": where.index or 0}), "CPUExecutionProvider"]


def _openvino(path: Path) -> _Model:
    need("openvino", "openvino", path)
    import openvino
    from ultralytics.utils import YAML

    core = openvino.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise ConfigError(f"model: {path} can't be read as OpenVINO: {error}") from error
    shape = [d.get_length() if d.is_static else 0 for d in model.input(0).partial_shape]
    batch, height, width = _input_shape(path, shape, len(model.outputs))
    beside = path.parent / "metadata.yaml"
    metadata = YAML.load(beside) if beside.exists() else {}
    if model.has_rt_info(METADATA):
        metadata[METADATA] = model.get_rt_info(METADATA).astype(str)
    settings = _openvino_settings(openvino, metadata)

    def network(preprocessing: Preprocessing) -> Callable[[ImageArray], Floats]:
        whole = _normalizing(model, preprocessing)

        def compiled(size: int) -> Any:
            whole.reshape((size, preprocessing.height, preprocessing.width, 3))
            return core.compile_model(whole, "CPU", settings)

        # All at once, or the first crowd would have to wait for it.
        networks = {size: compiled(size) for size in ([batch] if batch else _POWERS)}

        def run(crops: ImageArray) -> Floats:
            return np.asarray(networks[len(crops)](crops)[0])

        return _in_batches_of(batch, run) if batch else _by_powers_of_two(run)

    return _Model(network, True, height, width, metadata)


def _normalizing(model: Any, preprocessing: Preprocessing) -> Any:
    """A model with the crops' normalization in it, where OpenVINO does it while it reads them."""
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat, PrePostProcessor

    whole = PrePostProcessor(model)
    whole.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps = whole.input().preprocess().convert_element_type(Type.f32).convert_color(ColorFormat.RGB)
    steps.mean([255 * v for v in preprocessing.mean]).scale([255 * v for v in preprocessing.std])
    whole.input().model().set_layout(Layout("NCHW"))
    return whole.build()


def _openvino_settings(openvino: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    """One batch at a time, on as many threads as torch; in 16 bits only if the model was exported for that."""
    said = json.loads(metadata.get(METADATA, "{}"))
    exact = {"INFERENCE_PRECISION_HINT": openvino.Type.f32} if said.get("precision") in (None, FULL_PRECISION) else {}
    return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": _threads(), **exact}


def _autobackend(path: Path, device: Any) -> _Model:
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        backend = AutoBackend(str(path), device=where, verbose=False)
    except (TypeError, ImportError, RuntimeError, OSError) as error:
        raise ConfigError(f"model: {path} can't be loaded by Ultralytics: {error}") from error

    def run(crops: Floats) -> Any:
        try:
            with torch.inference_mode():
                return backend(torch.from_numpy(crops).to(where))
        except (RuntimeError, AssertionError) as error:
            shape = crops.shape
            raise EmbeddingError(
                f"{path} can't take {shape}; was it exported for other crops, or a fixed batch?"
            ) from error

    return _Model(lambda _: run, metadata=dict(backend.metadata))


def _threads() -> int:
    """As many as torch takes: whoever limits one means all."""
    import torch

    return torch.get_num_threads()


def _input_shape(path: Path, shape: list[Any], outputs: int) -> tuple[int, int, int]:
    """Batch, height and width, 0 where any will do, of an encoder's input."""
    if outputs != 1:
        raise EmbeddingError(f"{path} has {outputs} outputs, and an encoder has one; is it a detector?")
    if len(shape) != _IMAGES:
        raise EmbeddingError(f"{path} takes no images, (N, 3, H, W), but {shape}")
    batch, _, height, width = (n if isinstance(n, int) and n > 0 else 0 for n in shape)
    return batch, height, width


def _in_batches_of(size: int, run: Callable[[_Crops], Floats]) -> Callable[[_Crops], Floats]:
    """A network of a fixed batch, for any: what is missing of the last one is filled up."""

    def padded(crops: _Crops) -> Floats:
        missing = np.zeros((-len(crops) % size, *crops.shape[1:]), crops.dtype)
        parts = np.split(np.concatenate([crops, missing]), range(size, len(crops), size))
        return np.concatenate([run(part) for part in parts])[: len(crops)]

    return padded


def _by_powers_of_two(run: Callable[[_Crops], Floats]) -> Callable[[_Crops], Floats]:
    """A network that is made for a size of batch: it is up to a third faster than one for any.

    Making one takes a third of a second, so there are few, and none larger than 16, beyond which nothing is gained.
    """

    def split(crops: _Crops) -> Floats:
        most, rest = divmod(len(crops), _POWERS[-1])
        sizes = [_POWERS[-1]] * most + [n for n in reversed(_POWERS) if rest & n]
        return np.concatenate([run(part) for part in np.split(crops, np.cumsum(sizes)[:-1])])

    return split
