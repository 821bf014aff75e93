"""Runs the shell blocks of the documentation: `yolo` and `ultralytics-reid` in this process, as importing takes seconds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

# Commands that install, build or run for minutes, and why they are not run.
NOT_RUN = {
    "pip": "pip installs from a package index",
    "make": "make is tested by itself",
    "ultralytics-reid demo": "the demo takes minutes; tests/demo runs a short one",
}


def run(code, exported):
    """Run the lines of a block, one by one.

    Args:
        code: The lines.
        exported: Variables that `export` has set; more are added.

    Returns:
        Why the lines that were left out were, one reason each.

    Raises:
        AssertionError: If a command fails.
    """
    return [reason for line in code.splitlines() if line.strip() and (reason := _run_line(line, exported))]


def _run_line(line, exported):
    words = shlex.split(line, comments=True)
    if not words:
        return ""
    left_out = NOT_RUN.get(words[0]) or NOT_RUN.get(" ".join(words[:2]))
    if left_out:
        return left_out
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        os.environ[name] = exported[name] = value
    elif words[0] == "yolo":
        from ultralytics.cfg import entrypoint

        entrypoint(" ".join(words))
    elif words[0] == "ultralytics-reid":
        from ultralytics_reid.cli import main

        assert main(words[1:]) == 0, line
    else:
        subprocess.run(["bash", "-euc", line], check=True, env={**os.environ, "PATH": _path()})
    return ""


def _path():
    """Where `python` is the one that runs the tests."""
    return os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
