"""Corrections in the page: what they change, what they say before, and how they are undone."""

import re
from dataclasses import replace
from urllib.parse import quote

import pytest
import web_gallery

from ultralytics_reid import Filter
from ultralytics_reid.gallery.records import nothing

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")

from markupsafe import escape

pytestmark = pytest.mark.extras


def of(gallery):
    return {v.id: v.identity for v in gallery.visits(details=False)}


def undo_key(response):
    return re.search(r"done=(\d+)", response.headers["location"])[1]


def test_a_merge_is_previewed_made_and_undone(client, gallery):
    before = of(gallery), gallery.store.names()
    preview = client.get("/people/9/merge?with=10").text
    assert "Person 9" in preview
    assert "Person 10" in preview
    assert of(gallery) == before[0]
    done = client.post("/people/9/merge", data={"gone": "10"})
    assert 10 not in of(gallery).values()
    assert client.get(done.headers["location"]).text.count("Merge done") == 1
    assert client.get("/people/10").status_code == 404
    client.post("/changes/undo", data={"key": undo_key(done)})
    assert (of(gallery), gallery.store.names()) == before


def test_people_who_were_there_at_once_are_merged_only_by_force(client, gallery, path):
    store = gallery.store
    one = next(v for v in store.visits(Filter(identities=frozenset({2}))))
    store.upsert(*_as_other(one, 3))
    assert "at the same time" in client.get("/people/2/merge?with=3").text
    assert client.post("/people/2/merge", data={"gone": "3"}).status_code == 409
    assert 3 in of(gallery).values()
    assert client.post("/people/2/merge", data={"gone": "3", "force": "yes"}).status_code == 303


def _as_other(visit, identity):
    other = replace(visit, id=visit.id + 10_000, identity=identity)
    return web_gallery.sightings(other, web_gallery.looks()[identity]), [other]


def test_a_split_is_previewed_made_and_undone(client, gallery):
    before = of(gallery)
    visits = [v for v, i in before.items() if i == 1]
    chosen = visits[-2:]
    preview = client.get(f"/people/1/split?visit={chosen[0]}&visit={chosen[1]}").text
    assert "2 visits of a new person" in preview
    done = client.post("/people/1/split", data={"visit": [str(v) for v in chosen]})
    new = {of(gallery)[v] for v in chosen}
    assert len(new) == 1
    assert not new & set(before.values())
    client.post("/changes/undo", data={"key": undo_key(done)})
    assert of(gallery) == before


def test_split_here_takes_a_visit_and_all_after_it(client, gallery):
    own = sorted((v for v in gallery.visits(details=False) if v.identity == 1), key=lambda v: v.first)
    text = client.get(f"/people/1/split?since={own[2].id}").text
    (sent,) = re.findall(r'type="hidden" name="visit" value="([\d,]+)"', text)
    assert {int(n) for n in sent.split(",")} == {v.id for v in own[2:]}


def test_a_split_of_more_visits_than_a_form_may_have_fields(client, gallery):
    one = next(v for v in gallery.visits() if v.identity == 1)
    more = [
        replace(one, id=one.id + 10_000 + n, first=one.last + 100 * n, last=one.last + 100 * n) for n in range(2_100)
    ]
    gallery.store.upsert(web_gallery.sightings(one, web_gallery.looks()[1]), more)
    text = client.get(f"/people/1/split?since={more[50].id}").text
    sent = re.findall(r'type="hidden" name="visit" value="([\d,]+)"', text)
    assert client.post("/people/1/split", data={"visit": sent}).status_code == 303
    after = of(gallery)
    assert {after[v.id] for v in more[:50]} == {1}
    (new,) = {after[v.id] for v in more[50:]}
    assert new != 1


def test_a_deletion_says_what_goes_and_is_undone(client, gallery):
    before = of(gallery)
    count = gallery.store.count(Filter(identities=frozenset({1})))
    assert f"{count} sightings" in client.get("/people/1/delete").text
    done = client.post("/people/1/delete")
    assert 1 not in of(gallery).values()
    assert client.get("/people/1").status_code == 404
    client.post("/changes/undo", data={"key": undo_key(done)})
    assert of(gallery) == before
    assert gallery.store.names() == {1: "Ada"}


def test_a_deletion_for_good_leaves_nothing(client, gallery, path):
    client.post("/people/1/delete", data={"for_good": "yes"})
    assert gallery.edits() == []
    assert b"Ada" not in path.read_bytes()


def test_what_was_deleted_is_erased_when_the_server_ends(path, serve, gallery):
    client = serve()
    client.post("/people/1/delete")
    assert gallery.store.blobs("trash/")
    serve.end(client)
    assert not gallery.store.blobs("trash/")


def test_a_name_is_given_taken_away_and_undone(client, gallery):
    assert "will be called" in client.get("/people/2/rename?name=Bob").text
    client.post("/people/2/rename", data={"name": " Bob "})
    assert gallery.store.names()[2] == "Bob"
    assert "is called" in client.get("/people/3/rename?name=Bob").text
    assert client.post("/people/3/rename", data={"name": "Bob"}).status_code == 409
    done = client.post("/people/2/rename", data={"name": ""})
    assert 2 not in gallery.store.names()
    client.post("/changes/undo", data={"key": undo_key(done)})
    assert gallery.store.names()[2] == "Bob"


def test_two_tabs_do_not_change_the_same_twice(client, gallery):
    client.post("/people/9/merge", data={"gone": "10"})
    stale = client.post("/people/9/merge", data={"gone": "10"})
    assert stale.status_code == 404
    assert "merged or deleted meanwhile" in stale.text
    key = gallery.edits()[0].key
    assert client.post("/changes/undo", data={"key": key}).status_code == 303
    assert "undone before" in client.post("/changes/undo", data={"key": key}).text


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("/people/2/rename", {"name": "Bob"}),
        ("/people/9/merge", {"gone": "10"}),
        ("/people/1/split", {"visit": "1"}),
    ],
)
def test_what_is_offered_for_undo_is_ones_own_change(address, data, client, gallery, monkeypatch):
    served, change = client.app.state.site.gallery, address.rpartition("/")[2]
    made = getattr(served, change)

    def with_another(*args, **kwargs):
        edit = made(*args, **kwargs)
        gallery.rename(5, "Somebody", keep_names=True)  # another person's, at the same time
        return edit

    monkeypatch.setattr(served, change, with_another)
    key = undo_key(client.post(address, data=data))
    assert [edit.kind for edit in gallery.edits() if edit.key == key and 5 not in edit.identities] == [change]


@pytest.mark.parametrize("gone", [[], ["9"]])
def test_a_merge_with_nobody_else_says_so_and_offers_no_undo(gone, client, gallery):
    client.post("/people/2/rename", data={"name": "Bob"})
    refused = client.post("/people/9/merge", data={"gone": gone})
    assert (refused.status_code, "Name another person" in refused.text) == (400, True)
    assert [edit.kind for edit in gallery.edits()] == ["rename"]


def test_undo_goes_back_to_its_own_pages_only(client):
    for n, back in enumerate(("//evil.example", "https://evil.example", "/\\evil.example")):
        done = client.post("/people/2/rename", data={"name": f"Bob {n}"})
        response = client.post("/changes/undo", data={"key": undo_key(done), "back": back})
        assert response.headers["location"].startswith(("/people/", "/changes"))


@pytest.mark.parametrize("name", [web_gallery.HOSTILE, web_gallery.HOSTILE_CAMERA, "{{7*7}}", 'O\'Brien & "Söhne" <b>'])
def test_hostile_names_are_shown_as_text(name, client, gallery):
    gallery.rename(2, name, keep_names=True)
    visit, *others = gallery.visits(Filter(identities=frozenset({2})))
    gallery.store.upsert(nothing(web_gallery.DIM), [replace(visit, camera=web_gallery.HOSTILE_CAMERA)])
    client.app.state.site.directory.current()
    pages = dict.fromkeys(
        ("/people", "/people/2", "/people/2/merge?with=1", "/people/2/delete", "/people/2/split",
         f"/people?q={quote(name[:20])}", "/search?identity=2", "/flow?time=all&person=2", "/changes",
         f"/search?visit={others[0].id}&all=yes", "/people/7/similar"),
        name,
    )  # fmt: skip
    pages |= dict.fromkeys(("/flow/charts?time=all", "/status/facts", "/live"), web_gallery.HOSTILE_CAMERA)
    pages |= {"/review": "Review", f"/people/2/merge?with={quote(name + 'x')}": repr(f"{name}x")}
    for page, shown in pages.items():
        response = client.get(page)
        text = response.text
        assert response.status_code == (404 if "with=" in page and shown != name else 200), page
        assert str(escape(shown)) in text, page
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page
        assert "</script>alert" not in text, page
        assert "<b>" not in text, page


@pytest.mark.parametrize("name", ["a\x00b", "line\nbreak", "x" * 201, "\u202egnp.exe"])
def test_names_that_can_not_be_stored_are_refused(name, client, gallery):
    assert client.post("/people/2/rename", data={"name": name}).status_code == 409
    assert 2 not in gallery.store.names()


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("/people/1/split", {"visit": "x"}),
        ("/people/1/split", {}),
        ("/people/1/split", {"visit": "999999"}),
        ("/people/1/merge", {"gone": "9" * 30}),
        ("/people/1/merge", {"gone": "77"}),
        ("/people/1/merge", {"gone": str(2**63 - 1)}),
        ("/people/1/split", {"visit": str(2**63)}),
        ("/people/77/delete", {}),
        ("/changes/undo", {"key": "../1"}),
        ("/changes/undo", {}),
        ("/review/answer", {"answer": "maybe"}),
        ("/review/answer", {"answer": "same", "key": "link-1-1"}),
        ("/search/enrol", {"name": "Eve", "upload": "../../etc/passwd"}),
    ],
)
def test_forms_with_nonsense_change_nothing(address, data, client, gallery):
    before = of(gallery)
    assert client.post(address, data=data).status_code in (400, 404, 409)
    assert of(gallery) == before


def test_a_gallery_that_others_write_is_followed(client, gallery):
    visit = next(gallery.visits(Filter(identities=frozenset({1}))))
    gallery.store.upsert(*_as_other(visit, 33))
    assert client.get("/people/33").status_code == 200
