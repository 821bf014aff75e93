"""The benchmarks' command line, and the pages that it publishes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.harness.mot17.arguments import BLOCKS
from benchmarks.harness.options import CHECKOUT
from benchmarks.runs import RUNS, ablation
from ultralytics_reid.config import Config
from ultralytics_reid.tuning import Tuning

PAGES = Path(os.environ.get("REID_CHECKOUT", CHECKOUT)) / "docs" / "benchmarks"
# Runs without tables of their own.
DRAWN = {"timeline"}


def python(*words):
    """Run Python as from a command line."""
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=env, check=False)


def test_help_lists_each_run_with_what_it_takes():
    done = python("-m", "benchmarks", "--help")
    assert done.returncode == 0
    for name, entry in RUNS.items():
        assert f"  {name} " in done.stdout
        assert f"{entry.summary} ({entry.takes})" in done.stdout


@pytest.mark.parametrize("words", [["-m", "benchmarks", "mot17"], [str(CHECKOUT / "benchmarks" / "mot17.py")]])
def test_mot17_is_a_run_and_callable_by_path(tmp_path, words):
    done = python(*words, "--data", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path} holds no sequence" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_run_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["mot18"])
    assert end.value.code == 2
    assert "mot18" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(RUNS) - DRAWN))
def test_each_run_has_a_page_with_its_markers(name):
    if not PAGES.is_dir():
        pytest.skip("needs docs/ of the checkout")
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    for block in BLOCKS if name == "mot17" else [name]:
        assert text.count(f"<!-- {block}:begin -->") == text.count(f"<!-- {block}:end -->") == 1


def test_each_switch_of_the_ablation_is_a_key_or_a_constant():
    keys = {field.name for kind in (Config, Tuning) for field in fields(kind)}
    assert {row: set(changes) - keys for row, changes in ablation.SWITCHES.items() if set(changes) - keys} == {}


def test_rows_of_the_ablation_are_chosen_by_label_or_key():
    assert ablation._rows_of("memory_seconds,probation") == [ablation.BASE, "memory", "probation"]
