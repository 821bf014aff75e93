"""Every page answers, and shows what is in the gallery."""

import pytest

pytest.importorskip("starlette", reason="needs ultralytics-reid[web]")
pytest.importorskip("httpx", reason="needs httpx")

pytestmark = pytest.mark.extras

PAGES = (
    "/people", "/people?camera=doorway&sort=visits&named=yes", "/people?q=ada", "/people?sort=name", "/people/1",
    "/people/1/similar", "/people/1/rename?name=Bob", "/people/9/merge?with=10", "/people/2/merge?with=Ada",
    "/people/1/split", "/people/1/delete", "/search", "/search?identity=1", "/search?visit=1",
    "/search?identity=1&by=cosine", "/search?visit=1&by=euclidean&camera=shop", "/flow", "/flow?time=all",
    "/flow/charts", "/flow/charts?time=all&camera=shop", "/flow/ways.csv", "/flow/dwell.csv", "/flow/visitors.csv",
    "/flow/gates.csv", "/flow/visits.csv", "/flow/stays.csv?time=all", "/review", "/review/labels.csv", "/live",
    "/live/now", "/changes", "/status", "/static/site.css", "/static/vendor/htmx-4.0.1.min.js", "/visits/1/image",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_page_answers(page, client):
    response = client.get(page)
    assert response.status_code == 200, response.text[:2000]
