"""`ultralytics-reid export`: what it makes is what PyTorch says, and nothing else is left behind."""

import numpy as np
import pytest

from ultralytics_reid import ConfigError, EmbeddingError
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.cli import main
from ultralytics_reid.embedders import build_embedder, family_of
from ultralytics_reid.embedders import export as exporting

pytestmark = [
    pytest.mark.extras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
BOXES = np.array([[10, 20, 60, 150], [100, 50, 160, 200], [-30, -30, 20, 60], [5, 5, 5, 9]], np.float32)


def sample_image():
    return np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _installed():
    for package in ("torchreid", "onnx", "onnxruntime", "openvino"):
        pytest.importorskip(package)


@pytest.fixture
def weights(shared):
    return str(shared("models/osnet_x0_25_msmt17.pth"))


@pytest.mark.parametrize("kind", exporting.FORMATS)
def test_an_export_gives_pytorch_s_rows_under_pytorch_s_fingerprint(tmp_path, weights, kind, capsys):
    arguments = ["--model", "osnet_x0_25", "--weights", weights, "--format", kind, "--out", str(tmp_path / "out")]
    assert main(["export", *arguments]) == 0
    (made,) = (tmp_path / "out").iterdir()
    assert f"{made}: cosine to PyTorch on 32 synthetic crops: lowest 1.0" in capsys.readouterr().out
    assert family_of(str(made)) == "reid"
    ours, original = build_embedder(str(made), "", "cpu"), build_embedder("osnet_x0_25", weights, "cpu")
    assert ours.fingerprint == original.fingerprint
    np.testing.assert_allclose(ours(sample_image(), BOXES), original(sample_image(), BOXES), atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "name"), [("onnx", "osnet_v1.5_reid.onnx"), ("openvino", "osnet_v1.5_reid_openvino_model")]
)
def test_a_dot_in_the_weights_name_stays_in_the_export_s(tmp_path, weights, kind, name):
    (tmp_path / "osnet_v1.5.pth").symlink_to(weights)
    made = exporting.export("osnet_x0_25", str(tmp_path / "osnet_v1.5.pth"), kind=kind, out=tmp_path / "out")
    assert made.path.name == name
    assert family_of(str(made.path)) == "reid"
    assert build_embedder(str(made.path), "", "cpu").dim == 512


@pytest.mark.parametrize("kind", exporting.FORMATS)
def test_an_export_has_the_head_in_it(tmp_path, weights, kind):
    pytest.importorskip("safetensors")
    from ultralytics_reid.embedders.head import HeadedEmbedder, load_head
    from ultralytics_reid.training.result import save_tensors

    original, rng = build_embedder("osnet_x0_25", weights, "cpu"), np.random.default_rng(0)
    arrays = {"center": rng.normal(0, 0.02, 512).astype("f4"), "matrix": rng.normal(size=(512, 64)).astype("f4")}
    path = tmp_path / "mine.safetensors"
    save_tensors(path, arrays, {"kind": "head", "base": original.fingerprint})
    arguments = ["--model", "osnet_x0_25", "--weights", weights, "--format", kind, "--out", str(tmp_path / "out")]
    assert main(["export", *arguments, "--head", str(path)]) == 0
    (made,) = (tmp_path / "out").iterdir()
    assert made.name.startswith("mine_reid")
    ours, headed = build_embedder(str(made), "", "cpu"), HeadedEmbedder(original, load_head(path))
    assert ours.fingerprint == headed.fingerprint
    rows, expected = ours(sample_image(), BOXES), headed(sample_image(), BOXES)
    np.testing.assert_allclose(unit(rows), expected, atol=2e-3)


def test_a_head_of_other_weights_is_refused(tmp_path, weights):
    pytest.importorskip("safetensors")
    from ultralytics_reid.training.result import save_tensors

    path = tmp_path / "mine.safetensors"
    arrays = {"center": np.zeros(512, "f4"), "matrix": np.eye(512, dtype="f4")}
    save_tensors(path, arrays, {"kind": "head", "base": "osnet_x0_25:other/256x128-imagenet/512"})
    with pytest.raises(ConfigError, match="trained on embeddings by osnet_x0_25:other"):
        exporting.export("osnet_x0_25", weights, kind="onnx", head=str(path), out=tmp_path)


def test_sixteen_bits_are_another_embedder(tmp_path, weights):
    made = exporting.export("osnet_x0_25", weights, kind="openvino", half=True, out=tmp_path)
    assert (made.crops, made.real) == (32, False)
    assert made.lowest >= 0.98
    assert ":fp16/" in build_embedder(str(made.path), "", "cpu").fingerprint


def test_a_failed_comparison_keeps_the_old_file(tmp_path, weights, monkeypatch):
    (tmp_path / "osnet_x0_25_msmt17_reid.onnx").write_text("an older one")
    monkeypatch.setitem(exporting.MIN_COSINE, "fp32", 1.1)
    with pytest.raises(EmbeddingError, match=r"too far from PyTorch: lowest cosine 1\.0000 on 32 crops"):
        exporting.export("osnet_x0_25", weights, kind="onnx", out=tmp_path, overwrite=True)
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "an older one"


def test_crops_of_a_folder_are_compared_on(tmp_path, weights):
    import cv2

    (tmp_path / "crops").mkdir()
    for n in range(3):
        cv2.imwrite(str(tmp_path / "crops" / f"{n}.png"), sample_image()[n * 50 : n * 50 + 90, :60])
    made = exporting.export("osnet_x0_25", weights, crops=tmp_path / "crops", out=tmp_path / "out")
    assert (made.crops, made.real) == (3, True)


def test_missing_crops_and_packages_are_named(tmp_path, weights, monkeypatch, capsys):
    for crops in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ConfigError, match=r"crops: "):
            exporting.export("osnet_x0_25", weights, crops=crops, out=tmp_path)
    assert main(["export", "--model", "osnet_x0_25", "--weights", "nowhere.pth"]) == 1
    assert capsys.readouterr().err == "ultralytics-reid: weights: nowhere.pth is not a file\n"
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"onnx is missing; pip install '\.\[onnx\]'"):
        exporting.export("osnet_x0_25", weights, kind="onnx", out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", exporting.FORMATS)
def test_an_existing_export_is_not_replaced_unless_asked(tmp_path, weights, kind, capsys):
    arguments = ["--model", "osnet_x0_25", "--weights", weights, "--format", kind, "--out", str(tmp_path / "out")]
    made = exporting.export("osnet_x0_25", weights, kind=kind, out=tmp_path / "out")
    before = made.path.stat().st_mtime_ns
    assert main(["export", *arguments]) == 1
    assert f"already has {made.path.name}: choose another folder, or --overwrite" in capsys.readouterr().err
    assert made.path.stat().st_mtime_ns == before
    assert main(["export", *arguments, "--overwrite"]) == 0
    assert made.path.stat().st_mtime_ns > before


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_as_the_folder_is_named(tmp_path, weights, below, capsys):
    (tmp_path / "mine").write_text("mine")
    arguments = ["--model", "osnet_x0_25", "--weights", weights, "--format", "onnx"]
    assert main(["export", *arguments, "--out", str(tmp_path / "mine" / below)]) == 1
    assert f"--out {'must be a folder' if not below else tmp_path / 'mine' / below}" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "mine"


def detectors(folder):
    """Files that are no detector, by what messages call them."""
    from ultralytics import YOLO

    (folder / "broken.pt").write_bytes(b"no model")
    YOLO("yolo11n-cls.yaml").save(folder / "classifier.pt")
    return {
        "missing.onnx": "is not a YOLO model that can be loaded",
        "broken.pt": "is not a YOLO model that can be loaded",
        "classifier.pt": "must be a YOLO model that finds upright boxes",
    }


def test_crops_and_detectors_of_another_kind_are_named(tmp_path, weights, shared, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["export", "--model", "osnet_x0_25", "--weights", weights, "--out", "out"]
    (tmp_path / "gt.txt").write_text("1,1,10,10,20,40,1,1,1\n")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    for file in ("gt.txt", "broken.mp4"):
        assert main([*arguments, "--crops", file, "--detector", str(shared("models/yolo11n.pt"))]) == 1
        assert f"crops: {file} is neither a folder nor a video that can be read" in capsys.readouterr().err
    for detector, said in detectors(tmp_path).items():
        assert main([*arguments, "--crops", "broken.mp4", "--detector", detector]) == 1
        assert f"--detector {detector} {said}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
