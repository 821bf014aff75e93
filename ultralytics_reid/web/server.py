"""Run the web page's server until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import import_module
from urllib.parse import quote

from ..errors import ConfigError, ReIDError
from .options import ServeOptions

_BACKLOG = 128
# For so long an answer under way keeps the server from ending, seconds.
_LAST_SECONDS = 15


def serve(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serve a gallery's pages until Ctrl-C.

    Args:
        options: Of the server.
        say: Takes the start address and hints, a line each.

    Raises:
        ConfigError: If the extra isn't installed, the topology can't be read, a background is of no
            camera, or the address can't be listened on.
        GalleryError: If the gallery can't be opened.
    """
    try:
        import uvicorn

        for name in ("jinja2", "python_multipart", "starlette"):
            import_module(name)
    except ImportError as error:
        raise ConfigError(f"serve needs an extra: pip install '.[web]' in the checkout ({error})") from error
    from .app import make_app
    from .security import Session

    listening = listen(options)
    with listening:
        port = int(listening.getsockname()[1])
        session = Session.new(port)
        app = make_app(options, session)
        try:
            app.state.site.warm()
        except ReIDError:
            app.state.site.close()
            raise
        for line in _greeting(options, port, session.token):
            say(line)
        # Headers of proxies aren't believed: anybody could send them.
        config = uvicorn.Config(app, log_level="warning", access_log=False, proxy_headers=False, server_header=False)
        config.timeout_graceful_shutdown = _LAST_SECONDS
        uvicorn.Server(config).run(sockets=[listening])


def _greeting(options: ServeOptions, port: int, token: str) -> list[str]:
    name = options.names[0] if options.names and not options.is_loopback else options.host
    host = f"[{name}]" if ":" in name and not name.startswith("[") else name
    lines = [f"open http://{host}:{port}/?token={quote(token)}", "Ctrl-C ends it"]
    if not options.is_loopback:
        lines.append("anyone who sees the network's traffic sees these pages: put TLS in front of it")
    if options.audit_file is not None:
        lines.append(f"searches and changes are logged in {options.audit_file}")
    return lines


def listen(options: ServeOptions) -> socket.socket:
    """Open the server's socket first: then the port is known, and a taken one is an error before anything is loaded.

    Raises:
        ConfigError: If the address can't be listened on.
    """
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, options.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        where = f"--host {options.host} --port {options.port}"
        raise ConfigError(
            f"{where} can't be listened on: {error.strerror or error}; --port 0 takes a free one"
        ) from error
    return listening
