"""Generated pages are current, every page is linked, and a site that loads something from outside is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tools import check_site, reference

CHECKOUT = Path(os.environ.get("REID_CHECKOUT", Path(__file__).resolve().parents[2]))
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize(
    ("page", "write"), [("yaml-keys.md", reference.yaml_keys), ("command-line.md", reference.command_line)]
)
def test_generated_page_is_current(page, write):
    assert (CHECKOUT / "docs" / "reference" / page).read_text(encoding="utf-8") == write(), "run `make reference`"


def test_yaml_key_has_default_type_and_help():
    assert "| **`memory_seconds`** | `600.0` | *float.* " in reference.yaml_keys()


def test_command_has_usage_and_arguments():
    text = reference.command_line()
    assert "\nultralytics-reid rename --gallery URI " in text
    assert "| `--keep-days N` | " in text


def test_readme_has_at_most_150_lines():
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_file_that_a_page_links_to_exists(page):
    links = LINK.findall((CHECKOUT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def test_page_is_in_the_navigation():
    navigation = (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(path.relative_to(CHECKOUT / "docs")) for path in (CHECKOUT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("index.html", '<script src="https://cdn.test/a.js"></script>', "loads https://cdn.test/a.js"),
        ("index.html", '<link rel="stylesheet" href="//fonts.test/a.css">', "loads //fonts.test/a.css"),
        ("index.html", '<img src="a.png">', "a.png is missing"),
        ("index.html", '<a href="guides/">', "guides/ is missing"),
        ("a.css", "@import 'https://fonts.test/a.css';", "loads https://fonts.test/a.css"),
        ("a.css", "b { background: url(https://cdn.test/a.png) }", "loads https://cdn.test/a.png"),
    ],
)
def test_site_that_loads_from_outside_or_lacks_a_file_is_refused(name, content, problem, tmp_path):
    (tmp_path / name).write_text(content)
    assert list(check_site.problems(tmp_path)) == [f"{tmp_path / name}: {problem}"]


def test_link_to_another_site_and_canonical_address_are_accepted(tmp_path):
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://docs.test/"><a href="https://docs.test/"></a><a href="#top"></a>'
    )
    assert list(check_site.problems(tmp_path)) == []
