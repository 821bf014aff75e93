"""Where embeddings come from, and what is said when they can't."""

import os

import numpy as np
import pytest
import torch
from synthetic import our_args
from ultralytics import RTDETR, YOLO

from ultralytics_reid import ConfigError, EmbeddingError, ReIDBOTSORT
from ultralytics_reid.embedders import CropEmbedder, CropOptions, Preprocessing, build_embedder
from ultralytics_reid.embedders.detector import Boxes, DetectorFeatures, _color_places, _moments, colors, to_input
from ultralytics_reid.embedders.torchreid import _load


def net(name="yolo11n.yaml"):
    torch.manual_seed(0)
    return (RTDETR if name.startswith("rtdetr") else YOLO)(name).model.eval()


def sample_image(height=240, width=320):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


BOXES = np.array([[10, 20, 60, 150], [100, 50, 160, 200], [-30, -30, 20, 60]], np.float32)


class Payload:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class TestDetector:
    def test_one_unit_row_a_box_of_one_dimension(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        detector(torch.rand(2, 3, 320, 320))
        rows = taps([BOXES, BOXES[:1]], [(320, 320)] * 2)
        assert [r.shape for r in rows] == [(3, 576), (1, 576)]
        assert np.linalg.norm(np.concatenate(rows), axis=1) == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("stretched", [False, True])
    def test_boxes_are_where_the_image_lies_in_the_input(self, stretched):
        taps = DetectorFeatures(detector := net(), lambda: True, stretched=stretched)
        pixels, top = torch.zeros(1, 3, 320, 320), 0 if stretched else 80
        pixels[:, :, top : top + 40] = 1  # of an image twice as wide as high: its upper edge
        detector(pixels)
        boxes = np.array([[10, 0, 300, 38], [340, 0, 630, 38], [10, 200, 300, 238]], np.float32)
        one, other, below = taps([boxes], [(320, 640)])[0]
        assert one @ other > one @ below + 0.2

    def test_the_fingerprint_is_the_weights_whatever_their_precision(self):
        detector = net()
        first = DetectorFeatures(detector, lambda: True).fingerprint
        assert DetectorFeatures(detector.half(), lambda: True).fingerprint == first
        with torch.no_grad():
            detector.model[0].conv.weight[0, 0, 0, 0] += 1
        assert DetectorFeatures(detector, lambda: True).fingerprint != first

    def test_the_fingerprint_is_the_recipe_too(self, monkeypatch):
        first = DetectorFeatures(detector := net(), lambda: True).fingerprint
        monkeypatch.setattr("ultralytics_reid.embedders.detector._RECIPE", ("another",))
        assert DetectorFeatures(detector, lambda: True).fingerprint != first

    def test_rows_depend_on_their_own_image_and_box_only(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        batch = torch.rand(2, 3, 320, 320)
        detector(batch)
        together = taps([BOXES, BOXES], [(320, 320)] * 2)[1]
        detector(batch[1:])
        assert taps([BOXES[1:2]], [(320, 320)])[0] == pytest.approx(together[1:2], abs=1e-4)

    def test_no_boxes_in_one_image_of_a_batch(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        detector(torch.rand(2, 3, 320, 320))
        assert [len(r) for r in taps([BOXES[:0], BOXES], [(320, 320)] * 2)] == [0, 3]

    @pytest.mark.parametrize("name", ["yolo11x.yaml", "yolov8m.yaml", "rtdetr-l.yaml"])
    def test_wide_detectors_do_not_give_wider_rows_than_they_should(self, name):
        assert self.embed(net(name), torch.rand(1, 3, 64, 64)).shape == (3, 576)

    @pytest.mark.parametrize(
        "name", ["yolo26n.yaml", "yolov10n.yaml", "yolov8s-worldv2.yaml", "yolo11n-obb.yaml", "yolo11n-seg.yaml"]
    )
    def test_whatever_the_head(self, name):
        rows = self.embed(net(name), torch.rand(1, 3, 64, 64))
        assert np.isfinite(rows).all()
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)

    def test_half_precision_maps_give_the_same(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        detector(torch.rand(1, 3, 320, 320))
        whole = taps([BOXES], [(320, 320)])[0]
        taps._input, taps._map = taps._input.half(), taps._map.half()
        halved = taps([BOXES], [(320, 320)])[0]
        assert halved.dtype == np.float32
        assert (halved * whole).sum(axis=1) == pytest.approx(1, abs=1e-3)

    def test_cells_are_what_roi_align_reads_with_one_sample_each(self):
        from torchvision.ops import roi_align

        maps, rois = torch.rand(2, 5, 60, 60), [BOXES[:2], BOXES[1:2] + 7]
        expected = roi_align(maps, [torch.from_numpy(r) for r in rois], (12, 6), 1 / 4, sampling_ratio=1, aligned=True)
        cells = Boxes(rois, maps.device).cells(maps, 4, (12, 6))
        assert cells.permute(0, 3, 1, 2).numpy() == pytest.approx(expected.numpy(), abs=1e-5)

    def test_a_box_s_sides_count_less_than_its_middle(self):
        def share(columns):
            maps = torch.ones(1, 2, 80, 80)
            maps[:, 1] = 0
            maps[:, 1, :, columns] = 1
            mean, _ = _moments(maps, Boxes([BOXES[1:2]], maps.device))
            return float(mean.view(3, 2)[0, 1] / mean.view(3, 2)[0, 0])

        assert share(slice(None)) == pytest.approx(1)
        assert share(slice(25, 30)) < 0.15  # the box reaches from 25 to 40
        assert share(slice(30, 35)) > 0.7
        assert share(slice(25, 30)) == pytest.approx(share(slice(35, 40)), abs=1e-5)

    def test_colors_are_told_apart_where_they_are(self):
        def dressed(upper, lower):
            image = torch.zeros(1, 3, 320, 320)
            image[0, :, :125], image[0, :, 125:] = torch.tensor([upper, lower])[:, :, None, None]
            return torch.cat(colors(image, Boxes([BOXES[1:2]], image.device)), dim=1)[0]

        red, blue = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)
        one, same, turned = dressed(red, blue), dressed((0.79, 0.11, 0.1), blue), dressed(blue, red)
        assert one @ same > 0.9 * 3
        assert one @ turned < 0.7 * 3  # brightness and green are the same

    def test_a_shadow_changes_brightness_and_hardly_the_hue(self):
        lit, shaded, other = _color_places(torch.tensor([(0.7, 0.3, 0.35), (0.42, 0.18, 0.21), (0.3, 0.35, 0.7)]))
        assert (lit - shaded)[0] > 0.15
        assert (lit - shaded)[1:].abs().max() < 0.06
        assert (lit - other)[1:].abs().max() > 0.3

    def test_textures_of_one_mean_are_told_apart(self):
        plain, striped = torch.full((1, 4, 80, 80), 0.5), torch.full((1, 4, 80, 80), 0.5)
        striped[:, :2] = (torch.arange(80) // 3 % 2)[:, None].float()
        boxes = Boxes([np.array([[100, 48, 160, 192]], np.float32)], plain.device)
        for maps, spread in ((plain, False), (striped, True)):
            mean, deviation = _moments(maps, boxes)
            assert mean.shape == deviation.shape == (1, 12)
            assert bool((deviation.view(3, 4)[:, :2] > 2 * deviation.view(3, 4)[:, 2:]).all()) is spread

    def test_an_inactive_forward_pass_is_not_kept(self):
        taps = DetectorFeatures(detector := net(), lambda: False)
        detector(torch.rand(1, 3, 64, 64))
        assert taps._map is None
        assert taps._input is None

    @staticmethod
    def embed(detector, batch):
        taps = DetectorFeatures(detector, lambda: True)
        with torch.inference_mode():
            detector(batch)
        return taps([BOXES], [tuple(batch.shape[2:])])[0]

    def test_removed_hooks_keep_nothing(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        taps.remove()
        detector(torch.rand(1, 3, 64, 64))
        assert taps._map is None
        assert taps._input is None

    @pytest.mark.parametrize(
        ("shape", "size", "corner"),
        [
            ((480, 640), (480, 640), (100, 50)),
            ((240, 320), (480, 640), (200, 100)),
            ((480, 640), (640, 640), (100, 130)),
        ],
    )
    def test_boxes_go_where_the_letterbox_put_them(self, shape, size, corner):
        assert to_input(np.array([[100, 50, 200, 150]], np.float32), shape, size)[0, :2] == pytest.approx(corner)

    def test_it_fits_detectors_and_nothing_else(self):
        assert DetectorFeatures.fits(net())
        assert not DetectorFeatures.fits(torch.nn.Linear(2, 2))
        assert not DetectorFeatures.fits("model.xml")


class TestBuilding:
    def test_auto_has_no_encoder(self):
        assert build_embedder("auto", "", None) is None

    def test_a_torchreid_name_without_torchreid_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "torchreid", None)
        with pytest.raises(ConfigError, match=r"osnet_x0_25.*\.\[torchreid\]"):
            build_embedder("osnet_x0_25", "", "cpu")

    @pytest.mark.parametrize("model", ["mine_reid.onnx", "yolo26n-reid.pt"])
    def test_weights_beside_a_model_that_has_its_own_are_refused(self, model):
        with pytest.raises(ConfigError, match=f"'weights' must be empty.*got w.pth with model {model}"):
            build_embedder(model, "w.pth", "cpu")

    def test_the_tracker_embeds_what_looks_may_decide_in_one_call(self):
        class Counting:
            calls = 0

            def __call__(self, image, xyxy):
                self.calls += 1
                self.asked = len(xyxy)
                return np.eye(len(xyxy), 8, dtype=np.float32)

        from synthetic import boxes, image

        tracker = ReIDBOTSORT(our_args())
        tracker.embedder = embedder = Counting()
        rows = [[10, 20, 60, 150, 0.9, 0], [200, 50, 260, 200, 0.2, 0], [300, 50, 360, 200, 0.05, 0]]
        tracker.update(boxes(rows), image())
        assert (embedder.calls, embedder.asked) == (1, 1)  # low scores are matched by motion alone, and never teach

    def test_the_yaml_s_keys_reach_the_builder(self, tmp_path):
        path = script(tmp_path)
        keys = {"crop_height": 64, "crop_width": 32, "normalize": "unit", "flip_crops": True}
        tracker = ReIDBOTSORT(our_args(model=str(path), **keys))
        assert "/64x32-unit-flip/6" in tracker.embedder.fingerprint

    def test_boxes_that_lean_and_outlines_reach_the_encoder(self):
        from synthetic import SHAPE, image
        from ultralytics.engine.results import OBB

        from ultralytics_reid.tracking.frame import Batch

        class Regions(Means):
            def embed(self, image, regions):
                self.regions = regions
                return self(image, regions.xyxy)

        tracker = ReIDBOTSORT(our_args(model="osnet_x0_25", mask_crops=True))
        tracker.embedder = embedder = Regions()
        rows = np.array([[100, 100, 40, 90, 0.3, 0.9, 0], [300, 100, 40, 90, 0.3, 0.02, 0]], np.float32)
        tracker.batch = Batch(masks=[["one", "two"], ["three", "four"]])
        for expected in ("one", "three"):
            tracker.update(OBB(rows, SHAPE), image())
            assert embedder.regions.xywhr == pytest.approx(rows[:1, :5])
            assert embedder.regions.masks == [expected]

    def test_memory_of_one_embedder_is_not_compared_with_another_s_vectors(self):
        from synthetic import boxes, image

        tracker = ReIDBOTSORT(our_args())
        for name in ("first", "second"):
            tracker.embedder = embedder = Means()
            embedder.fingerprint = name
            if name == "first":
                tracker.update(boxes([[10, 20, 60, 150, 0.9, 0]]), image())
        with pytest.raises(EmbeddingError, match="by first, and these are by second"):
            tracker.update(boxes([[10, 20, 60, 150, 0.9, 0]]), image())
        tracker.reset()
        tracker.update(boxes([[10, 20, 60, 150, 0.9, 0]]), image())


class Means:
    """An embedder of the mean colors in boxes, and what makes one."""

    def __init__(self, weights="", device=None):
        self.made_of = weights, device

    def __call__(self, image, xyxy):
        return np.tile(np.arange(1, 7, dtype=np.float32), (len(xyxy), 1))


def broken(weights, device):
    return "no embedder"


class TestCustom:
    def test_a_factory_by_its_import_path(self):
        embedder = build_embedder(f"{__name__}:Means", "w.bin", "cpu")
        assert embedder.made_of == ("w.bin", "cpu")

    def test_an_entry_point_by_its_name(self, monkeypatch):
        from importlib.metadata import EntryPoint

        from ultralytics_reid.embedders import custom

        entry = EntryPoint("my_vehicles", f"{__name__}:Means", custom.GROUP)
        monkeypatch.setattr(custom, "entry_points", lambda group, name: [entry] if name == "my_vehicles" else [])
        assert isinstance(build_embedder("my_vehicles", "", "cpu"), Means)

    @pytest.mark.parametrize(
        ("model", "told"),
        [
            ("no_such_package:make", "no_such_package:make can't be imported: .*; its folder must be in PYTHONPATH"),
            (f"{__name__}.part:make", f"can't be imported: .*'{__name__}' is not a package$"),
            (f"{__name__}:make", "can't be imported.*make'?$"),
            (f"{__name__}:BOXES", "must be a callable that returns an embedder"),
            (f"{__name__}:broken", "must return an embedder.*'no embedder'"),
        ],
    )
    def test_errors_of_a_factory_are_named(self, model, told):
        with pytest.raises(ConfigError, match=told):
            build_embedder(model, "", "cpu")


class Colors(torch.nn.Module):
    """Six numbers a crop, and, if asked, the wrong kind."""

    def __init__(self, kind="vectors"):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        rows = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        if self.kind == "two":
            return rows, x
        return {"vectors": rows, "scores": rows.softmax(dim=1), "map": x * 2}[self.kind]


def script(folder, kind="vectors"):
    path = folder / f"{kind}.torchscript"
    torch.jit.trace(Colors(kind), torch.rand(1, 3, 64, 32)).save(path)
    return path


def onnx_file(folder, kind="vectors", size=("n", 64, 32), **metadata):
    """An ONNX file; names in `size` are sides that may be anything."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = folder / f"{kind}.onnx"
    shape = [4 if n == "n" else 64 if n == "h" else 32 if n == "w" else n for n in size]
    axes = {axis: name for axis, name in zip((0, 2, 3), size, strict=True) if isinstance(name, str)}
    batch = torch.rand(shape[0], 3, *shape[1:])
    names = {"input_names": ["x"], "output_names": ["y", "z"][: 1 + (kind == "two")]}
    torch.onnx.export(Colors(kind), (batch,), path, dynamo=False, dynamic_axes={"x": axes, "y": axes}, **names)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {k: str(v) for k, v in metadata.items()})
    onnx.save(model, path)
    return path


UNIT = CropOptions(normalize="unit")


def expected_rows(image, xyxy, preprocessing):
    net = Colors()
    return CropEmbedder(lambda b: net(torch.from_numpy(b)), preprocessing, name="expected")(image, xyxy)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
class TestExported:
    def test_torchscript_runs_in_the_host_s_backend(self, tmp_path):
        rows = build_embedder(str(script(tmp_path)), "", "cpu", CropOptions(64, 32, "imagenet"))(sample_image(), BOXES)
        np.testing.assert_allclose(
            rows, expected_rows(sample_image(), BOXES, Preprocessing(height=64, width=32)), atol=1e-4
        )

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (CropOptions(), "set crop_height and crop_width"),
            (CropOptions(64, 32), "set normalize to imagenet, unit or none"),
        ],
    )
    def test_missing_preprocessing_is_refused(self, tmp_path, options, told):
        with pytest.raises(ConfigError, match=told):
            build_embedder(str(script(tmp_path)), "", "cpu", options)

    @pytest.mark.parametrize("kind", ["scores", "map"])
    def test_outputs_other_than_vectors_are_refused(self, tmp_path, kind):
        with pytest.raises(EmbeddingError, match={"scores": "6 class scores", "map": "a map of the shape"}[kind]):
            build_embedder(str(script(tmp_path, kind)), "", "cpu", CropOptions(64, 32, "unit"))

    @pytest.mark.parametrize("name", ["nowhere.onnx", "nowhere_openvino_model/x.xml", "nowhere.engine"])
    def test_a_missing_file_is_named(self, name):
        with pytest.raises(ConfigError, match=f"{name} is neither a file nor a folder"):
            build_embedder(name, "", "cpu")

    @pytest.mark.parametrize(
        ("file", "package", "extra"),
        [
            ("m.onnx", "onnxruntime", "onnx"),
            ("m.xml", "openvino", "openvino"),
            ("yolo26n-reid.onnx", "onnxruntime", "onnx"),
        ],
    )
    def test_a_missing_runtime_is_named_with_its_extra(self, tmp_path, monkeypatch, file, package, extra):
        from ultralytics_reid.embedders import encoder

        (tmp_path / file).write_bytes(b"")
        monkeypatch.setattr(encoder, "find_spec", lambda name: None)
        with pytest.raises(ConfigError, match=rf"needs {package}; pip install '\.\[{extra}\]'"):
            build_embedder(str(tmp_path / file), "", "cpu")

    @pytest.mark.parametrize(("model", "weights"), [("fix[1].xml", "fix[1].bin"), ("m.onnx", "m.onnx.data")])
    def test_weights_beside_a_model_tell_it_from_others_and_other_files_do_not(self, tmp_path, model, weights):
        from ultralytics_reid.embedders.exported import _name

        for name in (model, weights):
            (tmp_path / name).write_bytes(name.encode())
        first = _name({}, tmp_path / model)
        (tmp_path / f"another-{model}").write_bytes(b"x")
        (tmp_path / model.replace(".", "2.", 1)).write_bytes(b"x")
        assert _name({}, tmp_path / model) == first
        (tmp_path / weights).write_bytes(b"others")
        assert _name({}, tmp_path / model) != first

    def test_a_pt_file_that_the_host_cannot_load_is_named(self, tmp_path):
        (tmp_path / "weights.pt").write_bytes(b"not weights")
        with pytest.raises(ConfigError, match=r"weights\.pt can't be loaded by Ultralytics' ReID loader"):
            build_embedder(str(tmp_path / "weights.pt"), "", "cpu")

    @pytest.mark.extras
    @pytest.mark.parametrize("size", [("n", 64, 32), (1, 64, 32), (4, 64, 32), ("n", "h", "w")])
    def test_onnx_of_any_batch_gives_the_same_rows(self, tmp_path, size):
        options = CropOptions(64, 32, "unit") if "h" in size else UNIT
        embedder = build_embedder(str(onnx_file(tmp_path, size=size)), "", "cpu", options)
        boxes = np.concatenate([BOXES, BOXES + 7, BOXES[:1] * np.nan]).astype(np.float32)
        unit = Preprocessing(height=64, width=32, mean=(0.0,) * 3, std=(1.0,) * 3)
        np.testing.assert_allclose(
            embedder(sample_image(), boxes), expected_rows(sample_image(), boxes, unit), atol=1e-5
        )

    @pytest.mark.extras
    def test_what_ultralytics_exported_is_known_by_its_metadata(self, tmp_path):
        path = onnx_file(tmp_path, size=("n", "h", "w"), stride=32, imgsz=[64, 32], names={0: "a"}, task="classify")
        assert build_embedder(str(path), "", "cpu").fingerprint.endswith("/64x32-unit/6")

    @pytest.mark.extras
    @pytest.mark.parametrize("device", ["foo", "cuda:99"])
    @pytest.mark.parametrize("make", [script, onnx_file])
    def test_a_device_that_is_not_there_is_named(self, tmp_path, make, device):
        with pytest.raises(ConfigError, match=f"device must be one that torch has here.* got '{device}'"):
            build_embedder(str(make(tmp_path)), "", device, CropOptions(64, 32, "imagenet"))

    def test_an_invalid_onnx_file_is_named(self, tmp_path):
        pytest.importorskip("onnxruntime")
        (tmp_path / "m.onnx").write_bytes(b"nonsense")
        with pytest.raises(ConfigError, match="can't be read as ONNX"):
            build_embedder(str(tmp_path / "m.onnx"), "", "cpu", UNIT)

    @pytest.mark.extras
    def test_several_outputs_are_refused(self, tmp_path):
        with pytest.raises(EmbeddingError, match="2 outputs"):
            build_embedder(str(onnx_file(tmp_path, "two")), "", "cpu", UNIT)

    @pytest.mark.extras
    def test_a_size_other_than_the_model_s_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="takes crops of height 64, but crop_height is 128"):
            build_embedder(str(onnx_file(tmp_path)), "", "cpu", CropOptions(128, 32, "unit"))

    @pytest.mark.extras
    @pytest.mark.parametrize("batch", [-1, 4])
    def test_openvino_of_any_batch_gives_the_same_rows(self, tmp_path, batch):
        openvino = pytest.importorskip("openvino")
        model = openvino.convert_model(Colors(), example_input=torch.rand(4, 3, 64, 32), input=[batch, 3, 64, 32])
        openvino.save_model(model, tmp_path / "model.xml")
        unit = Preprocessing(height=64, width=32, mean=(0.0,) * 3, std=(1.0,) * 3)
        boxes = np.concatenate([BOXES, BOXES + 7, BOXES + 9]).astype(np.float32)
        for path in (tmp_path, tmp_path / "model.xml"):
            rows = build_embedder(str(path), "", "cpu", UNIT)(sample_image(), boxes)
            np.testing.assert_allclose(rows, expected_rows(sample_image(), boxes, unit), atol=1e-5)

    def test_the_host_s_loader_gets_usable_regions_only(self, shared):
        embedder = build_embedder(str(shared("models/yolo11n.pt")), "", "cpu")
        bad = np.array([[np.nan] * 4, [400, 300, 500, 400], [5, 5, 5, 9]], np.float32)
        rows = embedder(sample_image(), np.concatenate([BOXES, bad]))
        assert rows.any(axis=1).tolist() == [True] * 3 + [False] * 3
        assert not embedder(sample_image(), bad).any()
        assert embedder.fingerprint.startswith("yolo11n.pt:")


@pytest.mark.extras
class TestTorchReID:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("torchreid")

    def test_given_weights_tell_people_apart(self, shared):
        import cv2

        embed = build_embedder("osnet_x0_25", str(shared("models/osnet_x0_25_msmt17.pth")), "cpu")
        capture = cv2.VideoCapture(str(shared("data/pets09-s2l1/vtest.avi")))
        with np.load(shared("data/cache/pets09-s2l1.npz")) as cache:
            rows, feats = cache["detections"], cache["embeddings"].astype(np.float32)
        mine, first = embed(capture.read()[1], rows[rows[:, 0] == 1][:3, 1:5]), feats[rows[:, 0] == 1][:3]
        mine /= np.linalg.norm(mine, axis=1, keepdims=True)
        assert mine.shape == (3, 512)
        assert (mine * first).sum(axis=1).min() > 0.9

    def test_no_boxes(self, shared):
        embed = build_embedder("osnet_x0_25", str(shared("models/osnet_x0_25_msmt17.pth")), "cpu")
        assert len(embed(sample_image(), BOXES[:0])) == 0

    def test_weights_of_another_architecture_are_refused(self, shared):
        with pytest.raises(ConfigError, match="do not fit osnet_x1_0"):
            build_embedder("osnet_x1_0", str(shared("models/osnet_x0_25_msmt17.pth")), "cpu")

    @pytest.mark.parametrize(
        ("name", "hint"), [("osnet_x025", "; did you mean 'osnet_x0_25'?"), ("nothing-like-it", "")]
    )
    def test_a_wrong_torchreid_name_gets_the_closest_one_as_a_hint(self, name, hint):
        with pytest.raises(ConfigError) as caught:
            build_embedder(name, "", "cpu")
        assert str(caught.value) == f"model: {name} is neither a file nor an architecture of torchreid's{hint}"

    def test_a_failed_download_is_named(self, monkeypatch):
        import gdown

        def offline(*_, **__):
            raise gdown.exceptions.FileURLRetrievalError("no network")

        monkeypatch.setattr(gdown, "download", offline)
        monkeypatch.setenv("TORCH_HOME", "nowhere")
        monkeypatch.setattr("os.makedirs", lambda path: None)
        with pytest.raises(ConfigError, match=r"osnet_x0_25 without weights needs torchreid's download.*no network"):
            build_embedder("osnet_x0_25", "", "cpu")

    def test_a_file_that_is_no_state_dict_is_refused(self, tmp_path):
        (tmp_path / "w.pth").write_bytes(b"not weights")
        with pytest.raises(ConfigError, match="can't be read"):
            build_embedder("osnet_x0_25", str(tmp_path / "w.pth"), "cpu")

    @pytest.mark.parametrize("legacy", [False, True])
    def test_damaged_weights_are_refused_in_words(self, tmp_path, legacy):
        path, rng = tmp_path / "w.pth", np.random.default_rng(0)
        torch.save({"a": torch.zeros(4)}, path, _use_new_zipfile_serialization=not legacy)
        whole = path.read_bytes()
        for _ in range(60):
            data = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.3 else whole)
            for at in rng.integers(0, len(data), 3):
                data[at] = rng.integers(0, 256)
            path.write_bytes(data)
            with pytest.raises(ConfigError, match="weights"):
                _load(torch.nn.Linear(1, 1), "linear", str(path))

    def test_weights_that_would_run_code_are_not_unpickled(self, tmp_path):
        torch.save({"model": Payload(tmp_path / "CODE-RAN")}, tmp_path / "w.pth")
        with pytest.raises(ConfigError, match="can't be read as a state dict"):
            _load(torch.nn.Linear(1, 1), "linear", str(tmp_path / "w.pth"))
        assert not (tmp_path / "CODE-RAN").exists()

    @pytest.mark.parametrize("stored", [{"a": 1}, {1: torch.zeros(1)}, [torch.zeros(1)], {"state_dict": 3}])
    def test_other_contents_are_no_state_dict(self, tmp_path, stored):
        torch.save(stored, tmp_path / "w.pth")
        with pytest.raises(ConfigError, match="not a state dict"):
            _load(torch.nn.Linear(1, 1), "linear", str(tmp_path / "w.pth"))

    def test_missing_weights_are_named(self):
        with pytest.raises(ConfigError, match=r"nowhere\.pth is not a file"):
            build_embedder("osnet_x0_25", "nowhere.pth", "cpu")

    def test_an_unknown_architecture_is_named(self):
        with pytest.raises(ConfigError, match="osnet_x9 is neither"):
            build_embedder("osnet_x9", "", "cpu")
