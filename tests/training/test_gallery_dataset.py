"""Crops of a gallery: what people merged and split are labels, and nothing is known of the rest."""

import time
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ultralytics_reid.cli import main
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.gallery.records import Filter, Records, Visit, new_ids, nothing
from ultralytics_reid.gallery.relinking.decisions import DIFFERENT, SAME, record
from ultralytics_reid.gallery.store import open_store
from ultralytics_reid.training.gallery_dataset import dataset_of_gallery
from ultralytics_reid.training.stored_embeddings import read_embeddings


def jpeg(value):
    return cv2.imencode(".jpg", np.full((40, 20, 3), value, np.uint8))[1].tobytes()


def gallery(path, visits):
    with closing(open_store(path, 4, "toy")) as store:
        store.reserve(20)
        ids = np.array([v.id for v in visits])
        columns = (
            *(new_ids(len(visits)), np.eye(4, dtype="f4")[ids % 4], np.array([v.identity for v in visits])),
            *(ids, tuple(v.camera for v in visits), np.array([v.first for v in visits])),
            *(np.zeros(len(visits), np.int64), np.ones(len(visits), "f4")),
        )
        store.upsert(Records(*columns), visits)
    return path


def visit(number, identity, first, *, camera="door", probability=1.0, crop=True):
    return Visit(
        number, identity, camera, 0, first, first + 5, probability=probability, crop=jpeg(number) if crop else b""
    )


def groups(found):
    """Running numbers of the crops, which are those of the visits, by identity."""
    numbers = [int(p.stem.rpartition("_")[2]) for p in found.paths]
    named = {}
    for number, identity in zip(numbers, found.identities.tolist(), strict=True):
        named.setdefault(identity, set()).add(number)
    return named


def test_visits_at_one_time_on_one_camera_are_different_and_others_unknown(tmp_path):
    path = gallery(tmp_path / "site.db", [visit(1, 1, 0), visit(2, 2, 2), visit(3, 3, 100)])
    found = dataset_of_gallery(path, tmp_path / "data", form="market1501")
    of = {n: i for i, numbers in groups(found).items() for n in numbers}
    assert found.different.tolist() == [sorted((of[1], of[2]))]


@pytest.mark.parametrize(
    "option", ["--model x.pt", "--tracker x.yaml", "--classes car", "--imgsz 640", "--max-crops 5", "--no-refine"]
)
def test_options_of_videos_are_refused_and_nothing_is_written(tmp_path, option, capsys):
    path, out = gallery(tmp_path / "site.db", [visit(1, 1, 0)]), tmp_path / "data"
    asked = ["dataset", "--gallery", str(path), "--out", str(out)]
    assert main([*asked, *option.split()]) == 1
    assert f"{option.split()[0]} is for videos" in capsys.readouterr().err
    assert not out.exists()
    assert main(asked) == 0


def test_unsure_links_are_no_labels(tmp_path):
    visits = [visit(1, 1, 0), visit(2, 1, 100, probability=0.99), visit(3, 1, 200, probability=0.6)]
    found = dataset_of_gallery(gallery(tmp_path / "site.db", visits), tmp_path / "data", form="folders")
    assert sorted(map(sorted, groups(found).values())) == [[1, 2], [3]]


def test_merges_and_splits_of_people_are_labels(tmp_path):
    visits = [visit(1, 1, 0), visit(2, 1, 100, probability=0.6), visit(3, 2, 200), visit(4, 3, 300)]
    path = gallery(tmp_path / "site.db", visits)
    with closing(open_store(path)) as store:
        record(store, SAME, [[1], [2]], time.time_ns())
        record(store, DIFFERENT, [[3], [4]], time.time_ns())
    found = dataset_of_gallery(path, tmp_path / "data", form="market1501")
    of = {n: i for i, numbers in groups(found).items() for n in numbers}
    assert of[1] == of[2]
    assert found.different.tolist() == [sorted((of[3], of[4]))]


def test_identities_of_two_names_are_different(tmp_path):
    path = gallery(tmp_path / "site.db", [visit(1, 1, 0), visit(2, 2, 100)])
    with closing(open_store(path)) as store:
        store.name(1, "Ada")
        store.name(2, "Eve")
    assert len(dataset_of_gallery(path, tmp_path / "data", form="market1501").different) == 1


def test_the_gallery_s_embeddings_lie_beside_the_crops(tmp_path):
    # By name, the third crop lies before the second: it shows the first one's identity.
    visits = [visit(1, 1, 0), visit(2, 2, 2), visit(3, 1, 100, probability=0.99)]
    path = gallery(tmp_path / "site.db", visits)
    with closing(open_store(path)) as store:
        known = store.scan(Filter(visits=frozenset({2})))
        (record,) = [replace(r, ids=new_ids(1), embeddings=np.eye(4, dtype="f4")[:1]) for r in known]
        store.upsert(record)
    found = dataset_of_gallery(path, tmp_path / "data", form="market1501")
    held = read_embeddings(tmp_path / "data")
    assert held.fingerprint == "toy"
    numbers = [int(p.stem.rpartition("_")[2]) for p in found.paths]
    assert numbers == [1, 3, 2]
    means = [[0, 1, 0, 0], [0, 0, 0, 1], [0.5, 0, 0.5, 0]]
    np.testing.assert_allclose(held.of(found.written), means, atol=2e-3)


def test_without_a_visit_s_embedding_none_are_written(tmp_path):
    path = gallery(tmp_path / "site.db", [visit(1, 1, 0), visit(2, 2, 2)])
    with closing(open_store(path)) as store:
        store.upsert(nothing(4), [visit(3, 3, 50)])
    assert len(dataset_of_gallery(path, tmp_path / "data", form="market1501")) == 3
    assert read_embeddings(tmp_path / "data") is None


def test_a_gallery_without_crops_says_how_to_get_them(tmp_path):
    path = gallery(tmp_path / "site.db", [visit(1, 1, 0, crop=False)])
    with pytest.raises(DatasetError, match="store_crops: True"):
        dataset_of_gallery(path, tmp_path / "data", form="market1501")
