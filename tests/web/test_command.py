"""The command `serve`: what it prints, how it ends, and which errors it gives."""

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar

import pytest

from ultralytics_reid.cli import main

pytestmark = pytest.mark.extras


def test_without_the_extra_the_error_names_it(path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "--gallery", str(path)]) == 1
    assert "pip install '.[web]' in the checkout" in capsys.readouterr().err


@pytest.fixture
def needs_web():
    pytest.importorskip("uvicorn", reason="needs the extra web")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--background", "door"], "CAMERA=FILE"),
        (["--background", "door=nowhere.png"], "no such file"),
        (["--background", f"yard={__file__}"], "no camera 'yard'; there are: "),
        (["--topology", "typo.yaml"], "the topology typo.yaml can't be read"),
        (["--host", "0.0.0.0"], "--allow-host"),
        (["--port", "99999"], "[0, 65535]"),
        (["--host", "203.0.113.7"], "can't be listened on"),
        (["--audit-log", "/nowhere/audit.jsonl"], "--audit-log"),
    ],
)
def test_options_that_do_not_work_are_refused(arguments, message, path, capsys, needs_web):
    assert main(["serve", "--gallery", str(path), "--port", "0", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_gallery_that_is_not_there_is_an_error_that_makes_no_file(tmp_path, capsys, needs_web):
    assert main(["serve", "--gallery", str(tmp_path / "none.db"), "--port", "0"]) == 1
    assert "no gallery" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_gallery_is_one_clear_error(path, capsys, needs_web):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE visits SET began = 'x' WHERE id = 1")
    connection.close()
    assert main(["serve", "--gallery", str(path), "--port", "0"]) == 1
    assert "damaged: visit 1" in capsys.readouterr().err


def test_a_taken_port_is_an_error(path, capsys, needs_web):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--gallery", str(path), "--port", str(taken.getsockname()[1])]) == 1
    assert "--port 0" in capsys.readouterr().err


@pytest.mark.slow
def test_it_prints_an_address_that_opens_and_ends_by_an_interrupt(path, needs_web):
    command = [sys.executable, "-m", "ultralytics_reid", "serve", "--gallery", str(path), "--port", "0", "--read-only"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        address = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/\?token=\S+)\n", line)[1]
        # Its own opener: none of the environment's proxies.
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        assert "/people" in opener.open(address, timeout=20).read().decode()
        assert "read-only" in opener.open(address.partition("?")[0] + "people", timeout=20).read().decode()
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    assert server.returncode in (0, 130)
    assert "Traceback" not in errors
