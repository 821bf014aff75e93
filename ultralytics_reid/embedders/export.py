"""Export torchreid models to ONNX and OpenVINO, and compare the result with PyTorch.

Precision is full, or 16 bits for the weights and, in OpenVINO, for the computation where the processor supports it:
1.5 times as fast with AVX512-BF16. INT8 is not offered: with nncf 3.4, OSNet x0.25 and 400 crops of PETS, the lowest
cosine to PyTorch is 0.86 (median 0.987), 0.89 without the first, last and depthwise layers, at the speed of 16 bits.
ONNX Runtime's dynamic quantization covers matrix products, which such networks hardly have.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import Floats, ImageArray, as_floats, as_pixels
from ..appearance.embedding import unit
from ..errors import ConfigError, EmbeddingError
from .crops import NOTHING_ELSE, Preprocessing, Regions, crop
from .encoder import CropEmbedder
from .exported import exported
from .head import LinearHead, load_head
from .host import HOST_ERRORS, load_detector
from .metadata import FULL_PRECISION, METADATA
from .torchreid import TorchReID
from .whole_images import whole

# How the name of an export ends, by format.
_ENDINGS = {"onnx": ".onnx", "openvino": "_openvino_model"}
FORMATS = tuple(_ENDINGS)
# Minimum cosine of each crop's embedding to PyTorch's, by precision.
MIN_COSINE = {FULL_PRECISION: 0.999, "fp16": 0.98}

_OPSET = 17
# Maximum number of real crops, number of synthetic ones; maximum number of frames of a video.
_MAX_CROPS, _SYNTHETIC_CROPS = 256, 32
_MAX_FRAMES = 60
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
# Arguments of the detector's predictions.
_QUIET: dict[str, Any] = {"verbose": False, "device": "cpu"}
# The name that the host's TensorRT backend expects.
_INPUT = "images"


@dataclass(frozen=True)
class Export:
    """An exported model, with its accuracy.

    Attributes:
        path: The `.onnx` file or OpenVINO folder, for a tracker YAML's `model`.
        lowest: Lowest cosine between a crop's embedding and PyTorch's.
        median: Median of these cosines.
        crops: Number of crops.
        real: Whether the crops were real rather than synthetic.
    """

    path: Path
    lowest: float
    median: float
    crops: int
    real: bool


def export(
    model: str,
    weights: str,
    *,
    kind: str = "openvino",
    half: bool = False,
    crops: Path | None = None,
    detector: str = "yolo11n.pt",
    head: str = "",
    out: Path = Path(),
    overwrite: bool = False,
) -> Export:
    """Export a torchreid model with a dynamic batch size.

    The file's metadata holds name, weights' hash, crop size, normalization and dimension. The output is written
    atomically, after the comparison with PyTorch.

    Args:
        model: Name of the torchreid architecture.
        weights: Path of a state dict; empty for torchreid's own download.
        kind: "onnx" or "openvino".
        half: Whether to store 16-bit weights.
        crops: Crops to compare on: a folder of crop images, or a video whose people a detector finds; None for
            synthetic crops.
        detector: YOLO model that detects the people.
        head: Path of a head of `ultralytics-reid train`, which becomes part of the model; empty for none.
        out: Output folder; created if missing.
        overwrite: Whether to replace an existing export.

    Raises:
        ConfigError: If a package, the weights, the head, the crops or the detector are missing or can't be used, the
            head is another embedder's, the export exists and may not be replaced, or it can't be written.
        EmbeddingError: If the exported model's embeddings differ too much from PyTorch's.
    """
    _check_packages(kind)
    target = out / f"{_stem(model, weights, head)}{_ENDINGS[kind]}"
    _check_free(target, overwrite=overwrite)
    original: CropEmbedder = TorchReID(model, weights, "cpu")
    net = original.net  # type: ignore[attr-defined]
    if head:
        original, net = _with_head(original, net, load_head(head))
    size = original.preprocessing
    samples = _real_crops(crops, size, detector) if crops else _synthetic_crops(size)
    precision = "fp16" if half else FULL_PRECISION
    with _made(out) as folder:
        path = _write(_Source(original, net), Path(folder) / target.name, kind, precision)
        cosines = _compare(original, path, samples, MIN_COSINE[precision])
        final = _replace(target, path)
    return Export(final, float(cosines.min()), float(np.median(cosines)), len(samples), crops is not None)


def _stem(model: str, weights: str, head: str) -> str:
    """Name of an export without its ending; with "reid" in it, by which `family_of` knows it, unless of ImageNet."""
    if head:
        return f"{Path(head).stem}_reid"
    return f"{Path(weights).stem.removesuffix('_reid')}_reid" if weights else f"{model}_imagenet"


def _check_free(target: Path, *, overwrite: bool) -> None:
    """Refuse, before any slow work, a file as the folder, and an existing export."""
    if target.parent.exists() and not target.parent.is_dir():
        raise ConfigError(f"--out must be a folder, got {target.parent}")
    if target.exists() and not overwrite:
        raise ConfigError(f"--out {target.parent} already has {target.name}: choose another folder, or --overwrite")


def _made(out: Path) -> tempfile.TemporaryDirectory[str]:
    """Make the output folder, and one in it for what isn't complete yet."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=out, prefix=".export-")
    except OSError as error:
        raise ConfigError(f"--out {out} can't be written to: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Source:
    """What is exported: an embedder, and its network."""

    embedder: CropEmbedder
    net: Any


def _with_head(original: CropEmbedder, net: Any, head: LinearHead) -> tuple[CropEmbedder, Any]:
    """Make the head part of a network; the result has the fingerprint of the embedder with this head."""
    import torch

    head.check_base(original.fingerprint)
    layer = torch.nn.Linear(*head.matrix.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.matrix.T.copy()))
        layer.bias.copy_(torch.from_numpy(-head.center @ head.matrix))
    whole = torch.nn.Sequential(net, _unit_rows(), layer).eval()

    def encode(batch: Floats) -> Floats:
        with torch.inference_mode():
            return as_floats(whole(torch.from_numpy(batch)).numpy())

    return CropEmbedder(encode, original.preprocessing, name=head.over(original.name)), whole


def _unit_rows() -> Any:
    import torch

    class UnitRows(torch.nn.Module):
        """Scale rows to norm 1."""

        def forward(self, rows: Any) -> Any:
            return torch.nn.functional.normalize(rows, dim=1)

    return UnitRows()


def _check_packages(kind: str) -> None:
    if kind not in FORMATS:
        raise ConfigError(f"format must be {' or '.join(FORMATS)}, got {kind!r}")
    missing = [p for p in (("onnx", "onnxruntime") if kind == "onnx" else ("openvino",)) if find_spec(p) is None]
    if missing:
        raise ConfigError(f"to export to {kind}, {missing[0]} is missing; pip install '.[{kind}]' in the checkout")


def _compare(original: CropEmbedder, path: Path, crops: ImageArray, min_cosine: float) -> Floats:
    """Cosine between each crop's embedding and PyTorch's, `(N,)`; EmbeddingError if one is below `min_cosine`."""
    ours = exported(str(path), "cpu", NOTHING_ELSE)
    cosines = as_floats((unit(original.encode(crops)) * unit(ours.encode(crops))).sum(axis=1))
    if not cosines.min() >= min_cosine:
        found = f"lowest cosine {cosines.min():.4f} on {len(crops)} crops"
        raise EmbeddingError(f"{path.name} is too far from PyTorch: {found}, required {min_cosine}")
    return cosines


def _replace(target: Path, new: Path) -> Path:
    """Put a new file or folder in the place of an old one."""
    if target.is_dir():
        shutil.rmtree(target)
    return new.replace(target)


def _write(source: _Source, path: Path, kind: str, precision: str) -> Path:
    original = source.embedder
    metadata = asdict(original.preprocessing)
    metadata |= {"name": original.name, "dim": original.dim, "precision": precision}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' own deprecation warnings
        return (_write_onnx if kind == "onnx" else _write_openvino)(source, path, precision, json.dumps(metadata))


def _write_onnx(source: _Source, path: Path, precision: str, metadata: str) -> Path:
    import onnx
    import torch

    # The newer exporter needs another package, for the same graph.
    torch.onnx.export(
        source.net,
        (_example(source.embedder),),
        path,
        input_names=[_INPUT],
        output_names=["embeddings"],
        opset_version=_OPSET,
        dynamo=False,
        dynamic_axes={_INPUT: {0: "crops"}, "embeddings": {0: "crops"}},
    )
    model = onnx.load(path)
    if precision != FULL_PRECISION:
        from onnxruntime.transformers.float16 import convert_float_to_float16

        model = convert_float_to_float16(model, keep_io_types=True)
    onnx.helper.set_model_props(model, {METADATA: metadata})
    onnx.save(model, path)
    return path


def _write_openvino(source: _Source, folder: Path, precision: str, metadata: str) -> Path:
    import openvino

    example = _example(source.embedder)
    model = openvino.convert_model(source.net, example_input=example, input=[-1, *example.shape[1:]])
    model.set_rt_info(metadata, METADATA)
    folder.mkdir()
    file = folder / f"{folder.name.removesuffix(_ENDINGS['openvino'])}.xml"
    openvino.save_model(model, file, compress_to_fp16=precision != FULL_PRECISION)
    return folder


def _example(original: CropEmbedder) -> Any:
    import torch

    return torch.zeros(2, 3, original.preprocessing.height, original.preprocessing.width)


def _synthetic_crops(preprocessing: Preprocessing) -> ImageArray:
    """Crops of smooth random colors, `(N, height, width, 3)` uint8."""
    import cv2

    patches = np.random.default_rng(0).integers(0, 256, (_SYNTHETIC_CROPS, 8, 4, 3), np.uint8)
    size = preprocessing.width, preprocessing.height
    return np.array([cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in patches])


def _real_crops(source: Path, preprocessing: Preprocessing, detector: str) -> ImageArray:
    if not source.exists():
        raise ConfigError(f"crops: {source} is neither a folder nor a video")
    found = (
        _crops_of_folder(source, preprocessing) if source.is_dir() else _crops_of_video(source, preprocessing, detector)
    )
    if not found:
        raise ConfigError(f"crops: {source} contains none")
    return np.concatenate(found)[:_MAX_CROPS]


def _crops_of_folder(folder: Path, preprocessing: Preprocessing) -> list[ImageArray]:
    import cv2

    files = (f for f in sorted(folder.iterdir()) if f.suffix.lower() in _IMAGE_SUFFIXES)
    images = [p for f in islice(files, _MAX_CROPS) if (p := cv2.imread(str(f))) is not None]
    return [crop(as_pixels(p), whole(p), preprocessing)[0] for p in images]


def _crops_of_video(video: Path, preprocessing: Preprocessing, detector: str) -> list[ImageArray]:
    import cv2

    model = load_detector(detector, "--detector")
    frames = int(cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT))
    results = model.predict(video, stream=True, vid_stride=max(1, frames // _MAX_FRAMES), classes=[0], **_QUIET)
    boxes = ((r.orig_img, Regions(r.boxes.xyxy.cpu().numpy())) for r in _readable(islice(results, _MAX_FRAMES), video))
    return [crop(image, regions, preprocessing)[0] for image, regions in boxes if len(regions)]


def _readable(results: Iterator[Any], video: Path) -> Iterator[Any]:
    try:
        yield from results
    except HOST_ERRORS as error:
        raise ConfigError(f"crops: {video} is neither a folder nor a video that can be read: {_line(error)}") from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
