"""The pages in a real browser: Debian's chromium, driven by playwright. No console error, no request elsewhere."""

import re
import shutil
import threading
import time

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")

import web_gallery
from test_security import image_file

from ultralytics_reid import Gallery
from ultralytics_reid.gallery.records import Visit, new_ids
from ultralytics_reid.gallery.store import open_store

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
uvicorn = pytest.importorskip("uvicorn", reason="needs the extra web")

from own_requests import SESSION  # noqa: E402
from page_checks import COLORS, LOW_CONTRAST, UNNAMED  # noqa: E402

from ultralytics_reid.web.app import make_app  # noqa: E402
from ultralytics_reid.web.options import ServeOptions  # noqa: E402
from ultralytics_reid.web.server import listen  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.extras,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Server:
    """The pages on a port of their own, in a thread."""

    def __init__(self, path, embedder):
        options = ServeOptions(gallery=str(path), port=0, model="stub")
        self._socket = listen(options)
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.app = make_app(options, SESSION, Gallery(path, embedder=embedder))
        self._server = uvicorn.Server(uvicorn.Config(self.app, log_level="error", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def end(self):
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def server(path, stub_embedder):
    server = Server(path, stub_embedder)
    yield server
    server.end()


class Watch:
    """What a browser's pages complain about and load."""

    def __init__(self, base):
        self.base, self.faults = base, []

    def page(self, context):
        page = context.new_page()
        page.on("console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith((self.base, "data:")) else self.faults.append(r.url))
        return page


@pytest.fixture
def watch(server, browser):
    """A page that has entered, and makes others; what went wrong on any fails the test."""
    watch = Watch(server.base)
    watch.context = browser.new_context(timezone_id="Asia/Tokyo", viewport={"width": 1000, "height": 900})
    page = watch.first = watch.page(watch.context)
    page.goto(f"{server.base}/?token={SESSION.token}")
    page.wait_for_url("**/people")
    yield watch
    watch.context.close()
    assert watch.faults == []
    assert list(server.app.state.reports) == []


@pytest.fixture
def page(watch):
    return watch.first


def go(page, server, at):
    page.goto(server.base + at)
    return page


def of(gallery):
    return {v.id: v.identity for v in gallery.visits(details=False)}


def test_search_by_upload_then_drag_a_box(page, server, tmp_path):
    file = tmp_path / "someone.png"
    file.write_bytes(image_file((200, 300), "PNG"))
    go(page, server, "/search").set_input_files("#image", file)
    page.wait_for_url("**/search?upload=*")
    assert page.locator(".results li").count() > 3
    box = page.locator("#boxed").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 200, steps=4)
    page.mouse.up()
    page.wait_for_url("**box=*")
    x1, y1, x2, y2 = map(int, page.locator("#box-field").input_value().split(","))
    assert 0 < x1 < x2 <= 200
    assert 0 < y1 < y2 <= 300


def test_merge_and_undo(page, server, gallery):
    before = of(gallery)
    go(page, server, "/people/9")
    page.get_by_label("Same as (number or name)").fill("10")
    page.get_by_role("button", name="Merge …").click()
    page.get_by_role("button", name="Merge", exact=True).click()
    page.get_by_text("Merge done.").wait_for()
    assert 10 not in of(gallery).values()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Merge undone.").wait_for()
    assert of(gallery) == before


def test_similar_people_lead_to_a_merge(page, server):
    go(page, server, "/people/9")
    first = page.locator(".similar").first
    first.wait_for()
    assert "Person 10" in first.inner_text()
    first.get_by_role("link", name="Compare and merge").click()
    page.get_by_text("Are these one person?").wait_for()


def test_split_of_chosen_visits(page, server, gallery):
    go(page, server, "/people/2")
    boxes = page.locator("tbody input[type=checkbox]")
    chosen = {int(boxes.nth(n).get_attribute("value")) for n in (0, 1)}
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Split off the chosen visits").click()
    page.get_by_role("button", name="Split", exact=True).click()
    page.get_by_text("Split done.").wait_for()
    new = {of(gallery)[v] for v in chosen}
    assert len(new) == 1
    assert page.url.startswith(f"{server.base}/people/{new.pop()}")


def test_review_by_keys(page, server, gallery):
    before = of(gallery)
    go(page, server, "/review")
    while page.get_by_text("being looked for").count():  # the pair that is found comes first
        page.reload()
    with page.expect_navigation():
        page.keyboard.press("n")
    with page.expect_navigation():
        page.keyboard.press("s")
    page.get_by_text("Decide done.").wait_for()
    with page.expect_navigation():
        page.keyboard.press("d")
    page.get_by_text("Split done.").wait_for()
    assert of(gallery) != before
    with page.expect_navigation():
        page.keyboard.press("z")
    assert of(gallery) == before
    assert [d.kind for d in gallery.decisions()] == ["same"]


def test_charts_and_heat_maps_are_drawn(page, server):
    go(page, server, "/flow?time=all")
    page.locator("#sankey[data-drawn] canvas").wait_for()
    for chart in ("sankey", "visitors", "dwell"):
        assert page.evaluate(COLORS, chart) > 5, chart
    image = page.locator("img[src*='heatmap.png']").first
    image.scroll_into_view_if_needed()
    while image.evaluate("e => e.naturalWidth") < 300:  # wait_for_function would need 'unsafe-eval'
        page.wait_for_timeout(100)
    with page.expect_download() as download:
        page.locator("[data-png=sankey]").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_times_are_in_the_viewers_zone(page, server):
    assert "Asia/Tokyo" in page.locator("footer").inner_text()
    shown = go(page, server, "/people/1").locator("h1 + p time").inner_text()
    instant = page.locator("h1 + p time").get_attribute("datetime")
    assert instant.endswith("+09:00")
    assert re.search(r"T(\d\d:\d\d:\d\d)", instant)[1] in shown


def test_two_tabs_at_once(page, watch, server, gallery):
    other = watch.page(watch.context)
    go(page, server, "/people/9/merge?with=10")
    go(other, server, "/people/9/merge?with=10")
    page.get_by_role("button", name="Merge", exact=True).click()
    page.get_by_text("Merge done.").wait_for()
    other.get_by_role("button", name="Merge", exact=True).click()
    other.get_by_text("merged or deleted meanwhile").wait_for()
    # The browser itself notes the answer 404.
    watch.faults = [f for f in watch.faults if "404" not in f]
    go(other, server, "/changes")
    assert other.get_by_role("button", name="Undo").count() == 1


def test_a_tracker_writes_meanwhile(page, server, path):
    go(page, server, "/live")
    stop, failed = threading.Event(), []

    def track():
        try:
            store = open_store(path, web_gallery.DIM, "test")
            visit, first = int(new_ids(1)[0]), time.time()
            while not stop.is_set():
                now = Visit(visit, 4, "gate", 0, first, time.time(), np.zeros((0, 5), np.float32), 1.0, b"")
                store.upsert(web_gallery.sightings(now, web_gallery.looks()[4]), [now])
                time.sleep(0.05)
            store.close()
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    writing = threading.Thread(target=track)
    writing.start()
    try:
        page.get_by_text("1 here now").wait_for(timeout=15_000)
        go(page, server, "/people/9/merge?with=10").get_by_role("button", name="Merge", exact=True).click()
        page.get_by_text("Merge done.").wait_for()
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Merge undone.").wait_for()
    finally:
        stop.set()
        writing.join()
    assert failed == []


def test_a_deletion_is_undone_from_the_log_by_keyboard_alone(page, server, gallery):
    before = of(gallery)
    go(page, server, "/people/1/delete")
    page.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Delete done.").wait_for()
    assert 1 not in of(gallery).values()
    page.get_by_role("button", name="Undo: Deleted person 1").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Delete undone.").wait_for()
    assert of(gallery) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_readable_and_fits_a_phone(scheme, browser, watch, server):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 360, "height": 700})
    context.add_cookies([{"name": SESSION.cookie, "value": SESSION.token, "url": server.base}])
    page = watch.page(context)
    for at in (
        "/people", "/people/1", "/people/9/merge?with=10", "/people/1/delete", "/people/1/split", "/search",
        "/search?identity=1", "/flow?time=all", "/review", "/live", "/changes", "/status",
    ):  # fmt: skip
        go(page, server, at)
        # What comes after the page is looked at too.
        after = {"/flow?time=all": "#sankey[data-drawn]", "/status": ".facts", "/people/1": ".similar"}
        if at in after:
            page.locator(after[at]).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, at
        assert page.evaluate(LOW_CONTRAST) == [], at
        assert page.evaluate(UNNAMED) == [], at
    context.close()
