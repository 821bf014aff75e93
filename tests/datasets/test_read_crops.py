"""Labeled crops on disk: the forms that are read, and what is said of names and files that can't be."""

import cv2
import numpy as np
import pytest

from ultralytics_reid.datasets.crop_set import DISTRACTOR, read_crop
from ultralytics_reid.datasets.reader import read_crops
from ultralytics_reid.errors import DatasetError


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 4, 3), 99, np.uint8))
    return folder


def labels(crops):
    return [None if i == DISTRACTOR else crops.names[i] for i in crops.identities]


def test_market_s_names_give_identity_and_camera_and_junk_is_left_out(tmp_path):
    names = "0002_c1s1_000151_01.jpg", "0002_c6s3_000151_01.jpg.jpg", "0007_c3s1_1_0.png", "-1_c1s1_2_0.jpg"
    crops = read_crops(make(tmp_path, *names, "0000_c2s1_5_0.jpg"))
    assert labels(crops) == ["0002", "0002", "0007"]
    assert crops.cameras.tolist() == [1, 6, 3]
    assert crops.has_cameras
    assert crops.different is None
    assert crops.times is None


def test_market_s_distractors_are_kept_where_asked_for_and_are_no_identity(tmp_path):
    make(tmp_path, "0000_c2s1_5_0.jpg", "0000_c3s1_5_0.jpg", "0002_c1s1_1_1.jpg")
    crops = read_crops(tmp_path, distractors=True)
    assert labels(crops) == [None, None, "0002"]
    assert crops.names == ("0002",)


def test_market_s_benchmark_tells_queries_from_the_images_searched(tmp_path):
    make(tmp_path / "query", "0002_c1s1_1_1.jpg", "0003_c1s1_1_1.jpg")
    make(tmp_path / "bounding_box_test", "0002_c2s1_1_1.jpg", "0000_c2s1_1_1.jpg", "-1_c2s1_1_1.jpg")
    crops = read_crops(tmp_path, distractors=True)
    assert crops.queries.tolist() == [True, True, False, False]
    assert labels(crops) == ["0002", "0003", None, "0002"]


def test_cuhk01_s_image_numbers_tell_the_camera(tmp_path):
    crops = read_crops(make(tmp_path, "0001001.jpg", "0001002.jpg", "0001003.jpg", "0970004.jpg"))
    assert labels(crops) == ["0001", "0001", "0001", "0970"]
    assert crops.cameras.tolist() == [1, 1, 2, 2]


def test_vehicles_names_give_class_and_number_as_identity(tmp_path):
    crops = read_crops(make(tmp_path, "car_0006_cam1.jpg", "car_0006_cam2.jpg", "bus_0006_cam2.jpg"))
    assert labels(crops) == ["bus_0006", "car_0006", "car_0006"]
    assert crops.cameras.tolist() == [2, 1, 2]


def test_folders_with_cameras_in_the_names(tmp_path):
    crops = read_crops(make(tmp_path, "anna/c1_1.jpg", "anna/x_cam12.jpg", "Bo/c2s1_7.jpg"))
    assert labels(crops) == ["Bo", "anna", "anna"]
    assert crops.cameras.tolist() == [2, 1, 12]


def test_folders_without_cameras_have_a_camera_an_image_and_say_so(tmp_path):
    crops = read_crops(make(tmp_path, "anna/1.jpg", "anna/abc123.jpg", "bo/cat.jpg"))
    assert not crops.has_cameras
    assert len(set(crops.cameras.tolist())) == 3


def test_hidden_and_other_files_are_not_read(tmp_path):
    make(tmp_path, "0001001.jpg", ".0001002.jpg")
    (tmp_path / "notes.txt").write_text("x")
    assert len(read_crops(tmp_path)) == 1


@pytest.mark.parametrize(
    ("names", "form", "said"),
    [
        (["0002_c1s1_1_1.jpg", "0003_c1s1_1_1.jpg", "me.jpg"], "auto", r"me.jpg doesn't follow.*0001_c1s1_000151_01"),
        (["0001001.jpg", "0001005.jpg"], "auto", r"0001005.jpg doesn't follow the rule of cuhk01: IIIIJJJ"),
        (["0001001.jpg"], "vehicles", r"0001001.jpg doesn't follow the rule of vehicles: CLASS_"),
        (["me.jpg"], "auto", r"me.jpg doesn't follow any rule of names \(market1501: .* nor is there one folder"),
        (["anna/c1_1.jpg", "bo/1.jpg"], "auto", r"bo/1.jpg names no camera, and other images do"),
        (["train/car_0001_cam1.jpg", "test/car_0002_cam1.jpg"], "auto", r"test is a part of a data set"),
        (["anna/1.jpg"], "cuhk01", r"has no images; the rule of cuhk01"),
        ([], "auto", r"has no images; the rule of folders: one folder an identity"),
        (["-1_c1s1_1_1.jpg"], "auto", r"has no images; the rule of market1501"),
        ([], "mars", r"form must be one of auto, market1501, folders, cuhk01, vehicles, got 'mars'"),
    ],
)
def test_what_can_t_be_read_is_named_with_the_rule(tmp_path, names, form, said):
    with pytest.raises(DatasetError, match=said):
        read_crops(make(tmp_path, *names), form)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"there is no folder .*nowhere"):
        read_crops(tmp_path / "nowhere")


def test_an_unreadable_image_is_named(tmp_path):
    (tmp_path / "0001001.jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"0001001.jpg can't be read: .*no readable image"):
        read_crop(read_crops(tmp_path).paths[0])
