"""A head over embeddings: its map, its file, its fingerprint, and where it is refused."""

import json

import numpy as np
import pytest

from ultralytics_reid.embedders.head import HeadedEmbedder, LinearHead, base_name, load_head
from ultralytics_reid.errors import ConfigError

BASE = "osnet:abc/256x128-imagenet/4"


def made(base=BASE, seed=0):
    rng = np.random.default_rng(seed)
    return LinearHead(rng.normal(size=4).astype("f4"), rng.normal(size=(4, 3)).astype("f4"), base)


class Embedder:
    fingerprint = BASE

    def __call__(self, image, xyxy):
        return np.ones((len(xyxy), 4), np.float32)


def saved(path, *, center=None, matrix=None, **card):
    numpy = pytest.importorskip("safetensors.numpy")
    head = made()
    tensors = {"center": head.center if center is None else center, "matrix": head.matrix if matrix is None else matrix}
    text = json.dumps({"kind": "head", "base": BASE, **card})
    numpy.save_file(tensors, path, {"ultralytics_reid": text})
    return path


def test_the_map_does_not_depend_on_norms_and_gives_unit_rows():
    head, rows = made(), np.random.default_rng(1).normal(size=(5, 4)).astype("f4")
    mapped = head(rows)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(head(7 * rows), mapped, rtol=1e-4)


def test_a_row_of_zeros_stays_zero():
    assert not made()(np.zeros((2, 4), np.float32)).any()


def test_another_dimension_is_refused():
    with pytest.raises(ConfigError, match="dimension 4, got 6"):
        made()(np.ones((1, 6), np.float32))


def test_the_fingerprint_names_base_head_and_dimension():
    head = made()
    assert head.fingerprint == f"osnet:abc+head:{head.digest}/256x128-imagenet/3"
    assert made(seed=1).fingerprint != head.fingerprint
    assert base_name(head.fingerprint) == "osnet:abc"
    assert base_name(BASE) == ""
    assert made("detector:1f").fingerprint.startswith("detector:1f+head:")


def test_an_embedder_with_a_head_gives_its_rows_and_has_its_fingerprint():
    head = made()
    both = HeadedEmbedder(Embedder(), head)
    image, boxes = np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4), np.float32)
    np.testing.assert_array_equal(both(image, boxes), head(np.ones((2, 4), np.float32)))
    assert both.fingerprint == head.fingerprint


def test_a_head_of_another_embedder_is_refused():
    with pytest.raises(ConfigError, match=r"trained on embeddings by resnet.*these are by osnet"):
        HeadedEmbedder(Embedder(), made("resnet:1/256x128-imagenet/4"))


@pytest.mark.extras
class TestFile:
    def test_a_saved_head_is_read(self, tmp_path):
        head = load_head(saved(tmp_path / "mine.safetensors"))
        assert head.fingerprint == made().fingerprint

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(ConfigError, match=r"head: .*none.safetensors is not a file"):
            load_head(tmp_path / "none.safetensors")

    def test_a_pickle_is_refused_and_not_run(self, tmp_path):
        pytest.importorskip("safetensors")
        path = tmp_path / "mine.safetensors"
        path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.")
        with pytest.raises(ConfigError, match="can't be read as safetensors"):
            load_head(path)
        assert not (tmp_path / "ran").exists()

    def test_a_network_is_told_from_a_head(self, tmp_path):
        path = saved(tmp_path / "net.safetensors", kind="network")
        with pytest.raises(ConfigError, match="goes into 'weights'"):
            load_head(path)

    @pytest.mark.parametrize("wrong", [{"center": np.zeros(5, "f4")}, {"matrix": np.full((4, 3), np.nan, "f4")}])
    def test_damaged_tensors_are_refused(self, tmp_path, wrong):
        with pytest.raises(ConfigError, match="damaged"):
            load_head(saved(tmp_path / "mine.safetensors", **wrong))

    def test_an_extreme_header_is_refused(self, tmp_path):
        pytest.importorskip("safetensors")
        path = tmp_path / "mine.safetensors"
        path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
        with pytest.raises(ConfigError, match="can't be read as safetensors"):
            load_head(path)
