"""torchreid models to ONNX and OpenVINO, compared with PyTorch before anybody sees them.

At full precision, or with 16-bit weights, which OpenVINO then also computes in where the processor can: half as fast
again on AVX512-BF16. There is no INT8: measured with nncf 3.4 on OSNet x0.25 and 400 crops of PETS, some crops fall to
a cosine of 0.86 to PyTorch (median 0.987), 0.89 with the first, the last and the depthwise layers left out, and it is
no faster than 16 bits. ONNX Runtime's dynamic quantization is for matrix products, and such a network has hardly any.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import Floats, ImageArray
from ..appearance.embedding import unit
from ..errors import ConfigError, EmbeddingError
from .crops import NOTHING_ELSE, Preprocessing, Regions, crop
from .exported import FULL_PRECISION, METADATA, exported
from .torchreid import TorchReID

FORMATS = ("onnx", "openvino")
# The lowest cosine of any crop's embedding to PyTorch's.
MIN_COSINE = {FULL_PRECISION: 0.999, "fp16": 0.98}

_OPSET = 17
_CROPS, _MADE_UP = 256, 32
_FRAMES = 60
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
# Also what the host's TensorRT backend calls it.
_INPUT = "images"


@dataclass(frozen=True)
class Export:
    """An exported model, and how close it is.

    Attributes:
        path: The `.onnx` file or OpenVINO folder; a tracker YAML's `model`.
        lowest: Of the cosines to PyTorch's embeddings, one a crop.
        median: Of those.
        crops: How many there were.
        real: Whether they were crops of images, rather than made up.
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
    out: Path = Path(),
) -> Export:
    """Export a torchreid model, for any number of crops at a time.

    Its name, weights' hash, crops' size and normalization and its dimension go into the file. Nothing is left behind
    where it fails; what was there under the same name is replaced only by what has been checked.

    Args:
        model: torchreid's name of the architecture.
        weights: Path of a state dict; empty for torchreid's own download.
        kind: "onnx" or "openvino".
        half: 16-bit weights.
        crops: What to compare on: a folder with images of one object each, or a video, whose people a detector finds;
            None for made-up crops.
        detector: What finds them, a model of the host's.
        out: The folder to write to; made where it doesn't exist.

    Raises:
        ConfigError: If a package, the weights or the crops are missing.
        EmbeddingError: If the export's embeddings are too far from PyTorch's.
    """
    _need(kind)
    original = TorchReID(model, weights, "cpu")
    seen = _real_crops(crops, original.preprocessing, detector) if crops else _made_up(original.preprocessing)
    out.mkdir(parents=True, exist_ok=True)
    name = f"{Path(weights).stem.removesuffix('_reid')}_reid" if weights else f"{model}_imagenet"
    precision = "fp16" if half else FULL_PRECISION
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
        path = _write(original, Path(folder) / name, kind, precision)
        cosines = _compared(original, path, seen, MIN_COSINE[precision])
        final = _move(path, out / path.name)
    return Export(final, float(cosines.min()), float(np.median(cosines)), len(seen), crops is not None)


def _need(kind: str) -> None:
    if kind not in FORMATS:
        raise ConfigError(f"format must be {' or '.join(FORMATS)}, got {kind!r}")
    missing = [p for p in (("onnx", "onnxruntime") if kind == "onnx" else ("openvino",)) if find_spec(p) is None]
    if missing:
        raise ConfigError(f"to export to {kind}, {missing[0]} is missing; pip install 'ultralytics-reid[{kind}]'")


def _compared(original: TorchReID, path: Path, crops: ImageArray, least: float) -> Floats:
    """Cosines of an export's embeddings to PyTorch's, one a crop; EmbeddingError if one is below the least."""
    ours = exported(str(path), "cpu", NOTHING_ELSE)
    cosines = np.asarray((unit(original.encode(crops)) * unit(ours.encode(crops))).sum(axis=1), np.float32)
    if not cosines.min() >= least:
        found = f"lowest cosine {cosines.min():.4f} on {len(crops)} crops"
        raise EmbeddingError(f"{path.name} is too far from PyTorch: {found}, and {least} is asked")
    return cosines


def _move(made: Path, final: Path) -> Path:
    if final.is_dir():
        shutil.rmtree(final)
    return made.replace(final)


def _write(original: TorchReID, stem: Path, kind: str, precision: str) -> Path:
    said = asdict(original.preprocessing)
    said |= {"name": original.name, "dim": original.dim, "precision": precision}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exporters about themselves
        return (_write_onnx if kind == "onnx" else _write_openvino)(original, stem, precision, json.dumps(said))


def _write_onnx(original: TorchReID, stem: Path, precision: str, said: str) -> Path:
    import onnx
    import torch

    path = stem.with_suffix(".onnx")
    # The newer exporter would need one more package, for the same graph.
    torch.onnx.export(
        original.net,
        (_example(original),),
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
    onnx.helper.set_model_props(model, {METADATA: said})
    onnx.save(model, path)
    return path


def _write_openvino(original: TorchReID, stem: Path, precision: str, said: str) -> Path:
    import openvino

    example = _example(original)
    model = openvino.convert_model(original.net, example_input=example, input=[-1, *example.shape[1:]])
    model.set_rt_info(said, METADATA)
    folder = stem.with_name(f"{stem.name}_openvino_model")
    folder.mkdir()
    openvino.save_model(model, folder / f"{stem.name}.xml", compress_to_fp16=precision != FULL_PRECISION)
    return folder


def _example(original: TorchReID) -> Any:
    import torch

    return torch.zeros(2, 3, original.preprocessing.height, original.preprocessing.width)


def _made_up(preprocessing: Preprocessing) -> ImageArray:
    """Crops of colored patches, `(N, height, width, 3)`: unlike people, but like images."""
    import cv2

    patches = np.random.default_rng(0).integers(0, 256, (_MADE_UP, 8, 4, 3), np.uint8)
    size = preprocessing.width, preprocessing.height
    return np.array([cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in patches])


def _real_crops(source: Path, preprocessing: Preprocessing, detector: str) -> ImageArray:
    if not source.exists():
        raise ConfigError(f"crops: {source} is neither a folder nor a video")
    found = _images(source, preprocessing) if source.is_dir() else _people(source, preprocessing, detector)
    if not found:
        raise ConfigError(f"crops: there are none in {source}")
    return np.concatenate(found)[:_CROPS]


def _images(folder: Path, preprocessing: Preprocessing) -> list[ImageArray]:
    import cv2

    files = (f for f in sorted(folder.iterdir()) if f.suffix.lower() in _IMAGES)
    images = [p for f in islice(files, _CROPS) if (p := cv2.imread(str(f))) is not None]
    whole = [Regions(np.array([[0, 0, p.shape[1], p.shape[0]]], np.float32)) for p in images]
    return [crop(p, w, preprocessing)[0] for p, w in zip(images, whole, strict=True)]


def _people(video: Path, preprocessing: Preprocessing, detector: str) -> list[ImageArray]:
    import cv2
    from ultralytics import YOLO

    frames = int(cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT))
    results = YOLO(detector).predict(
        video, stream=True, vid_stride=max(1, frames // _FRAMES), classes=[0], verbose=False, device="cpu"
    )
    boxes = ((r.orig_img, Regions(r.boxes.xyxy.cpu().numpy())) for r in islice(results, _FRAMES))
    return [crop(image, regions, preprocessing)[0] for image, regions in boxes if len(regions)]
