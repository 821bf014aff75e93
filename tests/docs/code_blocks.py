"""Code blocks of Markdown files, and the reason that a comment above one gives for not running it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]*?) -->\n+)?^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        language: The word behind its fence.
        code: Its lines.
        line: Number of its first line in the file, from 1.
        reason: Why it is not run; empty if it is.
    """

    language: str
    code: str
    line: int
    reason: str


def blocks(text: str) -> list[Block]:
    """All code blocks of a Markdown file that name their language."""
    return [
        Block(found["language"], found["code"], text[: found.start("code")].count("\n") + 1, found["reason"] or "")
        for found in _FENCE.finditer(text)
    ]
