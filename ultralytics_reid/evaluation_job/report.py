"""The report of an evaluation: Markdown for people, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..evaluation.embedding_scores import RATE
from ..evaluation.estimate import Estimate
from ..evaluation.markdown import facts, table
from ..gallery.commands.tables import aligned
from ..gallery.commands.terminal import counted
from ..gallery.records import printable
from .scoring import LabeledSet, Line
from .video import TrackingScores

_NONE = "-"
_RATE = f"{RATE:.0%}"
_LEGEND = (
    "Percent, higher is better. In brackets: 95 % of 1,000 draws of identities. mAP, rank and mINP are means over the "
    "queries with a match. TAR: share of pairs of one individual above the similarity that "
    f"{_RATE} of the pairs of two exceed (FAR). ms: of a crop in a batch of 32, from the decoded image to the vector, "
    "on this machine. Difference: of the mAP to the first model's, over the same draws."
)
_TRACKLET_LEGEND = (
    "Mean embeddings of so many crops a side, over random draws of crops. Missed: share of enrolled identities that "
    f"are not found at {_RATE} false alarms (FNIR at FPIR), by number enrolled; all others are strangers."
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        sets: The sets with their lines, by model in the order given, variants after each.
        tracking: Figures of the video by model; empty without one.
    """

    sets: tuple[tuple[LabeledSet, tuple[Line, ...]], ...]
    tracking: tuple[TrackingScores, ...] = ()


def as_markdown(evaluation: Evaluation) -> str:
    """Render the report."""
    parts: list[str] = []
    if evaluation.sets:
        parts += ["\n".join(f"- {_describe(labeled, lines)}" for labeled, lines in evaluation.sets)]
        parts += [_crop_table(evaluation), _LEGEND]
    if rows := list(_tracklet_rows(evaluation)):
        sizes = sorted({size for _, line in _lines(evaluation) for t in line.tracklets for size in t.missed})
        missed = [f"missed of {size:,}" for size in sizes]
        head = ["set", "model", "crops", "identities", "rank-1", "mAP", f"TAR at {_RATE} FAR", *missed]
        body = [[*cells, *(_percent(t.missed.get(size)) for size in sizes)] for cells, t in rows]
        parts += ["**Tracklets against tracklets**", aligned(table(head, body)), _TRACKLET_LEGEND]
    if evaluation.tracking:
        parts += ["**In the video**", *_tracking(evaluation.tracking)]
    return "\n\n".join([*parts, facts()])


def _describe(labeled: LabeledSet, lines: Sequence[Line]) -> str:
    """What a set has, how it is searched, and what didn't count."""
    crops, protocol = labeled.crops, labeled.protocol
    cameras = counted(crops.camera_count, "camera") if crops.has_cameras else "no cameras"
    parts = [
        f"**{printable(labeled.name)}**: {counted(len(crops), 'image')}, "
        f"{counted(len(crops.names), 'identity', 'identities')}, {cameras}; {protocol.camera_rule}",
        _asked(labeled),
    ]
    if lines:
        scores = lines[0].scores
        parts.append(f"{counted(scores.unmatched, 'query', 'queries')} without a match, which count in no figure")
        if scores.unknown:
            parts.append(f"{scores.unknown:.1%} of the pairs are left out, as it isn't known that they differ")
        if not scores.queries:
            parts.append("**no query has a match**: each identity has one image, or images on one camera only")
        parts += [f"{line.model}: {counted(line.unusable, 'image')} without embedding" for line in lines if _bad(line)]
    return "; ".join(parts)


def _bad(line: Line) -> bool:
    return line.unusable > 0 and not line.variant


def _asked(labeled: LabeledSet) -> str:
    queries, gallery = labeled.protocol.queries, labeled.protocol.gallery
    if labeled.crops.queries is None:
        return f"each image is searched for in all others ({counted(len(queries), 'query', 'queries')})"
    return f"{counted(len(queries), 'query', 'queries')} searched for in {counted(len(gallery), 'image')}"


def _lines(evaluation: Evaluation) -> Iterator[tuple[LabeledSet, Line]]:
    return ((labeled, line) for labeled, lines in evaluation.sets for line in lines)


def _crop_table(evaluation: Evaluation) -> str:
    head = ["set", "model", "numbers", "ms", "mAP", "rank-1", "rank-5", "rank-10", "mINP", f"TAR at {_RATE} FAR"]
    body = []
    for labeled, lines in evaluation.sets:
        for line in lines:
            scores, first = line.scores, lines[0].scores
            ranks = [_percent(scores.rank[r].value) for r in (5, 10)]
            differs = _NONE if line is lines[0] else _with_interval(scores.mean_ap - first.mean_ap, signed=True)
            body.append(
                [
                    _cell(labeled.name),
                    _cell(named(line)),
                    str(line.rows.shape[1]),
                    _number(line.milliseconds),
                    _with_interval(scores.mean_ap),
                    _with_interval(scores.rank[1]),
                    *ranks,
                    _percent(scores.mean_inp.value),
                    _with_interval(scores.tar),
                    differs,
                ]
            )
    return aligned(table([*head, "difference"], body))


def named(line: Line) -> str:
    """A model with its variant."""
    return f"{line.model}, {line.variant}" if line.variant else line.model


def _cell(name: str) -> str:
    """A name of a user's as a cell of a table."""
    return printable(name).replace("|", r"\|")


def _tracklet_rows(evaluation: Evaluation) -> Iterator[tuple[list[str], Any]]:
    for labeled, line in _lines(evaluation):
        for t in line.tracklets:
            figures = [_percent(value) for value in (t.rank_1, t.mean_ap, t.tar)]
            yield [_cell(labeled.name), _cell(line.model), str(t.crops), f"{t.identities:,}", *figures], t


def _tracking(tracking: Sequence[TrackingScores]) -> Iterator[str]:
    bins = list(dict.fromkeys(name for t in tracking for name in t.revivals.bins))
    head = ["model", "IDF1 by person", "ids", "people", *(f"returned after {b}" for b in bins)]
    body = []
    for t in tracking:
        tallies = [t.revivals.bins.get(b) for b in bins]
        back = [_NONE if tally is None else f"{tally.right} of {tally.total}" for tally in tallies]
        false = f"{t.revivals.false} of {t.revivals.newcomers}"
        wrong = str(t.revivals.every.wrong)
        body.append([_cell(t.model), f"{100 * t.idf1:.1f}", str(t.revivals.ids), str(t.people), *back, wrong, false])
    yield aligned(table([*head, "wrong", "newcomers false"], body))
    yield (
        "Ids as they are shown while tracking. Returned: people who came back after so long unseen, and got their own "
        "id; wrong: another's. Newcomers false: people seen for the first time who got another's id."
    )


def _with_interval(estimate: Estimate | None, *, signed: bool = False) -> str:
    if estimate is None or math.isnan(estimate.value):
        return _NONE
    sign = "+" if signed else ""
    low, high = (f"{100 * bound:{sign}.1f}" for bound in estimate.interval)
    return f"{100 * estimate.value:{sign}.1f} ({low} to {high})"


def _percent(value: float | None) -> str:
    return _NONE if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _number(value: float) -> str:
    return _NONE if math.isnan(value) else f"{value:.1f}"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Figures as JSON values: shares in [0, 1], null where there are none."""
    return {
        "machine": facts(),
        "sets": [_set_json(labeled, lines) for labeled, lines in evaluation.sets],
        "tracking": [_tracking_json(t) for t in evaluation.tracking],
    }


def _set_json(labeled: LabeledSet, lines: Sequence[Line]) -> dict[str, Any]:
    crops, protocol = labeled.crops, labeled.protocol
    return {
        "name": labeled.name,
        "images": len(crops),
        "identities": len(crops.names),
        "cameras": crops.camera_count or None,
        "same_camera": protocol.camera_rule,
        "queries": len(protocol.queries),
        "gallery": len(protocol.gallery),
        "models": [_line_json(line, lines[0]) for line in lines],
    }


def _line_json(line: Line, first: Line) -> dict[str, Any]:
    scores = line.scores
    estimates = {"map": scores.mean_ap, **{f"rank_{r}": e for r, e in scores.rank.items()}}
    estimates |= {"minp": scores.mean_inp, "map_difference": scores.mean_ap - first.scores.mean_ap}
    if scores.tar is not None:
        estimates["tar"] = scores.tar
    return {
        "model": line.model,
        "variant": line.variant,
        "dim": line.rows.shape[1],
        "milliseconds": _finite(line.milliseconds),
        "unmatched": scores.unmatched,
        "unknown": scores.unknown,
        "unusable": line.unusable,
        **{name: _estimate_json(estimate) for name, estimate in estimates.items()},
        "tracklets": [_cleaned(asdict(t)) for t in line.tracklets],
    }


def _estimate_json(estimate: Estimate) -> dict[str, float | None]:
    low, high = estimate.interval
    return {"value": _finite(estimate.value), "low": _finite(low), "high": _finite(high)}


def _tracking_json(t: TrackingScores) -> dict[str, Any]:
    bins = {name: asdict(tally) for name, tally in t.revivals.bins.items()}
    given = {"ids": t.revivals.ids, "newcomers": t.revivals.newcomers, "newcomers_false": t.revivals.false}
    return {"model": t.model, "idf1": t.idf1, "people": t.people, **given, "returns": bins}


def _cleaned(value: Any) -> Any:
    """The same with null for NaN, which JSON doesn't have."""
    if isinstance(value, dict):
        return {str(key): _cleaned(v) for key, v in value.items()}
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
