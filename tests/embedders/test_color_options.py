"""`normalize: none` and `channels`: models of raw values, blue first, in any layout, and what is refused."""

import numpy as np
import pytest
import torch
from synthetic import our_args

from ultralytics_reid import ConfigError, EmbeddingError, ReIDBOTSORT
from ultralytics_reid.embedders import CropOptions, Preprocessing, build_embedder, family_of
from ultralytics_reid.embedders.crops import NORMALIZATIONS, Regions, crop

RAW_BGR = CropOptions(normalize="none", channels="bgr")
BOXES = np.array([[10, 20, 60, 150], [100, 50, 160, 200], [-30, -30, 20, 60]], np.float32)
SIZE = Preprocessing(height=64, width=32)


def noise():
    return np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)


def means_of_raw_crops():
    """Mean of each channel of the crops as they are cut: blue, green, red, 0-255."""
    return crop(noise(), Regions(BOXES), SIZE)[0].mean(axis=(1, 2))


def openvino_file(folder, shape, reshape=None):
    """An OpenVINO model that gives the mean of each input channel; `reshape` fixes its batch size in the graph."""
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as ops

    image = ops.parameter(shape, np.float32, name="data")
    rows = ops.reduce_mean(image, [1, 2] if shape[-1] == 3 else [2, 3], keep_dims=False)
    if reshape:
        rows = ops.reshape(rows, reshape, special_zero=False)
    openvino.save_model(openvino.Model([rows], [image]), folder / "means_reid.xml")
    return folder / "means_reid.xml"


class Means(torch.nn.Module):
    def forward(self, x):
        return x.mean(dim=(1, 2) if x.shape[-1] == 3 else (2, 3))


def onnx_file(folder, shape):
    pytest.importorskip("onnxruntime")
    path = folder / "means_reid.onnx"
    names = {"input_names": ["x"], "output_names": ["y"]}
    torch.onnx.export(Means(), (torch.rand(*shape),), path, dynamo=False, **names)
    return path


def preprocessing(normalize, channels):
    mean, std = NORMALIZATIONS[normalize]
    return Preprocessing(height=64, width=32, mean=mean, std=std, channels=channels)


class TestNormalizing:
    def test_none_keeps_values_of_0_to_255_exactly(self):
        crops = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
        batch = preprocessing("none", "bgr").normalize(crops)
        np.testing.assert_array_equal(batch[0, 0].ravel(), np.arange(256))

    def test_blue_is_first_with_bgr_and_last_with_rgb(self):
        crops = np.full((1, 2, 2, 3), (10, 20, 30), np.uint8)
        assert preprocessing("none", "bgr").normalize(crops)[0, :, 0, 0].tolist() == [10, 20, 30]
        assert preprocessing("none", "rgb").normalize(crops)[0, :, 0, 0].tolist() == [30, 20, 10]

    def test_each_color_keeps_its_own_mean_and_deviation(self):
        crops = crop(noise(), Regions(BOXES), SIZE)[0]
        rgb, bgr = (preprocessing("imagenet", c).normalize(crops) for c in ("rgb", "bgr"))
        np.testing.assert_array_equal(bgr, rgb[:, ::-1])

    def test_the_fingerprint_tells_orders_apart_and_rgb_is_not_named(self):
        assert str(preprocessing("none", "bgr")) == "64x32-none-bgr"
        assert str(preprocessing("imagenet", "rgb")) == "64x32-imagenet"

    def test_another_order_is_refused(self):
        with pytest.raises(EmbeddingError, match="channels must be rgb or bgr, got 'grb'"):
            Preprocessing(height=64, width=32, channels="grb")


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
class TestExportedModels:
    @pytest.mark.parametrize("shape", [[1, 3, 64, 32], [1, 64, 32, 3], [4, 3, 64, 32], [-1, 3, 64, 32]])
    def test_openvino_reads_layout_size_and_batch_from_the_model(self, tmp_path, shape):
        path = openvino_file(tmp_path, shape)
        for model in (path, tmp_path):
            rows = build_embedder(str(model), "", "cpu", RAW_BGR)(noise(), BOXES)
            np.testing.assert_allclose(rows, means_of_raw_crops(), rtol=1e-4)

    @pytest.mark.parametrize("target", [[1, 3], [3]])
    def test_openvino_with_the_batch_in_its_graph_runs_as_it_is(self, tmp_path, target):
        path = openvino_file(tmp_path, [1, 3, 64, 32], reshape=target)
        if target == [3]:
            with pytest.raises(EmbeddingError, match="vector per crop"):
                build_embedder(str(path), "", "cpu", RAW_BGR)
        else:
            rows = build_embedder(str(path), "", "cpu", RAW_BGR)(noise(), BOXES)
            np.testing.assert_allclose(rows, means_of_raw_crops(), rtol=1e-4)

    def test_openvino_with_rgb_gives_red_first(self, tmp_path):
        options = CropOptions(normalize="none", channels="rgb")
        rows = build_embedder(str(openvino_file(tmp_path, [1, 3, 64, 32])), "", "cpu", options)(noise(), BOXES)
        np.testing.assert_allclose(rows, means_of_raw_crops()[:, ::-1], rtol=1e-4)

    def test_openvino_normalizes_each_color_by_its_own(self, tmp_path):
        options = CropOptions(normalize="imagenet", channels="bgr")
        rows = build_embedder(str(openvino_file(tmp_path, [1, 3, 64, 32])), "", "cpu", options)(noise(), BOXES)
        mean, std = (np.array(v)[::-1] for v in NORMALIZATIONS["imagenet"])
        np.testing.assert_allclose(rows, (means_of_raw_crops() / 255 - mean) / std, atol=1e-4)

    @pytest.mark.parametrize("shape", [[1, 3, 64, 32], [2, 64, 32, 3]])
    def test_onnx_reads_layout_size_and_batch_from_the_model(self, tmp_path, shape):
        rows = build_embedder(str(onnx_file(tmp_path, shape)), "", "cpu", RAW_BGR)(noise(), BOXES)
        np.testing.assert_allclose(rows, means_of_raw_crops(), rtol=1e-4)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (CropOptions(), "set normalize to imagenet, unit or none"),
            (CropOptions(channels="bgr"), "set normalize to imagenet, unit or none"),
            (CropOptions(normalize="none"), "with normalize: none, set channels to rgb or bgr"),
        ],
    )
    def test_colors_are_never_guessed(self, tmp_path, options, told):
        with pytest.raises(ConfigError, match=told):
            build_embedder(str(openvino_file(tmp_path, [1, 3, 64, 32])), "", "cpu", options)

    def test_a_folder_is_of_the_family_of_the_model_in_it(self, tmp_path):
        folder = tmp_path / "FP16-INT8"
        folder.mkdir()
        path = openvino_file(folder, [1, 3, 64, 32])
        assert (family_of(str(folder)), family_of(str(path))) == ("reid", "reid")
        for file in folder.iterdir():
            file.rename(file.with_stem("means"))
        assert family_of(str(folder)) == "classifier"

    def test_the_yaml_s_keys_reach_the_model(self, tmp_path):
        path = openvino_file(tmp_path, [1, 3, 64, 32])
        tracker = ReIDBOTSORT(our_args(model=str(path), normalize="none", channels="bgr"))
        assert tracker.embedder.fingerprint.endswith("/64x32-none-bgr/3")


@pytest.mark.parametrize(("key", "value"), [("channels", "bgr"), ("normalize", "none")])
def test_color_options_are_refused_with_the_detector_s_features(key, value):
    with pytest.raises(ConfigError, match=f"'{key}' must be auto with model: auto, .* got '{value}'"):
        ReIDBOTSORT(our_args(**{key: value}))


@pytest.mark.parametrize("model", ["some.pt", f"{__name__}:Means"])
@pytest.mark.parametrize(("key", "value"), [("channels", "bgr"), ("normalize", "none")])
def test_color_options_are_refused_where_they_would_do_nothing(model, key, value):
    with pytest.raises(ConfigError, match=f"'{key}' must be auto unless model is .* got {value} with model {model}"):
        build_embedder(model, "", "cpu", CropOptions(**{key: value}))
