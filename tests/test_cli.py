"""Command line as a whole: version, list of commands, examples of the help texts."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

import ultralytics_reid
from ultralytics_reid.cli import build_parser, main
from ultralytics_reid.gallery.commands.parser import GALLERY_VARIABLE, bind_times

COMMANDS = re.findall(r"^    ([a-z][a-z-]*)", build_parser().format_help(), re.MULTILINE)
VERSION = f"ultralytics-reid {ultralytics_reid.__version__}\n"


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert (exited.value.code, capsys.readouterr().out) == (0, VERSION)


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "ultralytics_reid", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == VERSION


def test_all_commands_are_listed():
    assert {"demo", "export", "search", "enrol", "delete", "journeys", "heatmap", "export-gallery"} <= set(COMMANDS)


@pytest.mark.parametrize("command", ["list", "export-gallery", "serve"])
def test_a_missing_gallery_is_an_error_that_names_the_variable(command, monkeypatch, capsys):
    monkeypatch.delenv(GALLERY_VARIABLE, raising=False)
    with pytest.raises(SystemExit):
        main([command])
    told = capsys.readouterr().err
    assert "are required: --gallery" in told
    assert f"; instead of --gallery, ${GALLERY_VARIABLE} may be set\n" in told


def test_help_lists_every_unit_of_how_long_ago(capsys):
    with pytest.raises(SystemExit):
        main(["list", "--help"])
    assert "how long ago: -90s, -30m, -2h, -3d, -1w" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_every_help_text_are_valid(command, monkeypatch, capsys):
    monkeypatch.setenv(GALLERY_VARIABLE, "site.db")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert examples
    for line in examples:
        program, *arguments = shlex.split(line)
        assert (program, arguments[0]) == ("ultralytics-reid", command)
        build_parser().parse_args(bind_times(arguments))
