"""The same pages over PostgreSQL, and what a server has that a file hasn't."""

import pytest

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("psycopg", reason="needs psycopg")

import postgres_server
import web_gallery
from test_page_corrections import of, undo_key
from test_pages import PAGES

from ultralytics_reid import Gallery

pytestmark = pytest.mark.extras


@pytest.fixture(scope="module")
def uri():
    server = postgres_server.session_server()
    uri = server.uri(server.new_database())
    web_gallery.fill(uri)
    return uri


@pytest.fixture
def client(serve, uri, tmp_path):
    return serve(uri=uri, audit=tmp_path / "audit.jsonl")


@pytest.mark.slow
def test_every_page_answers(client):
    for page in PAGES:
        response = client.get(page)
        assert response.status_code == 200, (page, response.text[:500])


def test_the_password_is_on_no_page(client):
    from urllib.parse import quote

    for page in ("/status/facts", "/people", "/no-such-page"):
        text = client.get(page).text
        assert postgres_server.PASSWORD not in text
        assert quote(postgres_server.PASSWORD, safe="") not in text


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("/people/9/merge", {"gone": "10"}),
        ("/people/1/split", {"visit": "1"}),
        ("/people/1/delete", {}),
        ("/people/1/rename", {"name": "Grace"}),
    ],
)
def test_changes_are_made_and_undone(address, data, client, uri):
    with Gallery(uri) as gallery:
        before = of(gallery), gallery.store.names()
        done = client.post(address, data=data)
        assert done.status_code == 303, done.text
        assert (of(gallery), gallery.store.names()) != before
        assert client.post("/changes/undo", data={"key": undo_key(done)}).status_code == 303
        assert (of(gallery), gallery.store.names()) == before


def test_what_others_write_is_noticed(client, uri):
    site = client.app.state.site
    first = site.directory.current()
    assert site.directory.current() is first
    with Gallery(uri) as gallery:
        gallery.rename(5, "Somebody")
        assert site.directory.current().names[5] == "Somebody"
        gallery.rename(5, "")
