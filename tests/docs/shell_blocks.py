"""Shell blocks of the documentation, `yolo` and `ultralytics-reid` in this process, as importing takes seconds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

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
        Why none of the lines was run; empty if one was.

    Raises:
        AssertionError: If a command fails.
    """
    reasons = [_run_line(line, exported) for line in code.splitlines() if shlex.split(line, comments=True)]
    return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""


def _run_line(line, exported):
    """Run a line; returns why it was left out."""
    words = shlex.split(line, comments=True)
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
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
