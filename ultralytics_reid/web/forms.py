"""Forms that change something: read within limits and in memory, then handled in a thread of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from ..gallery.whole_numbers import parse_whole
from .security import MAX_UPLOAD

_MULTIPART = "multipart/form-data"
_MAX_FIELDS, _MAX_FILES, _MAX_FIELD = 2000, 1, 65_536


class _InMemory(MultiPartParser):
    """Starlette's parser, which writes files of more than 1 MB to the disk otherwise."""

    spool_max_size = MAX_UPLOAD + 1


class Form:
    """The fields of a form.

    Args:
        fields: As they came.
        files: Contents of files by field.
    """

    def __init__(self, fields: FormData, files: Mapping[str, bytes]) -> None:
        self._fields = fields
        self.files = files

    def text(self, name: str) -> str:
        """A field's text; empty if it isn't there."""
        value = self._fields.get(name, "")
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """All texts of a field."""
        return [value for value in self._fields.getlist(name) if isinstance(value, str)]

    def numbers(self, name: str) -> list[int]:
        """All whole numbers of a field, each text of which holds one or several, separated by commas.

        Raises:
            HTTPException: 400 if one is none.
        """
        return [whole(name, part) for text in self.texts(name) for part in text.split(",")]


def whole(name: str, text: str) -> int:
    """A whole number, as a gallery stores it.

    Raises:
        HTTPException: 400 if it is none.
    """
    number = parse_whole(text)
    if number is None:
        raise HTTPException(400, f"{name} must be a whole number, got {text[:40]!r}")
    return number


Handler = Callable[[Request, Form], Response]


def form_route(handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that reads a form, and calls a function with it in a thread."""

    async def endpoint(request: Request) -> Response:
        form = await _read(request)
        return await run_in_threadpool(handle, request, form)

    return endpoint


async def _read(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        if kind == _MULTIPART:
            limits = {"max_files": _MAX_FILES, "max_fields": _MAX_FIELDS, "max_part_size": _MAX_FIELD}
            fields = await _InMemory(request.headers, request.stream(), **limits).parse()
        else:
            fields = await FormParser(request.headers, request.stream(), max_fields=_MAX_FIELDS).parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form can't be read: {error.message}") from error
    files = {name: await value.read() for name, value in fields.multi_items() if isinstance(value, UploadFile)}
    await fields.close()
    return Form(fields, files)
