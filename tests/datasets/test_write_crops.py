"""Labeled crops are written in both forms, and read as they were given, with what is known to differ."""

import json

import numpy as np
import pytest

from ultralytics_reid.datasets.crop_set import read_crop
from ultralytics_reid.datasets.reader import read_crops
from ultralytics_reid.datasets.writer import LabeledCrop, write_crops
from ultralytics_reid.errors import DatasetError

IMAGE = np.full((16, 8, 3), (10, 120, 200), np.uint8)
CROPS = [
    LabeledCrop(IMAGE, "a/1", camera=1, time=0.5, frame=7),
    LabeledCrop(IMAGE, "a:1", camera=2, time=1.5, frame=7),
    LabeledCrop(IMAGE, "a/1", camera=2),
    LabeledCrop(IMAGE, "Zoe", camera=2, time=2.0),
]


@pytest.mark.parametrize("form", ["market1501", "folders"])
def test_written_crops_are_read_as_they_were_given(tmp_path, form):
    crops = write_crops(tmp_path / "made" / "set", CROPS, different=[("a:1", "a/1")], form=form)
    given = sorted((c.identity, c.camera, -1 if c.time is None else c.time) for c in CROPS)
    times = np.nan_to_num(crops.times, nan=-1).tolist()
    assert sorted(zip([crops.names[i] for i in crops.identities], crops.cameras.tolist(), times, strict=True)) == given
    assert [{crops.names[i] for i in pair} for pair in crops.different] == [{"a:1", "a/1"}]
    assert crops.known_different().sum() == 2
    assert np.abs(read_crop(crops.paths[0]).astype(int) - IMAGE).max() < 5


def test_a_closed_set_differs_in_all_pairs(tmp_path):
    crops = write_crops(tmp_path / "set", CROPS)
    assert crops.different is None
    assert crops.known_different().sum() == 6


def test_names_that_would_share_a_folder_get_one_each(tmp_path):
    names = ["a-3", "a", "A", "a/", "train", "", "..", "ä é"]
    crops = write_crops(tmp_path / "set", [LabeledCrop(IMAGE, name) for name in names], form="folders")
    assert sorted(crops.names) == sorted(names)


def test_crops_without_cameras_are_written_as_folders_only(tmp_path):
    crops = [LabeledCrop(IMAGE, "a"), LabeledCrop(IMAGE, "b")]
    with pytest.raises(DatasetError, match=r"market1501 needs a camera for each crop.*folders"):
        write_crops(tmp_path / "set", crops)
    assert not write_crops(tmp_path / "set", crops, form="folders").has_cameras


def test_images_that_a_user_deletes_or_moves_are_read_as_they_lie(tmp_path):
    folder = tmp_path / "set"
    write_crops(folder, CROPS, different=[("a:1", "a/1"), ("a:1", "Zoe")], form="folders")
    zoe = next((folder / "Zoe").iterdir())
    zoe.rename(folder / "a_1" / zoe.name)
    crops = read_crops(folder)
    assert sorted(crops.names) == ["a/1", "a:1"]
    assert len(crops.different) == 1


def test_of_images_of_one_content_the_renamed_one_keeps_its_time(tmp_path):
    write_crops(tmp_path / "set", CROPS)
    (tmp_path / "set" / "0003_c2s1_000004_000004.jpg").rename(tmp_path / "set" / "0009_c2s1_renamed.jpg")
    found = read_crops(tmp_path / "set")
    assert dict(zip([p.name[:4] for p in found.paths], found.times.tolist(), strict=True))["0009"] == 2.0


def test_a_manifest_written_by_hand_gives_times_by_path(tmp_path):
    write_crops(tmp_path / "set", CROPS)
    path = tmp_path / "set" / "manifest.json"
    stored = json.loads(path.read_text())
    del stored["contents"]
    path.write_text(json.dumps(stored))
    assert np.nansum(read_crops(tmp_path / "set").times) == 4.0


@pytest.mark.parametrize(
    ("crops", "options", "said"),
    [
        ([], {}, "there are no crops"),
        (CROPS, {"form": "cuhk01"}, "form must be market1501 or folders"),
        (CROPS, {"different": [("Zoe", "nobody")]}, "'nobody' is the name of no crop"),
        ([CROPS[0], LabeledCrop(IMAGE, "b")], {"form": "folders"}, "crop 2 of 'b': all crops have a camera, or none"),
    ],
)
def test_after_an_error_nothing_is_left(tmp_path, crops, options, said):
    with pytest.raises(DatasetError, match=said):
        write_crops(tmp_path / "set", crops, **options)
    assert list(tmp_path.iterdir()) == []


def test_after_an_error_of_the_source_nothing_is_left(tmp_path):
    def broken():
        yield CROPS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_crops(tmp_path / "set", broken())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DatasetError, match="already exists and isn't an empty folder"):
        write_crops(tmp_path, CROPS)


def test_only_the_owner_reads_the_folder(tmp_path):
    write_crops(tmp_path / "set", CROPS)
    assert (tmp_path / "set").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format", "other", "is no manifest of crops"),
        ("version", 2, "of version 1"),
        ("different", [["a"]], "'different' must be null or a list of pairs"),
        ("times", {"x": "soon"}, "'times' must be an object of numbers, got 'soon'"),
        ("names", {"x": 3}, "'names' must be an object of texts"),
        ("contents", {"x": 3}, "'contents' must be an object of texts"),
        ("cameras", "yes", "'cameras' must be true or false"),
        ("form", "mars", "'form' in the manifest must be one of"),
    ],
)
def test_an_odd_manifest_is_refused_by_key(tmp_path, key, value, said):
    write_crops(tmp_path / "set", CROPS)
    path = tmp_path / "set" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DatasetError, match=said):
        read_crops(tmp_path / "set")
