"""Output of the gallery's commands: aligned tables and JSON."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...evaluation.markdown import table
from ..export.contact_sheet import percent
from ..records import Visit, printable
from ..relinking.proposals import MERGE, Proposal
from ..relinking.relinking import Relinking
from ..times import duration, local_time, moment, period
from ..views import Individual, Match, Stats
from ..visit_pairs import Agreement
from .arguments import ENROLLED_SHOWN, short_visits

_MIB = 2**20
# What marks a row of an identity that may be several individuals.
MIXED = "unlike"
# Visits of a proposal that are listed.
_MAX_VISITS = 4


def aligned(markdown: str) -> str:
    """Align the columns of a Markdown table, the first to the left and the others to the right."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in markdown.splitlines()]
    widths = [max(map(_width, column)) for column in zip(rows[0], *rows[2:], strict=True)]
    left, *right = widths
    rule = ["-" * max(3, left), *("-" * max(3, width - 1) + ":" for width in right)]
    widths = [max(width, len(line)) for width, line in zip(widths, rule, strict=True)]
    return "\n".join(_line(row, widths) for row in [rows[0], rule, *rows[2:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    gaps = [" " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
    padded = [gap + cell if n else cell + gap for n, (cell, gap) in enumerate(zip(cells, gaps, strict=True))]
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Width of a text on a terminal, columns."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def match_table(matches: Sequence[Match], by: str) -> str:
    """Table of search results, a line each."""
    by_distance = by == "euclidean"
    head = ["rank", "identity", "name", "time", "camera", "probability", "distance" if by_distance else "similarity"]
    rows = []
    for rank, m in enumerate(matches, 1):
        identity, sighting = [str(m.identity_id), _cell(m.name)], [moment(m.time.timestamp()), _camera(m.camera_id)]
        score = f"{m.distance if by_distance else m.similarity:.3f}"
        rows.append([str(rank), *identity, *sighting, percent(m.probability), score])
    return _with_notes(head, rows, [m.mixed for m in matches])


def _with_notes(head: list[str], rows: list[list[str]], mixed: Sequence[bool]) -> str:
    """Table with a column that marks rows of identities that may be several individuals, if there are any."""
    if any(mixed):
        head = [*head, "note"]
        rows = [[*row, MIXED if marked else ""] for row, marked in zip(rows, mixed, strict=True)]
    return aligned(table(head, rows))


def individual_table(individuals: Iterable[Individual], class_names: Mapping[int, str]) -> str:
    """Table of identities, a line each; classes without a name are numbers."""
    head = ["identity", "name", "class", "camera visits", "seen", "cameras"]
    rows = []
    for i in individuals:
        cameras = [*map(_cell, i.cameras), *([ENROLLED_SHOWN] if i.enrolled else [])]
        identity = [str(i.identity_id), _cell(i.name), _class(i.cls, class_names), str(i.visits)]
        rows.append([*identity, period(i.first, i.last), ", ".join(cameras)])
    return aligned(table(head, rows))


def visit_table(
    visits: Sequence[Visit],
    names: Mapping[int, str],
    class_names: Mapping[int, str],
    agreements: Mapping[int, Agreement],
) -> str:
    """Table of visits, a line each; classes without a name are numbers; `agreements` by identity."""
    head = ["visit", "identity", "name", "class", "camera", "seen", "stayed", "probability"]
    rows = []
    for v, number in zip(visits, short_visits([v.id for v in visits]), strict=True):
        times = [period(v.first, v.last), duration(v.last - v.first)]
        identity = [str(v.identity), _cell(names.get(v.identity, ""))]
        probability = percent(_probability(v, agreements))
        rows.append([number, *identity, _class(v.cls, class_names), _camera(v.camera), *times, probability])
    return _with_notes(head, rows, [_is_mixed(v.identity, agreements) for v in visits])


def _probability(visit: Visit, agreements: Mapping[int, Agreement]) -> float:
    """Probability that the identity's most similar other visit shows the same individual; NaN without one."""
    found = agreements.get(visit.identity)
    return math.nan if found is None else found.probabilities.get(visit.id, math.nan)


def _is_mixed(identity: int, agreements: Mapping[int, Agreement]) -> bool:
    return identity in agreements and agreements[identity].mixed


def mixed_text(found: Agreement) -> str:
    """Say which visits of an identity look unlike each other, and what to do if it is several individuals."""
    numbers = dict(zip(visits := [v for g in found.groups for v in g], short_visits(visits), strict=True))
    groups = " | ".join(" ".join(numbers[v] for v in group) for group in found.groups)
    odd = " ".join(numbers[v] for v in found.groups[1])
    return (
        f"identity {found.identity_id}: its visits look unlike each other: {groups}; if they show several individuals: "
        f"split {found.identity_id} {odd}"
    )


def proposal_table(proposals: Iterable[Proposal], names: Mapping[int, str]) -> str:
    """Table of what relinking changes, a line each."""
    rows = [
        [proposal_text(p, names), str(len(p.visits)), percent(p.probability), p.reason, visits]
        for p in proposals
        for visits in [" ".join(short_visits(p.visits)[:_MAX_VISITS]) + (" …" if len(p.visits) > _MAX_VISITS else "")]
    ]
    return aligned(table(["change", "visits", "probability", "why", "visit numbers"], rows))


def proposal_text(proposal: Proposal, names: Mapping[int, str]) -> str:
    """Say what a proposal changes: `merge 7 into 3 Ada`, `split 7 to 3`, `split 7 to a new identity`."""
    old, new = (f"{i} {_cell(names.get(i, ''))}".rstrip() if i else "a new identity" for i in _ends(proposal))
    return f"{proposal.kind} {old} {'into' if proposal.kind == MERGE else 'to'} {new}"


def _ends(proposal: Proposal) -> tuple[int, int]:
    return proposal.identity_id, proposal.to or 0


def proposal_rows(found: Relinking) -> dict[str, Any]:
    """What relinking changes, for JSON; `to` is None for an identity that isn't there yet."""
    rows = [_json_row(asdict(p)) for p in found.proposals]
    return {"applied": found.applied, "visits": found.visits, "discriminative": found.discriminative, "changes": rows}


def stats_text(stats: Stats, recipe: Mapping[str, str]) -> str:
    """Summary of a gallery, a line each."""
    health = stats.health
    lines = {
        "engine": health.engine,
        "identities": f"{stats.identities:,}, {stats.named:,} named",
        "visits": f"{health.visits:,}, {sum(stats.cameras.values()):,} on cameras",
        "sightings": f"{health.sightings:,} of dimension {stats.dim}",
        "on disk": "unknown" if health.bytes is None else f"{health.bytes / _MIB:,.1f} MiB",
        "seen": "never" if stats.since is None or stats.until is None else period(stats.since, stats.until),
        "embeddings": _model_text(stats.fingerprint, recipe),
        **({"note": health.note} if health.note else {}),
    }
    text = "\n".join(f"{key + ':':<12}{value}" for key, value in lines.items())
    rows = [[_cell(camera), f"{count:,}"] for camera, count in stats.cameras.items()]
    return f"{text}\n\n{aligned(table(['camera', 'visits'], rows))}" if rows else text


def _model_text(fingerprint: str, recipe: Mapping[str, str]) -> str:
    model = " ".join(printable(recipe[key]) for key in ("model", "weights", "detector") if recipe.get(key))
    return f"by {model or 'an unknown model'} (fingerprint {printable(fingerprint) or 'none'})"


def match_rows(matches: Iterable[Match], class_names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Search results for JSON; `class_name` is None where it isn't known."""
    rows = [asdict(m) | {"class_name": class_names.get(m.cls), "time": m.time.isoformat()} for m in matches]
    return [{"rank": rank, **_json_row(row)} for rank, row in enumerate(rows, 1)]


def individual_rows(individuals: Iterable[Individual], class_names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Identities for JSON; `class_name` is None where it isn't known."""
    return [_json_row(asdict(i) | {"class_name": class_names.get(i.cls)}, "first", "last") for i in individuals]


def visit_rows(
    visits: Iterable[Visit],
    names: Mapping[int, str],
    class_names: Mapping[int, str],
    agreements: Mapping[int, Agreement],
) -> list[dict[str, Any]]:
    """Visits for JSON, without paths and crops; `class_name` is None where it isn't known; `agreements` by identity."""
    keys = ("id", "identity", "camera", "cls", "first", "last")
    return [
        {
            **_json_row({key: getattr(v, key) for key in keys}, "first", "last"),
            **_json_row({"probability": _probability(v, agreements)}),
            "class_name": class_names.get(v.cls),
            "name": names.get(v.identity, ""),
            "mixed": _is_mixed(v.identity, agreements),
        }
        for v in visits
    ]


def stats_row(stats: Stats, recipe: Mapping[str, str]) -> dict[str, Any]:
    """Summary of a gallery for JSON."""
    return {**_json_row(asdict(stats), "since", "until"), "recipe": dict(recipe)}


def as_json(value: Any) -> str:
    """Format as standard JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def _json_row(row: dict[str, Any], *times: str) -> dict[str, Any]:
    """Convert a row: times to ISO 8601, local with offset; NaN to null."""
    for key in times:
        if row[key] is not None:
            row[key] = local_time(row[key]).isoformat()
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def _class(cls: int, class_names: Mapping[int, str]) -> str:
    return _cell(class_names.get(cls) or str(cls))


def _camera(name: str) -> str:
    return _cell(name) or ENROLLED_SHOWN


def _cell(text: str) -> str:
    return printable(text).replace("|", r"\|")
