"""Figures of a run, table cells, and tables published in the documentation."""

from __future__ import annotations

from pathlib import Path

from ultralytics_reid.evaluation.markdown import facts
from ultralytics_reid.evaluation.returns import returns

from .data.sequences import Sequence
from .options import CHECKOUT
from .scoring.track_eval import PERCENT, track_eval
from .tracking import Run

PAGES = CHECKOUT / "docs" / "benchmarks"


def figures(sequence: Sequence, run: Run, *, by_person: bool = True) -> dict[str, float]:
    """Compute a run's figures by name.

    Args:
        sequence: The ground truth.
        run: The tracker's output.
        by_person: Whether the tracks of one person are joined; False keeps MOTChallenge's identities, under which a
            person that returns is a new track, so that there are no returns.

    Returns:
        What `track_eval` gives, `ms`, and, where there are returns, `returns`, `recognized` and `false`.
    """
    if not by_person:
        return track_eval(sequence.frames, run.frames) | {"ms": run.milliseconds}
    found = returns(sequence, run.frames)
    back = {"returns": found.total, "recognized": found.recognized, "false": found.false} if found.total else {}
    return track_eval(sequence.by_person(), run.frames) | {"ms": run.milliseconds} | back


def cells(values: dict[str, float], columns: list[str]) -> list[str]:
    """Format figures as a table's cells.

    Args:
        values: What `figures` gave.
        columns: The columns' heads: "returns recognized", "false revivals", "ms a frame", or the name of a figure.
    """
    return [_cell(values, column) for column in columns]


def _cell(values: dict[str, float], column: str) -> str:
    if column == "returns recognized":
        return f"{values['recognized']:.0f} of {values['returns']:.0f}" if "returns" in values else "-"
    if column == "false revivals":
        return f"{values['false']:.0f}" if "false" in values else "-"
    if column == "ms a frame":
        return f"{values['ms']:.1f}"
    return f"{values[column]:.1f}" if column in PERCENT else f"{values[column]:.0f}"


def present(name: str, blocks: list[str], *, write: bool) -> None:
    """Print a run's tables and notes with the machine's facts, and publish them on the run's page where asked for.

    Args:
        name: Of the page and its block.
        blocks: Markdown.
        write: Whether to publish.
    """
    text = "\n\n".join([*blocks, facts()])
    print(text)
    if write:
        publish(name, text, page(name))


def page(name: str) -> Path:
    """Return the documentation page of a run."""
    return PAGES / f"{name}.md"


def publish(block: str, text: str, document: Path) -> None:
    """Replace the text between a document's markers `<!-- block:begin -->` and `<!-- block:end -->`.

    Args:
        block: The markers' name.
        text: Markdown.
        document: The file.

    Raises:
        ValueError: If the document doesn't have each marker once, the first before the second.
    """
    begin, end = (f"<!-- {block}:{edge} -->" for edge in ("begin", "end"))
    old = document.read_text(encoding="utf-8")
    before, first, rest = old.partition(begin)
    _, second, after = rest.partition(end)
    if not (first and second) or old.count(begin) + old.count(end) != 2:
        raise ValueError(f"{document} must have {begin} and then {end}, each once")
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
