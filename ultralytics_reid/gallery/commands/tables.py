"""What the gallery's commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from ...evaluation.markdown import table
from ..export.contact_sheet import per_cent
from ..records import Visit
from ..times import duration, moment, period
from ..views import Individual, Match, Stats
from .arguments import ENROLLED_SHOWN

_MIB = 2**20


def aligned(markdown: str) -> str:
    """A Markdown table whose columns stand below each other, the first to the left and the others to the right."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in markdown.splitlines()]
    widths = [max(map(_width, column)) for column in zip(rows[0], *rows[2:], strict=True)]
    rule = [("-" * max(3, width - (n > 0))) + ":" * (n > 0) for n, width in enumerate(widths)]
    widths = [max(width, len(line)) for width, line in zip(widths, rule, strict=True)]
    return "\n".join(_line(row, widths) for row in [rows[0], rule, *rows[2:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    gaps = [" " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
    padded = [gap + cell if n else cell + gap for n, (cell, gap) in enumerate(zip(cells, gaps, strict=True))]
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def match_table(matches: Iterable[Match], by: str) -> str:
    """What a search found, a line each."""
    far = by == "euclidean"
    head = ["rank", "identity", "name", "time", "camera", "probability", "distance" if far else "similarity"]
    rows = []
    for rank, m in enumerate(matches, 1):
        who, seen = [str(m.identity_id), _cell(m.name)], [moment(m.time), _camera(m.camera_id)]
        rows.append([str(rank), *who, *seen, per_cent(m.probability), f"{m.distance if far else m.similarity:.3f}"])
    return aligned(table(head, rows))


def individual_table(individuals: Iterable[Individual]) -> str:
    """Who is in a gallery, a line each."""
    head = ["identity", "name", "class", "visits", "seen", "cameras"]
    return aligned(table(head, [_individual(one) for one in individuals]))


def _individual(one: Individual) -> list[str]:
    places = [*map(_cell, one.cameras), *([ENROLLED_SHOWN] if one.enrolled else [])]
    seen = period(one.first, one.last)
    return [str(one.identity_id), _cell(one.name), str(one.cls), str(one.visits), seen, ", ".join(places)]


def visit_table(visits: Iterable[Visit], names: Mapping[int, str]) -> str:
    """Visits, a line each."""
    head = ["visit", "identity", "name", "class", "camera", "seen", "stayed", "probability"]
    rows = []
    for v in visits:
        when = [period(v.first, v.last), duration(v.last - v.first)]
        called = [str(v.identity), _cell(names.get(v.identity, ""))]
        rows.append([str(v.id), *called, str(v.cls), _camera(v.camera), *when, per_cent(v.probability)])
    return aligned(table(head, rows))


def stats_text(stats: Stats, recipe: Mapping[str, str]) -> str:
    """What is in a gallery, a line each."""
    health = stats.health
    lines = {
        "engine": health.engine,
        "identities": f"{stats.identities:,}, {stats.named:,} of them with a name",
        "visits": f"{health.visits:,}, {sum(stats.cameras.values()):,} of them on cameras",
        "sightings": f"{health.sightings:,} of {stats.dim} numbers each",
        "on disk": "not told" if health.bytes is None else f"{health.bytes / _MIB:,.1f} MiB",
        "seen": "nobody yet" if stats.since is None or stats.until is None else period(stats.since, stats.until),
        "embeddings": _made_by(stats.fingerprint, recipe),
        **({"note": health.note} if health.note else {}),
    }
    text = "\n".join(f"{key + ':':<12}{value}" for key, value in lines.items())
    rows = [[_cell(camera), f"{count:,}"] for camera, count in stats.cameras.items()]
    return f"{text}\n\n{aligned(table(['camera', 'visits'], rows))}" if rows else text


def _made_by(fingerprint: str, recipe: Mapping[str, str]) -> str:
    model = " ".join(recipe[key] for key in ("model", "weights", "detector") if recipe.get(key))
    return f"by {model or 'an unknown model'} (fingerprint {fingerprint or 'none'})"


def match_rows(matches: Iterable[Match]) -> list[dict[str, Any]]:
    """What a search found, for JSON."""
    return [{"rank": rank, **_warned(asdict(m), "time")} for rank, m in enumerate(matches, 1)]


def individual_rows(individuals: Iterable[Individual]) -> list[dict[str, Any]]:
    """Who is in a gallery, for JSON."""
    return [_warned(asdict(one), "first", "last") for one in individuals]


def visit_rows(visits: Iterable[Visit], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Visits without their paths and crops, for JSON."""
    keys = ("id", "identity", "camera", "cls", "first", "last", "probability")
    return [
        {**_warned({key: getattr(v, key) for key in keys}, "first", "last"), "name": names.get(v.identity, "")}
        for v in visits
    ]


def stats_row(stats: Stats, recipe: Mapping[str, str]) -> dict[str, Any]:
    """What is in a gallery, for JSON."""
    return {**_warned(asdict(stats), "since", "until"), "recipe": dict(recipe)}


def as_json(value: Any) -> str:
    """As text that any program reads."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def _warned(row: dict[str, Any], *times: str) -> dict[str, Any]:
    """A row with its times as ISO 8601, local with offset, and null for what isn't known."""
    row |= {key: None if row[key] is None else _iso(row[key]) for key in times}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).astimezone().isoformat()


def _camera(name: str) -> str:
    return _cell(name) or ENROLLED_SHOWN


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
