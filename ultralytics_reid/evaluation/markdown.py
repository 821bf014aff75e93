"""Markdown tables, and a description of the machine, for reports."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def facts() -> str:
    """Describe the machine and the versions that affect speed and scores, in one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "ultralytics", "numpy"))
    return f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}, {versions}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Format a Markdown table, its first column left-aligned and the others right-aligned."""
    line = [" --- "] + [" ---: "] * (len(head) - 1)
    body = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(line)}|", *body])
