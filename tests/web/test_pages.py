"""Every page answers, and shows what is in the gallery."""

import time

import pytest

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")

from ultralytics_reid.gallery.edits import note
from ultralytics_reid.gallery.store import open_store

pytestmark = pytest.mark.extras

PAGES = (
    "/people", "/people?camera=doorway&sort=visits&named=yes", "/people?q=ada", "/people?sort=name", "/people/1",
    "/people/1/similar", "/people/1/rename?name=Bob", "/people/9/merge?with=10", "/people/2/merge?with=Ada",
    "/people/1/split", "/people/1/delete", "/search", "/search?identity=1", "/search?visit=1",
    "/search?identity=1&by=cosine", "/search?visit=1&by=euclidean&camera=shop", "/flow", "/flow?time=all",
    "/flow/charts", "/flow/charts?time=all&camera=shop", "/flow/ways.csv", "/flow/dwell.csv", "/flow/visitors.csv",
    "/flow/gates.csv", "/flow/visits.csv", "/flow/stays.csv?time=all", "/review", "/review/labels.csv", "/live",
    "/live/now", "/changes", "/status", "/status/facts", "/static/site.css",
    "/static/vendor/htmx-4.0.1.min.js", "/visits/1/image",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_page_answers(page, client):
    response = client.get(page)
    assert response.status_code == 200, response.text[:2000]


def test_a_fault_of_a_page_shows_no_details(client, monkeypatch):
    def fail():
        raise ValueError("secret detail")

    monkeypatch.setattr(client.app.state.site.directory, "get", fail)
    response = client.get("/people")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "The server&#39;s log says what went wrong." in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'self'")


def test_an_empty_gallery_says_what_to_do(serve, tmp_path):
    open_store(tmp_path / "empty.db", 64, "test").close()
    client = serve(uri=tmp_path / "empty.db")
    for page, hint in {
        "/people": "tracker=reid_gallery.yaml",
        "/flow": "Track with this gallery",
        "/review": "Links appear here",
        "/live": "camera_id",
        "/changes": "Nothing was changed",
        "/search": "Or start from",
        "/status/facts": "nothing yet",
    }.items():
        assert hint in client.get(page).text, page


def test_the_status_counts_all_changes_and_decisions(client, gallery):
    for n in range(1, 202):
        note(gallery.store, "rename", [1], n)
    gallery.decide("same", [[1], [2]])
    assert "202 changes in the log, 1 decisions" in client.get("/status/facts").text


def test_pages_follow_what_other_programs_write(client, gallery):
    client.get("/people")
    gallery.rename(2, "Zoe")
    deadline = time.monotonic() + 20
    while "Zoe" not in client.get("/people").text and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "Zoe" in client.get("/people").text
