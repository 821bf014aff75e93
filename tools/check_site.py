"""Check a built site: nothing is loaded from outside, and every file that a page names is there."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}
# `<link>`s that name an address without loading it.
NAMED_ONLY = frozenset({"canonical", "alternate", "next", "prev", "author", "license"})
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
IGNORED = ("data:", "mailto:", "javascript:", "#")


class Page(HTMLParser):
    """Addresses in a page.

    Attributes:
        loaded: What a browser loads with the page.
        linked: What a reader may click on.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's address."""
        values = dict(attrs)
        if tag == "a" and (href := values.get("href")):
            self.linked.append(href)
        elif (address := values.get(LOADS.get(tag, ""))) and values.get("rel") not in NAMED_ONLY:
            self.loaded.append(address)


def main() -> None:
    """Exit with an error that lists what is wrong."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, nargs="?", default=Path("site"), help="folder of the built site")
    args = parser.parse_args()
    wrong = sorted(set(problems(args.site)))
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{args.site}: nothing is loaded from outside, and nothing is missing")


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a built site, a line each.

    Args:
        site: Its folder.
    """
    for path in sorted(site.rglob("*.html")):
        page = Page(path.read_text(encoding="utf-8"))
        yield from (f"{path}: loads {a}" for a in page.loaded if _is_external(a))
        local = [a for a in (*page.loaded, *page.linked) if not _is_external(a) and not a.startswith(IGNORED)]
        yield from (f"{path}: {a} is missing" for a in local if not _exists(site, path, a))
    for path in sorted(site.rglob("*.css")):
        addresses = [a or b for a, b in CSS_URL.findall(path.read_text(encoding="utf-8"))]
        yield from (f"{path}: loads {a}" for a in addresses if _is_external(a))


def _is_external(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in {"http", "https"}


def _exists(site: Path, page: Path, address: str) -> bool:
    name = unquote(urlsplit(address).path)
    target = site / name.lstrip("/") if name.startswith("/") else page.parent / name
    return target.is_file() or (target / "index.html").is_file()


if __name__ == "__main__":
    main()
