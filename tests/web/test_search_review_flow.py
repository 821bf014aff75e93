"""Search, review and flow over HTTP: what comes back, and what is changed."""

import csv
import io
import json
import re
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")

import web_gallery
from gallery_visits import MORNING
from test_security import image_file

from ultralytics_reid import Filter
from ultralytics_reid.gallery.image_embedder import ImageRegion
from ultralytics_reid.gallery.image_io import decode_image
from ultralytics_reid.gallery.journeys import Journey, Stay
from ultralytics_reid.gallery.visit_columns import VisitColumns
from ultralytics_reid.web.flow import count_people, gates
from ultralytics_reid.web.zones import Zone

pytestmark = pytest.mark.extras
HOUR = 3600.0


def send(client, data=None):
    return client.post("/search/upload", files={"image": ("x.jpg", data or image_file())})


def test_an_uploaded_image_finds_its_person(client):
    at = send(client).headers["location"]
    text = client.get(f"{at}&by=cosine").text
    assert "person at" in text
    assert re.search(r'href="/people/(\d+)#visit', text)[1] == "3"
    image = client.get(re.search(r'image href="([^"]+)"', text)[1])
    assert image.headers["content-type"] == "image/jpeg"
    assert image.headers["cache-control"] == "no-store"


def test_a_box_is_taken_instead_of_the_detectors(client):
    at = send(client).headers["location"]
    assert 'value="15,0,45,120"' in client.get(at).text
    assert 'value="1,2,30,40"' in client.get(f"{at}&box=1,2,30,40").text
    for wrong in ("1,2,3", "1,2,x,30,40", "a,b,c,d", "9,9,1,1", "0,0,999,999", "1e9,0,1,1"):
        assert client.get(f"{at}&box={wrong}").status_code in (400, 409), wrong


def test_a_detectors_box_is_searched_for_in_whole_pixels_however_thin(client, stub_embedder, monkeypatch):
    thin = ImageRegion(np.array([10.6, 0.4, 11.4, 119.6], np.float32), "person", 0.9, 1)
    monkeypatch.setattr(type(stub_embedder), "locate", lambda self, image, classes=None: thin)
    found = client.get(send(client).headers["location"])
    assert found.status_code == 200
    assert 'value="10,0,12,120"' in found.text


def test_uploads_are_not_stored(client, path, gallery, monkeypatch):
    def to_disk(file):
        raise AssertionError("an upload was written to a temporary file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", to_disk)
    before = gallery.store.count(), sorted(p.name for p in path.parent.iterdir())
    data = image_file((1000, 1000), "PNG")
    assert len(data) > 2 * 2**20  # starlette's own parser writes files of 1 MB and more to the disk
    found = client.get(send(client, data).headers["location"])
    assert "person at" in found.text
    assert (gallery.store.count(), sorted(p.name for p in path.parent.iterdir())) == before


def test_an_upload_is_enrolled_by_name(client, gallery):
    name = re.search(r"upload=([^&]+)", send(client).headers["location"])[1]
    assert client.post("/search/enrol", data={"upload": name, "name": " ", "box": ""}).status_code == 400
    at = client.post("/search/enrol", data={"upload": name, "name": "Eve", "box": "1,1,50,100"}).headers["location"]
    assert gallery.find("Eve") == int(at.removeprefix("/people/"))
    assert "enrolled" in client.get(at).text


def test_who_is_in_the_dragged_box_is_enrolled(client, gallery):
    name = re.search(r"upload=([^&]+)", send(client).headers["location"])[1]
    client.post("/search/enrol", data={"upload": name, "name": "Eve", "box": "35,10,59,110", "store": "yes"})
    best = gallery.search(web_gallery.looks()[5], k=1, by="cosine")[0]
    assert (best.name, best.similarity) == ("Eve", pytest.approx(1, abs=1e-5))
    assert decode_image(gallery.crop(best.visit)).shape == (100, 24, 3)


def test_without_a_model_the_page_says_what_to_do(serve):
    client = serve(embedder=False)
    assert "--detector" in client.get("/search").text
    assert send(client).status_code == 409


def test_an_image_that_is_none_is_an_error(client):
    response = send(client, b"GIF89a nothing")
    assert response.status_code == 409
    assert "no JPEG" in response.text
    assert client.post("/search/upload", data={"by": "cosine"}).status_code == 400


def test_a_visit_finds_the_other_visits_of_its_person(client, gallery):
    visit = next(gallery.visits(Filter(identities=frozenset({9}))))
    text = client.get(f"/search?visit={visit.id}&by=cosine&all=yes").text
    ranked = [int(n) for n in re.findall(r'<li><a href="/people/(\d+)#visit', text)]
    of_them = gallery.visits(Filter(identities=frozenset({9, 10})), details=False)
    others = sorted(v.identity for v in of_them if v.id != visit.id)
    assert len(others) > 3
    assert sorted(ranked[: len(others)]) == others
    assert f"#visit-{visit.id}" not in text


def question(client):
    deadline = time.monotonic() + 30
    while "being looked for" in (text := client.get("/review").text) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = re.search(r'name="key" value="([^"]+)"', text)
    return found and found[1], text


def link_question(client):
    """The first question about a link; those about pairs come later."""
    while (key := question(client)[0]).startswith("pair"):
        client.post("/review/answer", data={"key": key, "answer": "skip"})
    return key


def test_what_keeps_pairs_from_being_found_is_said_beside_a_question(client):
    question(client)
    client.app.state.site.pairs.note = "Too few <people>."
    key, text = question(client)
    assert key
    assert "Too few &lt;people&gt;." in text


def test_answers_of_the_review_change_and_are_undone(client, gallery):
    before = {v.id: v.identity for v in gallery.visits(details=False)}
    key = link_question(client)
    visit = int(key.split("-")[1])
    done = client.post("/review/answer", data={"key": key, "answer": "different"})
    after = {v.id: v.identity for v in gallery.visits(details=False)}
    assert {v for v in after if after[v] != before[v]} == {visit}
    edit = re.search(r"done=(\d+)", done.headers["location"])[1]
    back = client.post("/changes/undo", data={"key": edit, "back": "/review"})
    assert back.headers["location"] == "/review"
    assert {v.id: v.identity for v in gallery.visits(details=False)} == before
    assert question(client)[0] == key


def test_a_confirmed_link_is_not_asked_again_and_is_a_label(client, gallery):
    key = link_question(client)
    client.post("/review/answer", data={"key": key, "answer": "same"})
    assert question(client)[0] != key
    rows = list(csv.DictReader(io.StringIO(client.get("/review/labels.csv").text)))
    assert {row["visit"] for row in rows} == {key.split("-")[1]}
    assert {row["same"] for row in rows} == {"1"}
    assert gallery.decisions()[0].kind == "same"


def test_what_the_reviewer_does_not_know_comes_later(client, gallery):
    key, _ = question(client)
    client.post("/review/answer", data={"key": key, "answer": "skip"})
    assert question(client)[0] != key
    assert gallery.decisions() == []
    client.post("/review/again")
    assert question(client)[0] == key


def test_an_answer_comes_too_late_after_another_tabs(client):
    key, _ = question(client)
    client.post("/review/answer", data={"key": key, "answer": "different"})
    late = client.post("/review/answer", data={"key": key, "answer": "different"})
    assert late.status_code == 409
    assert "meanwhile" in late.text


def test_of_two_answers_at_once_one_is_taken(client, gallery):
    key, site = link_question(client), client.app.state.site
    visit, identity = map(int, key.split("-")[1:])
    rest = [v.id for v in gallery.visits(Filter(identities=frozenset({identity})), details=False) if v.id != visit]
    with ThreadPoolExecutor(1) as other_tab:
        with site.changing:
            late = other_tab.submit(client.post, "/review/answer", data={"key": key, "answer": "same"})
            time.sleep(0.5)  # it is on its way
            gallery.decide("same", [[visit], rest])
        assert late.result().status_code == 409
    assert len(gallery.decisions()) == 1


def chart_data(client, query=""):
    text = client.get(f"/flow/charts?time=all{query}").text
    return json.loads(re.search(r'id="chart-data">(.*?)</script>', text)[1])


def test_flow_counts_people_and_ways(client, gallery):
    data, visits = chart_data(client), list(gallery.visits(details=False))
    on = Counter(v.camera for v in visits)
    # Each tour leads from the doorway over the corridor into the shop and back to the corridor, where the last person's
    # last visit has a number of its own.
    links = {(x["source"], x["target"]): x["value"] for x in data["sankey"]["links"]}
    assert links == {
        ("entered", "to doorway"): on["doorway"],
        ("from doorway", "to corridor"): on["doorway"],
        ("from corridor", "to shop"): on["shop"],
        ("from shop", "to corridor"): on["shop"] - 1,
        ("from corridor", "left"): on["shop"],
        ("from shop", "left"): 1,
        ("entered", "to corridor"): 1,
    }
    for text, people in zip(data["visitors"]["times"], data["visitors"]["people"], strict=True):
        start = MORNING + (int(text[:2]) - 8) * HOUR
        assert people == len({v.identity for v in visits if v.first < start + HOUR and v.last >= start}), text
    assert sum(data["visitors"]["people"]) >= len(gallery.individuals())
    assert data["dwell"]["cameras"] == ["corridor", "doorway", "shop"]
    assert max(chart_data(client, "&person=1")["visitors"]["people"]) == 1
    rows = list(csv.DictReader(io.StringIO(client.get("/flow/ways.csv?time=all").text)))
    ways = {(f"from {row['from']}", f"to {row['to']}"): int(row["count"]) for row in rows}
    assert ways == {way: count for way, count in links.items() if way[0] != "entered" and way[1] != "left"}


@pytest.mark.parametrize("kind", ["heatmap", "paths"])
def test_pictures_are_drawn_of_a_camera_and_of_a_person(kind, client):
    for query in ("on=shop&time=all", "on=shop&time=all&person=1"):
        response = client.get(f"/flow/{kind}.png?{query}")
        assert response.content.startswith(b"\x89PNG"), response.text
    assert client.get(f"/flow/{kind}.png?on=nowhere").status_code == 404
    assert client.get(f"/flow/{kind}.png?on=shop&from=2001-01-01&to=2001-01-02").status_code == 409


def stay(camera, first, last):
    return Stay(camera, first, last, np.zeros((0, 5), "f4"), ())


def test_an_hours_absence_is_an_exit_and_an_entrance():
    journey = Journey(1, "", (stay("a", 0, 10), stay("b", 20, 30), stay("b", 30 + HOUR, 40 + HOUR)))
    found = {g.camera: (g.entrances, g.exits) for g in gates([journey])}
    assert found == {"a": (1, 0), "b": (1, 2)}


def columns(*rows):
    ids, identities, firsts, lasts = (np.array(c) for c in zip(*rows, strict=True))
    none = np.zeros(len(ids), np.int64)
    return VisitColumns(ids, identities, ("a",), none, none, firsts.astype(float), lasts.astype(float), none + 1.0)


@pytest.mark.parametrize(
    ("zone", "texts", "people"),
    [
        ("UTC", ["1 Jan 00:00", "01:00", "02:00"], [1, 1, 2]),
        ("Asia/Kolkata", ["05:00", "06:00", "07:00"], [1, 1, 2]),  # 5 h 30 min ahead: its hours begin at half past
    ],
)
def test_people_are_counted_once_an_hour_in_the_viewers_hours(zone, texts, people):
    late = 2 * HOUR + 60
    visits = columns((1, 1, 0, 600), (2, 1, 900, late), (3, 2, late, late + 60))
    buckets, unit = count_people(visits, Zone(zone))
    assert ([b.text for b in buckets], unit) == (texts, "hour")
    assert [b.people for b in buckets] == people


def test_days_of_23_hours_are_days():
    start = 1_774_656_000.0  # 2026-03-28, 00:00 UTC; summer begins on the 29th
    visits = columns(*((n, n, start + n * 12 * HOUR, start + n * 12 * HOUR + 60) for n in range(40)))
    buckets, unit = count_people(visits, Zone("Europe/Berlin"))
    assert unit == "day"
    assert [b.people for b in buckets] == [2] * 20
    assert len({b.text for b in buckets}) == 20


def test_times_of_an_address_are_in_its_zone(client, gallery):
    first = min(v.first for v in gallery.visits(details=False))
    local = Zone("Asia/Tokyo").field(first + 60)
    at = f"/people?to={local}&tz=Asia/Tokyo"
    assert "1 person of" in client.get(at).text
    assert (
        "Nobody matches" in client.get(at.replace("Asia/Tokyo", "America/Lima").replace(local, "2026-11-25T00:00")).text
    )
