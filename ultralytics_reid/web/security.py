"""What each request must bring before a page sees it, and which headers each answer has."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Bytes: of an uploaded image, and of a form around it.
MAX_UPLOAD = 10 * 2**20
MAX_BODY = MAX_UPLOAD + 2**16
_MAX_DIGITS = 12
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

REPORTS = "/csp-report"
_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
    f"report-uri {REPORTS}"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
_ENTER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ultralytics-reid</title>
<link rel="icon" href="/static/silhouette.svg"><meta http-equiv="refresh" content="0; url=/people"></head>
<body><p><a href="/people">Open the gallery</a></p></body></html>"""
_NO_TOKEN = (
    "This page is open to those who have its address with the token. Open the address that `ultralytics-reid serve` "
    "printed when it started.\n"
)


@dataclass(frozen=True)
class Session:
    """The secret of a server's run.

    Attributes:
        cookie: Name of the cookie: browsers send cookies to all ports of a host.
        token: The secret, in the start address and in the cookie.
    """

    cookie: str
    token: str

    @classmethod
    def new(cls, port: int) -> Session:
        """Make the secret of a server on a port."""
        return cls(f"reid_{port}", secrets.token_urlsafe(32))

    def holds(self, given: str) -> bool:
        """Whether a text is the secret, in constant time."""
        return secrets.compare_digest(given.encode(), self.token.encode())


class Guard:
    """Let a request through if it has the cookie, comes from a page of this server where it changes something, and is
    small enough; put the headers of every answer.

    Args:
        app: The pages.
        session: The secret.
    """

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self.app = app
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is None:
            await self.app(scope, _limited(receive), _with_headers(send))
        else:
            await refused(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that no page may see."""
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE_METHODS and not _is_same_origin(headers):
            return PlainTextResponse("Changes are taken from this server's own pages only.\n", 403)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            return PlainTextResponse("Content-Length must be a whole number.\n", 400)
        if len(length) > _MAX_DIGITS or int(length) > MAX_BODY:
            return PlainTextResponse(f"A request may have {MAX_BODY} bytes at most.\n", 413)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and given:
            return self._entered(given)
        if not self._session.holds(_cookie(headers, self._session.cookie)):
            return PlainTextResponse(_NO_TOKEN, 401)
        return None

    def _entered(self, given: str) -> Response:
        """Turn the token of the start address into a cookie.

        A page that goes on by itself, and no redirect: after a link from elsewhere, browsers keep a SameSite=Strict
        cookie back while redirects last.
        """
        if not self._session.holds(given):
            return PlainTextResponse(_NO_TOKEN, 401)
        answer = HTMLResponse(_ENTER)
        answer.set_cookie(self._session.cookie, self._session.token, httponly=True, samesite="strict", path="/")
        return answer


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _is_same_origin(headers: Headers) -> bool:
    """Whether a browser says that a page of this server sent a request: `Sec-Fetch-Site`, of old ones `Origin`."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return bool(origin.netloc) and origin.scheme in ("http", "https") and origin.netloc == headers.get("host")


def _limited(receive: Receive) -> Receive:
    """Count the bytes of a body that doesn't say how long it is."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY:
            raise HTTPException(413, f"A request may have {MAX_BODY} bytes at most.")
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
