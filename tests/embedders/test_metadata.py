"""Metadata of exported encoders, which is data: odd values are refused by name."""

import json

import pytest

from ultralytics_reid.embedders.crops import Preprocessing
from ultralytics_reid.embedders.metadata import METADATA, image_size, preprocessing_of, stored_recipe
from ultralytics_reid.errors import ConfigError

GOOD = {
    "name": "osnet:abc",
    "precision": "fp32",
    "height": 256,
    "width": 128,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.2, 0.2, 0.2],
    "channels": "bgr",
    "dim": 512,
}
NAN, INF = float("nan"), float("inf")
ODD = {
    "name": ["", None, 7, "x" * 5000],
    "precision": ["", 16],
    "height": [0, -1, 10**9, "256", None, True, 2.5],
    "width": [[128], NAN],
    "mean": [None, [0.5], [0.5, 0.5, NAN], "abc", {"r": 1}],
    "std": [[0, 0, 0], [0.2, 0.2, INF], [0.2, 0.2, -1], [0.2, 0.2, "x"], [True, 1, 1]],
    "channels": ["grb", None, 3, ["rgb"]],
    "dim": [0, -3, "512", 1e300],
}


def test_what_our_export_records_is_read():
    stored = stored_recipe("m.onnx", {METADATA: json.dumps(GOOD)})
    assert stored == GOOD
    colors = {"mean": (0.5,) * 3, "std": (0.2,) * 3, "channels": "bgr"}
    assert preprocessing_of(stored) == Preprocessing(height=256, width=128, **colors)


def test_exports_without_channels_take_red_first():
    old = {key: value for key, value in GOOD.items() if key != "channels"}
    assert preprocessing_of(stored_recipe("m.onnx", {METADATA: json.dumps(old)})).channels == "rgb"


def test_files_of_others_have_no_recipe():
    assert stored_recipe("m.onnx", {"stride": "32"}) == {}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ODD.items() for value in values])
def test_an_odd_value_is_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=f"metadata of m.onnx can't be used: '{key}' must be"):
        stored_recipe("m.onnx", {METADATA: json.dumps(GOOD | {key: value})})


@pytest.mark.parametrize("key", ["name", "height", "width", "mean", "std"])
def test_a_missing_value_is_refused_by_name(key):
    with pytest.raises(ConfigError, match=f"'{key}' must be"):
        stored_recipe("m.onnx", {METADATA: json.dumps({k: v for k, v in GOOD.items() if k != key})})


@pytest.mark.parametrize("text", ["{", "[1]", "3", "[" * 100_000, b"\xff", 7])
def test_a_recipe_that_is_no_json_object_is_refused(text):
    with pytest.raises(ConfigError, match="must be"):
        stored_recipe("m.onnx", {METADATA: text})


@pytest.mark.parametrize(
    ("imgsz", "size"), [("[64, 32]", (64, 32)), ([64, 32], (64, 32)), (64, (64, 64)), ("64", (64, 64)), (None, None)]
)
def test_sizes_of_ultralytics_exports(imgsz, size):
    assert image_size("m.onnx", {} if imgsz is None else {"imgsz": imgsz}) == (size or (0, 0))


@pytest.mark.parametrize("imgsz", ["x", "[1, 2, 3]", [], {}, -1, 1e9, "[64, null]", [64, "32"], NAN])
def test_an_odd_size_is_refused(imgsz):
    with pytest.raises(ConfigError, match="'imgsz' must be"):
        image_size("m.onnx", {"imgsz": imgsz})


@pytest.mark.extras
@pytest.mark.parametrize("text", ["- a list", "stride: [", "text"])
def test_an_odd_yaml_beside_an_openvino_model_is_named(tmp_path, text):
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as ops

    from ultralytics_reid.embedders import build_embedder
    from ultralytics_reid.embedders.crops import CropOptions

    image = ops.parameter([1, 3, 64, 32], name="x")
    openvino.save_model(openvino.Model([ops.reduce_mean(image, [2, 3])], [image]), tmp_path / "m.xml")
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"metadata\.yaml"):
        build_embedder(str(tmp_path), "", "cpu", CropOptions(normalize="unit"))


@pytest.mark.parametrize(("key", "value"), [("names", 7), ("stride", "x"), ("task", 3), ("yaml", None)])
def test_odd_metadata_of_a_pt_file_is_a_clear_error(tmp_path, key, value):
    import torch

    from ultralytics_reid.demo import DETECTOR
    from ultralytics_reid.embedders import build_embedder

    content = torch.load(DETECTOR, weights_only=False)
    setattr(content["model"], key, value)
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(ConfigError, match=r"odd\.pt can't be loaded by Ultralytics"):
        build_embedder(str(tmp_path / "odd.pt"), "", "cpu")
