"""Answers that a browser saves as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.responses import Response


def download(content: bytes, name: str, kind: str) -> Response:
    """A file of a media type, under a name."""
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def csv_download(head: Sequence[str], rows: Iterable[Sequence[Any]], name: str) -> Response:
    """A table as a CSV file."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(head)
    writer.writerows(rows)
    return download(file.getvalue().encode(), name, "text/csv")
