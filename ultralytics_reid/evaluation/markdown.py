"""What the demo and the benchmarks print: tables, and what machine this is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def facts() -> str:
    """One line on the machine and the versions that matter for speed and for scores."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "ultralytics", "numpy"))
    return f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}, {versions}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    line = [" --- "] + [" ---: "] * (len(head) - 1)
    body = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(line)}|", *body])
