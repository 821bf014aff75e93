"""A gallery carried over to a head: the same identities, visits and names, other embeddings."""

from contextlib import closing

import numpy as np
import pytest

from ultralytics_reid import Gallery
from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.cli import main
from ultralytics_reid.embedders.head import LinearHead
from ultralytics_reid.errors import ConfigError, GalleryError
from ultralytics_reid.gallery.records import Records, Visit, new_ids
from ultralytics_reid.gallery.reembedding import mapped_evidence, reembed
from ultralytics_reid.gallery.store import open_store

BASE = "osnet:abc/256x128-imagenet/6"


def head_of(base=BASE, seed=0):
    rng = np.random.default_rng(seed)
    return LinearHead(np.full(6, 0.05, "f4"), rng.normal(size=(6, 3)).astype("f4"), base)


@pytest.fixture
def gallery(tmp_path):
    path = tmp_path / "site.db"
    rng = np.random.default_rng(1)
    with closing(open_store(path, 6, BASE)) as store:
        first = store.reserve(2)
        store.reserve(3)  # given, and not in the gallery any more
        rows = rng.normal(size=(4, 6)).astype("f4")
        who = np.array([first, first, first + 1, first + 1])
        visits = [Visit(11, first, "door", 0, 10.0, 12.0), Visit(12, first + 1, "yard", 0, 20.0, 21.0, crop=b"jpeg")]
        records = Records(
            new_ids(4),
            rows / np.linalg.norm(rows, axis=1, keepdims=True),
            who,
            np.array([11, 11, 12, 12]),
            ("door", "door", "yard", "yard"),
            np.arange(4) + 10.0,
            np.zeros(4, np.int64),
            np.ones(4, "f4"),
        )
        store.upsert(records, visits)
        store.name(first, "Ada")
        store.put_blob("recipe", b'{"model": "osnet"}')
    return path


def test_embeddings_are_mapped_and_all_else_stays(gallery, tmp_path):
    head, out = head_of(), tmp_path / "new.db"
    assert reembed(gallery, head, out, name="mine.safetensors") == (4, 2)
    with closing(open_store(gallery)) as old, closing(open_store(out)) as new:
        before, after = (Records.joined(list(s.scan()), s.dim) for s in (old, new))
        np.testing.assert_allclose(after.embeddings, head(before.embeddings), atol=2e-3)
        np.testing.assert_array_equal(before.ids, after.ids)
        np.testing.assert_array_equal(before.identities, after.identities)
        assert [(v.id, v.identity, v.crop) for v in old.visits()] == [(v.id, v.identity, v.crop) for v in new.visits()]
        assert new.names() == old.names()
        assert (new.dim, new.fingerprint) == (3, head.fingerprint)
        assert b"mine.safetensors" in new.blob("recipe")
        assert old.fingerprint == BASE


def test_identities_are_not_given_again(gallery, tmp_path):
    reembed(gallery, head_of(), tmp_path / "new.db")
    with closing(open_store(gallery)) as old, closing(open_store(tmp_path / "new.db")) as new:
        assert new.reserve(1) == old.reserve(1)


def test_what_was_deleted_is_not_carried_over(gallery, tmp_path):
    """Neither embeddings of the old embedder, which can't be restored, nor the name of who is gone."""
    with Gallery(gallery) as before:
        before.discard(min(before.store.names()))
        second = max(v.identity for v in before.store.visits())
        before.rename(second, "Bob", keep_names=True)
    reembed(gallery, head_of(), tmp_path / "new.db")
    with Gallery(tmp_path / "new.db") as after:
        assert after.store.blobs("trash/") == []
        assert [(e.kind, e.undoable) for e in after.edits()] == [("rename", True)]
        assert after.empty_trash() == 0
    assert b"Ada" not in (tmp_path / "new.db").read_bytes()


def test_a_gallery_of_another_embedder_is_refused_and_nothing_written(gallery, tmp_path):
    with pytest.raises(ConfigError, match="trained on embeddings by resnet"):
        reembed(gallery, head_of("resnet/1/6"), tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_an_existing_file_is_not_replaced(gallery, tmp_path):
    (tmp_path / "new.db").write_text("mine")
    with pytest.raises(GalleryError, match="already exists"):
        reembed(gallery, head_of(), tmp_path / "new.db")
    assert (tmp_path / "new.db").read_text() == "mine"


def test_a_failure_leaves_no_new_gallery(gallery, tmp_path, monkeypatch):
    def fail(*_):
        raise GalleryError("disk full")

    monkeypatch.setattr("ultralytics_reid.gallery.reembedding._copy_files", fail)
    with pytest.raises(GalleryError, match="disk full"):
        reembed(gallery, head_of(), tmp_path / "new.db")
    assert not list(tmp_path.glob("new.db*"))


def test_the_old_gallery_is_refused_with_the_command(gallery):
    with pytest.raises(GalleryError, match=r"ultralytics-reid reembed --gallery .*site\.db --head FILE --out NEW"):
        open_store(gallery, 3, head_of().fingerprint)
    reembed(gallery, head_of(), gallery.with_name("new.db"))
    with pytest.raises(GalleryError, match="name the head that it was made with: --head"):
        open_store(gallery.with_name("new.db"), 6, BASE)
    with pytest.raises(GalleryError, match="use another gallery"):
        open_store(gallery, 3, "resnet+head:12345678/1/3")


def test_learned_statistics_follow_the_map():
    rng = np.random.default_rng(0)
    head = head_of()
    who = rng.normal(size=(40, 1, 6)) + 0.05 * rng.normal(size=(40, 30, 6))
    rows = (who / np.linalg.norm(who, axis=2, keepdims=True)).astype("f4")
    residuals = (rows - rows.mean(axis=1, keepdims=True)).reshape(-1, 6)
    means = rows.mean(axis=1)
    pairs = rows[:, :2]
    found = mapped_evidence(LearnedStatistics(residuals.T @ residuals, len(residuals), pairs, pairs, means), head)
    mapped = head(rows.reshape(-1, 6)).reshape(40, 30, 3)
    exact = (mapped - mapped.mean(axis=1, keepdims=True)).reshape(-1, 3)
    np.testing.assert_allclose(found.genuine, mapped[:, :2], atol=1e-5)
    # The scale of vectors differs, which a scatter of unit vectors can't tell: the magnitude agrees, and directions.
    assert np.trace(found.scatter) == pytest.approx(np.trace(exact.T @ exact), rel=1.0)


@pytest.mark.extras
def test_the_command_names_what_it_wrote(gallery, tmp_path, capsys):
    pytest.importorskip("safetensors")
    from ultralytics_reid.training.result import save_tensors

    head, path = head_of(), tmp_path / "mine.safetensors"
    save_tensors(path, {"center": head.center, "matrix": head.matrix}, {"kind": "head", "base": BASE})
    command = ["reembed", "--gallery", str(gallery), "--head", str(path), "--out", str(tmp_path / "new.db")]
    with pytest.raises(SystemExit):
        main([*command, "--index", "milvus://localhost:1"])  # it would do nothing
    assert main(command) == 0
    assert "4 embeddings of 2 visits" in capsys.readouterr().out
    assert main(command) == 1
    assert "already exists" in capsys.readouterr().err
