"""What benchmarks tell: figures of a run, cells of a table, and tables put into a document."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from .runs import Run
from .scores import returns, track_eval
from .sequences import Sequence
from .setting import CHECKOUT

README = CHECKOUT / "benchmarks" / "README.md"
_PERCENT = ("IDF1", "HOTA", "AssA", "DetA", "MOTA")


def figures(sequence: Sequence, run: Run, *, by_person: bool = True) -> dict[str, float]:
    """A run's figures by name.

    Args:
        sequence: The ground truth.
        run: The tracker's output.
        by_person: Whether somebody who comes back is still the same person; False keeps MOTChallenge's rule, by
            which they are a new track, and there are no returns.

    Returns:
        What `track_eval` gives, `ms`, and, where there are returns, `returns`, `recognized` and `false`.
    """
    if not by_person:
        return track_eval(sequence.frames, run.frames) | {"ms": run.milliseconds}
    found = returns(sequence, run.frames)
    back = {"returns": found.total, "recognized": found.recognized, "false": found.false} if found.total else {}
    return track_eval(sequence.by_person(), run.frames) | {"ms": run.milliseconds} | back


def cells(values: dict[str, float], columns: list[str]) -> list[str]:
    """A table's cells.

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
    return f"{values[column]:.1f}" if column in _PERCENT else f"{values[column]:.0f}"


def add_write(parser: ArgumentParser) -> None:
    """Add `--write`, which asks for `publish`."""
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md too")


def publish(name: str, text: str, document: Path = README) -> None:
    """Put text between a document's markers `<!-- name:begin -->` and `<!-- name:end -->`, in place of what is there.

    Args:
        name: The markers' name.
        text: Markdown.
        document: The file.

    Raises:
        ValueError: If the document doesn't have each marker once, the first before the second.
    """
    begin, end = (f"<!-- {name}:{edge} -->" for edge in ("begin", "end"))
    old = document.read_text(encoding="utf-8")
    before, first, rest = old.partition(begin)
    _, second, after = rest.partition(end)
    if not (first and second) or old.count(begin) + old.count(end) != 2:
        raise ValueError(f"{document} must have {begin} and then {end}, each once")
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
