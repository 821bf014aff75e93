"""Draw the pictures of the documentation's page about `serve`: two generated cameras, tracked, served, photographed.

    python -m tools.screenshots              # tracks, some minutes
    python -m tools.screenshots --demo DIR   # of what `ultralytics-reid demo --out DIR` has left there

Needs the extra `web`, playwright, and Debian's chromium.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ultralytics_reid.gallery.recipe import RECIPE, recorded_recipe
from ultralytics_reid.gallery.store import open_store

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets" / "serve"
DETECTOR = Path(__file__).resolve().parents[1] / "ultralytics_reid" / "demo" / "people.pt"
WIDTH, HEIGHT = 1100, 760
# Colors of a picture: enough for crops and gradients, a third of the bytes.
_COLORS = 128
_SETTLE_MS = 700


def main() -> None:
    """Track if need be, serve, and write a PNG a page."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, metavar="DIR", help="folder that the demo has written")
    parser.add_argument("--out", type=Path, default=ASSETS, metavar="DIR", help=f"(default: {ASSETS})")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = args.demo or _tracked(folder)
        for file in ("gallery.db", "query.png", "west.mp4", "east.mp4"):
            shutil.copy(source / file, folder / file)
        _forget_paths(folder / "gallery.db")
        with _served(folder) as url, _browser() as browser:
            for scheme, width in (("light", WIDTH), ("dark", WIDTH), ("light", 360)):
                _photograph(browser, url, (folder, args.out), scheme, width)


def _tracked(folder: Path) -> Path:
    command = [sys.executable, "-m", "ultralytics_reid", "demo", "--seconds", "60", "--out", str(folder / "demo")]
    subprocess.run(command, check=True)
    return folder / "demo"


def _forget_paths(gallery: Path) -> None:
    """Name the detector by its name alone: the status page shows it, and it lies somewhere else on each machine."""
    store = open_store(gallery)
    recipe = {**recorded_recipe(store.blob(RECIPE)), "detector": DETECTOR.name}
    store.put_blob(RECIPE, json.dumps(recipe).encode())
    store.close()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The start address of a server of its own."""
    command = [sys.executable, "-m", "ultralytics_reid", "serve", "--gallery", "gallery.db"]
    command += ["--port", "0", "--detector", str(DETECTOR)]
    for camera in ("west", "east"):
        command += ["--background", f"{camera}={camera}.mp4"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def _photograph(browser: Any, url: str, folders: tuple[Path, Path], scheme: str, width: int) -> None:
    size, (folder, out) = {"width": width, "height": HEIGHT}, folders
    context = browser.new_context(color_scheme=scheme, viewport=size, timezone_id="Europe/Berlin")
    page = context.new_page()
    page.goto(url)
    page.wait_for_url("**/people")
    base = url.partition("/?")[0]
    kind = "" if (scheme, width) == ("light", WIDTH) else f"-{'phone' if width < WIDTH else scheme}"
    for name in {"": _PAGES, "-dark": _DARK}.get(kind, _PHONE):
        _visit(page, base, name, folder)
        page.wait_for_timeout(_SETTLE_MS)
        _save(page.screenshot(full_page=name in _WHOLE), out / f"{name}{kind}.png")
    context.close()


_PAGES = ("people", "person", "search", "flow", "heatmaps", "review", "live", "changes", "status", "merge")
_DARK, _PHONE = ("flow",), ("person", "flow")
_WHOLE = ("person", "search")
_LOADED = "Array.from(document.querySelectorAll('.maps img')).slice(0, 2).every((i) => i.naturalWidth > 0)"
_ADDRESSES = {"flow": "/flow?time=all", "heatmaps": "/flow?time=all"}


def _visit(page: Any, base: str, name: str, folder: Path) -> None:
    if name == "changes":
        _change(page, base)
        return
    if name in ("person", "merge"):
        _open_person(page, base, name)
        return
    page.goto(base + _ADDRESSES.get(name, f"/{name}"))
    if name == "search":
        page.set_input_files("#image", folder / "query.png")
        page.wait_for_url("**upload=*")
    elif name in ("flow", "heatmaps"):
        page.locator("#sankey[data-drawn]").wait_for()
    elif name == "status":
        page.locator(".facts").wait_for()
    if name == "heatmaps":
        page.locator(".maps").first.scroll_into_view_if_needed()
        # Not `wait_for_function`: it evaluates a string, which the pages' content policy refuses.
        while not page.evaluate(_LOADED):
            page.wait_for_timeout(_SETTLE_MS)
        page.locator(".maps").first.evaluate("e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 70)")


def _open_person(page: Any, base: str, name: str) -> None:
    """Whoever was on most cameras and resembles somebody; for a merge, beside whoever that is."""
    page.goto(f"{base}/people?sort=cameras")
    addresses = [card.get_attribute("href") for card in page.locator(".card a").all()]
    for address in addresses:
        page.goto(f"{base}{address}")
        page.locator(".similar, p.empty").first.wait_for()
        if page.locator(".similar").count():
            break
    if name == "merge":
        page.get_by_role("link", name="Compare and merge").first.click()


def _change(page: Any, base: str) -> None:
    """Name somebody and take it back, so that the log has lines."""
    for person, name in ((1, "Ada"), (2, "Grace")):
        page.goto(f"{base}/people/{person}/rename?name={name}")
        page.get_by_role("button", name="Rename", exact=True).click()
        page.get_by_text("Rename done.").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Rename undone.").wait_for()
    page.goto(f"{base}/changes")


def _save(data: bytes, path: Path) -> None:
    """Write a PNG with a palette."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"wrote {path} ({path.stat().st_size // 1024} KiB)")


if __name__ == "__main__":
    main()
