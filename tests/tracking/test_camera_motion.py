"""Camera motion: that of the host's optical flow while the camera moves, none while it stands still."""

import copy

import cv2
import numpy as np
import pytest
from ultralytics.trackers.utils.gmc import GMC

from tests.synthetic import boxes
from ultralytics_reid.tracking.camera_motion import CameraMotion
from ultralytics_reid.tracking.tracker import ReIDBOTSORT
from ultralytics_reid.tuning import KEYFRAME_FRAMES, STATIC_FRAMES

HEIGHT, WIDTH = 240, 320


@pytest.fixture(scope="module")
def wall():
    """Texture that is larger than an image."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (80, 100, 3), np.uint8)
    return cv2.resize(coarse, (1000, 800), interpolation=cv2.INTER_CUBIC)


def view(wall, x=0.0, noise=None):
    """An image whose left edge is so far right in the wall, pixels."""
    shifted = cv2.warpAffine(wall, np.float64([[1, 0, -x], [0, 1, 0]]), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    return shifted if noise is None else np.clip(shifted + noise.normal(0, 3, shifted.shape), 0, 255).astype(np.uint8)


def stood_still(wall, frames=STATIC_FRAMES + 2, noise=None):
    motion = CameraMotion()
    for _ in range(frames):
        warp = motion.apply(view(wall, noise=noise))
    return motion, warp


class TestAStaticCamera:
    def test_has_no_motion_at_all_however_noisy_its_images(self, wall):
        motion, warp = stood_still(wall, noise=np.random.default_rng(1))
        assert motion.static
        np.testing.assert_array_equal(warp, np.eye(2, 3))

    def test_is_found_static_only_after_a_while(self, wall):
        motion, _ = stood_still(wall, STATIC_FRAMES)
        assert not motion.static

    def test_goes_on_past_a_change_of_its_keyframe(self, wall):
        motion, _ = stood_still(wall, STATIC_FRAMES + 1)
        for _ in range(KEYFRAME_FRAMES):
            motion.apply(view(wall))
            assert motion.static

    def test_costs_no_flow_of_the_host(self, wall, monkeypatch):
        motion, _ = stood_still(wall)
        monkeypatch.setattr(motion, "apply_sparseoptflow", None)
        np.testing.assert_array_equal(motion.apply(view(wall)), np.eye(2, 3))

    def test_goes_on_while_people_walk_over_most_of_the_background(self, wall):
        motion, _ = stood_still(wall)
        crowd = np.random.default_rng(2).integers(0, 255, (HEIGHT, 4 * WIDTH, 3), np.uint8)
        for n in range(10):
            image = view(wall)
            image[:, :200] = crowd[:, 4 * n : 4 * n + 200]
            motion.apply(image, np.array([[0, 0, 200, HEIGHT]], np.float32))
            assert motion.static

    def test_is_static_although_most_of_the_image_is_people_who_walk(self, wall):
        motion, rng = CameraMotion(), np.random.default_rng(2)
        crowd = rng.integers(0, 255, (HEIGHT, 4 * WIDTH, 3), np.uint8)
        boxes = np.array([[0, 0, 200, HEIGHT]], np.float32)
        for n in range(STATIC_FRAMES + 2):
            image = view(wall)
            image[:, :200] = crowd[:, 4 * n : 4 * n + 200]
            motion.apply(image, boxes)
        assert motion.static

    def test_moves_from_the_first_frame_that_does(self, wall):
        motion, _ = stood_still(wall)
        warp = motion.apply(view(wall, 6))
        assert not motion.static
        np.testing.assert_allclose(warp[:, 2], [-6, 0], atol=0.5)
        np.testing.assert_allclose(motion.apply(view(wall, 12))[:, 2], [-6, 0], atol=0.5)

    def test_that_drifts_too_slowly_to_be_seen_in_a_frame_is_seen_in_time(self, wall):
        motion, _ = stood_still(wall)
        found = sum(motion.apply(view(wall, 0.1 * n))[0, 2] for n in range(1, 101))
        assert found == pytest.approx(-10, abs=1.5)

    def test_is_forgotten_with_a_reset_and_another_image_size(self, wall):
        motion, _ = stood_still(wall)
        motion.reset_params()
        assert not motion.static
        np.testing.assert_array_equal(motion.apply(view(wall)[:100, :200]), np.eye(2, 3))

    def test_goes_on_in_a_copy(self, wall):
        motion, _ = stood_still(wall)
        assert copy.deepcopy(motion).static


class TestAMovingCamera:
    def test_moves_as_the_host_says(self, wall):
        ours, host = CameraMotion(), GMC()
        for n in range(2 * STATIC_FRAMES):
            image = view(wall, 3 * n)
            np.testing.assert_array_equal(ours.apply(image), host.apply(image))

    @pytest.mark.parametrize("method", ["none", "ecc", "orb"])
    def test_by_another_method_is_the_host_s(self, wall, method):
        ours, host = CameraMotion(method), GMC(method)
        for x in (0, 4):
            cv2.setRNGSeed(0)
            expected = host.apply(view(wall, x), np.zeros((0, 4)))
            cv2.setRNGSeed(0)
            np.testing.assert_array_equal(ours.apply(view(wall, x), np.zeros((0, 4))), expected)

    def test_without_texture_is_left_to_the_host(self):
        motion = CameraMotion()
        for _ in range(STATIC_FRAMES + 2):
            warp = motion.apply(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        assert not motion.static
        np.testing.assert_array_equal(warp, np.eye(2, 3))


def test_the_host_s_association_keeps_the_host_s_camera_motion():
    assert isinstance(ReIDBOTSORT.from_yaml().gmc, CameraMotion)
    assert type(ReIDBOTSORT.from_yaml(with_reid=False).gmc) is GMC


def test_a_tracker_goes_on_where_motion_can_t_be_estimated(caplog):
    tracker = ReIDBOTSORT.from_yaml()
    tracker.fps = 25
    for _ in range(3):  # a gray image without a third axis
        rows = tracker.update(
            boxes([[10, 10, 60, 160, 0.9, 0]]), np.zeros((480, 640), np.uint8), feats=np.eye(1, 64, dtype=np.float32)
        )
    assert len(rows) == 1
    assert "camera motion can't be estimated in frame 3" in caplog.text
