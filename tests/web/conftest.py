"""The pages of a small gallery, and a client that has the cookie and comes from the pages themselves.

What the extra `web` brings is imported in fixtures: the tests are skipped where it is missing.
"""

import shutil
from pathlib import Path

import pytest
import web_gallery

from ultralytics_reid.gallery.gallery import Gallery


class StubEmbedder:
    """Finds somebody in an image's middle, who looks like person 3; in its right half there is one like person 5."""

    fingerprint = "test"

    def __call__(self, images):
        return self.embed(images, [None] * len(images))

    def locate(self, image, classes=None):
        from ultralytics_reid.gallery.image_embedder import ImageRegion

        height, width = image.shape[:2]
        return ImageRegion(web_gallery.np.array([width * 0.25, 0, width * 0.75, height], "f4"), "person", 0.9, 2)

    def embed(self, images, boxes):
        halves = [image.shape[1] / 2 for image in images]
        who = [5 if box is not None and box[0] >= half else 3 for box, half in zip(boxes, halves, strict=True)]
        return web_gallery.looks()[who]


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("filled") / "site.db"
    web_gallery.fill(path)
    return path


@pytest.fixture
def path(filled, tmp_path):
    return Path(shutil.copy(filled, tmp_path / "site.db"))


@pytest.fixture
def stub_embedder():
    return StubEmbedder()


@pytest.fixture
def serve(path):
    """Makes a client of the pages; options by keyword."""
    from own_requests import BASE, SAME_ORIGIN, SESSION
    from starlette.testclient import TestClient

    from ultralytics_reid.web.app import make_app
    from ultralytics_reid.web.options import ServeOptions

    clients = []

    def end(client):
        clients.remove(client)
        client.__exit__(None, None, None)

    def make(*, signed_in=True, headers=None, embedder=True, uri=path, **options):
        gallery = Gallery(uri, embedder=StubEmbedder() if embedder else None)
        given = {"model": "stub"} if embedder else {}
        app = make_app(ServeOptions(gallery=str(uri), **given, **options), SESSION, gallery)
        sent = SAME_ORIGIN if headers is None else headers
        quiet = {"follow_redirects": False, "raise_server_exceptions": False}
        client = TestClient(app, base_url=BASE, headers=sent, **quiet)
        if signed_in:
            client.cookies.set(SESSION.cookie, SESSION.token)
        clients.append(client)
        client.__enter__()
        return client

    make.end = end
    yield make
    for client in list(clients):
        end(client)


@pytest.fixture
def client(serve):
    return serve()


@pytest.fixture
def gallery(path):
    """The same gallery, as another program sees it."""
    with Gallery(path) as gallery:
        yield gallery
