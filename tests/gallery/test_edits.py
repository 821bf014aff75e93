"""The log of changes by hand: each is undone from it, and what may not stay doesn't."""

import numpy as np
import pytest
from gallery_engines import a_visit, rows

from ultralytics_reid import Filter, Gallery, GalleryError
from ultralytics_reid.gallery.store import open_store

ADA, BOB, CID = 1, 2, 3


def add(store, identity, first):
    number = int(identity * 1000 + first)
    visit = a_visit(number, identity=identity, first=1.7e9 + first, crop=b"crop", path=np.ones((2, 5), np.float32))
    records = rows(3, number, identities=identity, visits=number, cameras="front door", times=visit.first)
    store.upsert(records, [visit])


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "site.db"
    store = open_store(path, 8, "test")
    for identity, first in ((ADA, 0.0), (ADA, 100.0), (BOB, 200.0)):
        add(store, identity, first)
    store.reserve(3)
    store.name(ADA, "Ada")
    store.put_blob("evidence/front door/5", b"learned")
    store.close()
    return path


def holds_ada(path):
    """Whether her name is in any of the gallery's files."""
    return any(b"Ada" in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def content(gallery):
    """Everything a user sees: visits, sightings, names, decisions, what cameras learned."""
    store = gallery.store
    visits = [(v.id, v.identity, v.camera, v.first, v.crop, v.path.tolist()) for v in store.visits()]
    sightings = sorted((i, e.tolist()) for r in store.scan() for i, e in zip(r.ids.tolist(), r.embeddings, strict=True))
    identities = sorted(
        (i, v) for r in store.scan() for i, v in zip(r.ids.tolist(), r.identities.tolist(), strict=True)
    )
    return visits, sightings, identities, store.names(), len(gallery.decisions()), store.blobs("evidence/")


CHANGES = {
    "rename": lambda g: g.rename(ADA, "Grace", keep_names=True),
    "remove a name": lambda g: g.rename(ADA, "", keep_names=True),
    "merge": lambda g: g.merge(BOB, ADA, keep_names=True),
    "split": lambda g: g.split(ADA, [1100]),
    "delete": lambda g: g.discard(ADA),
    "decide": lambda g: g.decide("different", [[1000], [2200]]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_undone_change_leaves_everything_as_before(change, path):
    with Gallery(path) as gallery:
        before = content(gallery)
        made = CHANGES[change](gallery)
        assert content(gallery) != before
        (edit,) = gallery.edits()
        assert edit == made
        assert edit.undoable
        gallery.undo(edit.key)
        assert content(gallery) == before
        assert not gallery.edits()[0].undoable


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_undone_once(change, path):
    with Gallery(path) as gallery:
        CHANGES[change](gallery)
        key = gallery.edits()[0].key
        gallery.undo(key)
        with pytest.raises(GalleryError, match="undone before"):
            gallery.undo(key)


def test_running_trackers_are_told_of_an_undone_merge(path):
    with Gallery(path) as gallery:
        gallery.merge(BOB, ADA)
        assert gallery.store.blobs("merged/")
        gallery.undo(gallery.edits()[0].key)
        assert (gallery.store.blobs("merged/"), len(gallery.store.blobs("moved/"))) == ([], 1)


def test_visits_that_were_moved_since_stay_where_they_are(path):
    with Gallery(path) as gallery:
        gallery.merge(BOB, ADA)
        new = gallery.split(BOB, [1100]).identities[1]
        gallery.undo(gallery.edits()[1].key)
        assert {v.id: v.identity for v in gallery.visits()} == {1000: ADA, 1100: new, 2200: BOB}


def test_a_name_that_another_has_by_now_is_not_given_twice(path):
    with Gallery(path) as gallery:
        gallery.rename(ADA, "Grace", keep_names=True)
        gallery.rename(BOB, "Ada", keep_names=True)
        with pytest.raises(GalleryError, match="identity 2 has the name"):
            gallery.undo(gallery.edits()[1].key)


def test_discarded_identities_are_found_by_nothing(path):
    with Gallery(path) as gallery:
        gallery.discard(ADA)
        assert [i.identity_id for i in gallery.individuals()] == [BOB]
        assert gallery.store.count(Filter(identities=frozenset({ADA}))) == 0


def test_emptied_trash_is_gone_with_names_and_log(path):
    with Gallery(path) as gallery:
        edit = gallery.discard(ADA)
        assert gallery.empty_trash(seconds=3600) == 0
        assert gallery.empty_trash() > 0
        with pytest.raises(GalleryError):
            gallery.undo(edit.key)
        assert (gallery.store.blobs("trash/"), gallery.edits()) == ([], [])
    assert b"Ada" not in path.read_bytes()


@pytest.mark.parametrize("kept", [ADA, BOB])
def test_the_name_of_a_deleted_person_is_gone_from_an_undone_merge(path, kept):
    with Gallery(path) as gallery:
        add(gallery.store, CID, 300.0)
        gallery.rename(CID, "Cid")
        merge = gallery.merge(kept, *{ADA, BOB, CID} - {kept}, keep_names=True)
        gallery.undo(merge.key)
        assert holds_ada(path)
        gallery.delete(Filter(identities=frozenset({ADA})))
        (left,) = gallery.edits()
        assert left.identities == merge.identities
        assert left.names == {CID: ("Cid", "")}
    assert not holds_ada(path)


def test_the_name_of_a_deleted_person_is_gone_from_a_merge_that_can_be_undone(path):
    with Gallery(path) as gallery:
        gallery.merge(BOB, ADA, keep_names=True)
        gallery.rename(BOB, "Bob")
        assert holds_ada(path)
        gallery.delete(Filter(until=1.7e9 + 150))
        assert [edit.kind for edit in gallery.edits()] == ["merge"]
    assert not holds_ada(path)


def test_a_merge_is_undone_with_its_names_after_others_were_deleted(path):
    with Gallery(path) as gallery:
        add(gallery.store, CID, 300.0)
        merge = gallery.merge(BOB, ADA, keep_names=True)
        gallery.delete(Filter(identities=frozenset({CID})))
        gallery.undo(merge.key)
        assert gallery.store.names() == {ADA: "Ada"}


def test_a_damaged_log_and_trash_are_refused_or_left_out(path):
    with Gallery(path) as gallery:
        edit = gallery.discard(ADA)
        for key in gallery.store.blobs("trash/"):
            gallery.store.put_blob(key, b"PK damaged")
        with pytest.raises(GalleryError, match="damaged"):
            gallery.undo(edit.key)
        gallery.store.put_blob(f"edited/{edit.key}", b"[1]")
        assert gallery.edits() == []
        with pytest.raises(GalleryError, match="no change"):
            gallery.undo("../../etc/passwd")


def test_columns_hold_what_visits_do(path):
    with Gallery(path) as gallery:
        columns, visits = gallery.visit_columns(), list(gallery.visits(details=False))
        assert columns.ids.tolist() == [v.id for v in visits]
        assert [columns.names[n] for n in columns.cameras] == [v.camera for v in visits]
        assert list(zip(columns.firsts, columns.lasts, strict=True)) == [(v.first, v.last) for v in visits]
        assert len(gallery.visit_columns(Filter(identities=frozenset({BOB})))) == 1


def test_a_search_by_visit_leaves_the_visit_out(path):
    with Gallery(path) as gallery:
        assert {m.visit for m in gallery.search_visit(1000, by="cosine")} == {1100, 2200}
        with pytest.raises(GalleryError, match="no visit 7"):
            gallery.search_visit(7)
