"""Where embeddings come from, and what is said when they can't."""

import numpy as np
import pytest
import torch
from scenes import our_args
from ultralytics import YOLO

from ultralytics_reid import ConfigError, ReIDBOTSORT
from ultralytics_reid.embedders import build_embedder
from ultralytics_reid.embedders.detector import DetectorFeatures, _to_input


def net(name="yolo11n.yaml"):
    torch.manual_seed(0)
    return YOLO(name).model.eval()


def picture(height=240, width=320):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


BOXES = np.array([[10, 20, 60, 150], [100, 50, 160, 200], [-30, -30, 20, 60]], np.float32)


class TestDetector:
    def test_one_unit_row_a_box_of_one_dimension(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        detector(torch.rand(2, 3, 320, 320))
        rows = taps([BOXES, BOXES[:1]], [(320, 320)] * 2)
        assert [r.shape for r in rows] == [(3, 960), (1, 960)]
        assert np.linalg.norm(np.concatenate(rows), axis=1) == pytest.approx(1, abs=1e-5)

    def test_rows_depend_on_their_own_picture_and_box_only(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        batch = torch.rand(2, 3, 320, 320)
        detector(batch)
        together = taps([BOXES, BOXES], [(320, 320)] * 2)[1]
        detector(batch[1:])
        assert taps([BOXES[1:2]], [(320, 320)])[0] == pytest.approx(together[1:2], abs=1e-4)

    def test_no_boxes_in_one_picture_of_a_batch(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        detector(torch.rand(2, 3, 320, 320))
        assert [len(r) for r in taps([BOXES[:0], BOXES], [(320, 320)] * 2)] == [0, 3]

    def test_wide_detectors_do_not_give_wider_rows_than_they_should(self):
        taps = DetectorFeatures(detector := net("yolo11x.yaml"), lambda: True)
        detector(torch.rand(1, 3, 64, 64))
        assert taps([BOXES[:1]], [(64, 64)])[0].shape == (1, 1152)

    def test_removed_taps_see_nothing(self):
        taps = DetectorFeatures(detector := net(), lambda: True)
        taps.remove()
        detector(torch.rand(1, 3, 64, 64))
        assert not taps._maps

    @pytest.mark.parametrize(
        ("shape", "size", "corner"),
        [
            ((480, 640), (480, 640), (100, 50)),
            ((240, 320), (480, 640), (200, 100)),
            ((480, 640), (640, 640), (100, 130)),
        ],
    )
    def test_boxes_go_where_the_letterbox_put_them(self, shape, size, corner):
        assert _to_input(np.array([[100, 50, 200, 150]], np.float32), shape, size)[0, :2] == pytest.approx(corner)

    def test_it_fits_detectors_and_nothing_else(self):
        assert DetectorFeatures.fits(net())
        assert not DetectorFeatures.fits(torch.nn.Linear(2, 2))
        assert not DetectorFeatures.fits("model.xml")


class TestBuilding:
    def test_auto_has_no_encoder(self):
        assert build_embedder("auto", "", None) is None

    def test_a_torchreid_name_without_torchreid_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "torchreid", None)
        with pytest.raises(ConfigError, match=r"osnet_x0_25.*ultralytics-reid\[torchreid\]"):
            build_embedder("osnet_x0_25", "", "cpu")

    def test_the_tracker_embeds_what_it_looks_at_in_one_call(self):
        class Counting:
            calls = 0

            def __call__(self, image, xyxy):
                self.calls += 1
                self.asked = len(xyxy)
                return np.eye(len(xyxy), 8, dtype=np.float32)

        from scenes import boxes, image

        tracker = ReIDBOTSORT(our_args())
        tracker.embedder = embedder = Counting()
        rows = [[10, 20, 60, 150, 0.9, 0], [200, 50, 260, 200, 0.2, 0], [300, 50, 360, 200, 0.05, 0]]
        tracker.update(boxes(rows), image())
        assert (embedder.calls, embedder.asked) == (1, 2)

    def test_the_host_s_loader_takes_a_torchscript_file(self, tmp_path):
        class Means(torch.nn.Module):
            def forward(self, x):
                return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)

        path = tmp_path / "means.torchscript"
        torch.jit.trace(Means(), torch.rand(1, 3, 224, 224)).save(path)
        rows = build_embedder(str(path), "", "cpu")(picture(), BOXES[:2])
        assert rows.shape == (2, 6)
        assert rows.dtype == np.float32


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
        assert len(embed(picture(), BOXES[:0])) == 0

    def test_weights_of_another_architecture_are_refused(self, shared):
        with pytest.raises(ConfigError, match="do not fit osnet_x1_0"):
            build_embedder("osnet_x1_0", str(shared("models/osnet_x0_25_msmt17.pth")), "cpu")

    def test_a_file_that_is_no_state_dict_is_refused(self, tmp_path):
        (tmp_path / "w.pth").write_bytes(b"not weights")
        with pytest.raises(ConfigError, match="can't be read"):
            build_embedder("osnet_x0_25", str(tmp_path / "w.pth"), "cpu")

    def test_missing_weights_are_told(self):
        with pytest.raises(ConfigError, match=r"nowhere\.pth is not a file"):
            build_embedder("osnet_x0_25", "nowhere.pth", "cpu")

    def test_an_unknown_architecture_is_told(self):
        with pytest.raises(ConfigError, match="osnet_x9 is neither"):
            build_embedder("osnet_x9", "", "cpu")
