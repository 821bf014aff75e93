"""What installing the package does: what is in the wheel, and the start-up hook."""

import os
import re
import statistics
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ultralytics_reid import registration

pytestmark = pytest.mark.install

# Where the wheel is tested, the checkout is elsewhere, and its tests tell where.
CHECKOUT = Path(os.environ.get("REID_CHECKOUT", Path(__file__).resolve().parents[1]))
PTH = "ultralytics_reid.pth"
# What hatchling puts into site-packages to point to the checkout.
OF_EDITABLE = re.compile(r"_\w*ultralytics_reid\.pth")


@pytest.fixture(scope="session")
def dist():
    try:
        return distribution("ultralytics-reid")
    except PackageNotFoundError:
        pytest.skip("needs the installed distribution")


@pytest.fixture(scope="session")
def hook(dist):
    """The installed start-up hook's file."""
    found = [Path(str(file.locate())) for file in dist.files if str(file) == PTH]
    assert found, "the distribution has no start-up hook"
    return found[0]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    return path


def clean_env(**more):
    """This environment, without what would make a new Python measure coverage or find the source tree."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "PYTHONPATH", "ULTRALYTICS_REID_"))}
    return kept | more


def run(*command, cwd, **env):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean_env(**env), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


class TestHook:
    TRACK = """
import sys
from ultralytics import YOLO
model = YOLO("yolo11n.yaml")
model.track(sys.argv[1], tracker="reid_botsort.yaml", imgsz=64, verbose=False)
print(type(model.predictor.trackers[0]).__name__)
"""

    def test_tracking_without_an_import_of_ours(self, hook, image, tmp_path):
        done = run(sys.executable, "-c", self.TRACK, image, cwd=tmp_path, ULTRALYTICS_REID_AUTOLOAD="1")
        assert done.stdout.split()[-1] == "ReIDBOTSORT"

    def test_command_line_without_an_import_of_ours(self, hook, image, tmp_path):
        yolo = Path(sys.executable).with_name("yolo")
        what = ["model=yolo11n.yaml", f"source={image}", "tracker=reid_botsort.yaml", "imgsz=64", "save=False"]
        run(yolo, "track", *what, cwd=tmp_path)

    def test_switched_off_the_host_does_not_know_ours(self, hook, tmp_path):
        code = "from ultralytics.trackers.track import TRACKER_MAP; print('reid_botsort' in TRACKER_MAP)"
        assert run(sys.executable, "-c", code, cwd=tmp_path, ULTRALYTICS_REID_AUTOLOAD="0").stdout.strip() == "False"

    def test_python_that_never_imports_the_host_imports_nothing_of_ours(self, hook, tmp_path):
        code = "import sys; print(*[m for m in sys.modules if m.split('.')[0] in ('ultralytics_reid', 'ultralytics')])"
        assert run(sys.executable, "-c", code, cwd=tmp_path).stdout.split() == []

    def test_switched_off_it_leaves_no_finder(self, hook, tmp_path):
        code = "import sys; print(any(getattr(f, '__name__', '') == 'UltralyticsReID' for f in sys.meta_path))"
        left = [run(sys.executable, "-c", code, cwd=tmp_path, ULTRALYTICS_REID_AUTOLOAD=v).stdout for v in "10"]
        assert [text.strip() for text in left] == ["True", "False"]

    def test_it_costs_a_start_of_python_under_a_millisecond(self, hook, tmp_path):
        # Processor time, and the median of many, as a machine that does other things too is slow now and then.
        code = """
import os, sys, time
line = open(sys.argv[1]).read()
start = time.process_time_ns()
exec(line)
print(time.process_time_ns() - start)
"""
        costs = [int(run(sys.executable, "-S", "-c", code, hook, cwd=tmp_path).stdout) for _ in range(21)]
        assert statistics.median(costs) < 1e6

    @pytest.mark.parametrize(
        "left",
        [
            {},
            {"__init__.py": "from ._startup import install\n"},
            {"__init__.py": "def half(\n"},
            {"registration.py": ""},
        ],
        ids=["nothing", "half of it", "a damaged file", "no __init__"],
    )
    def test_what_is_left_of_an_uninstalled_package_does_no_harm(self, hook, tmp_path, left):
        (tmp_path / PTH).write_text(hook.read_text())
        (tmp_path / "ultralytics.py").write_text("print('imported')")
        for name, content in left.items():
            (tmp_path / "ultralytics_reid").mkdir(exist_ok=True)
            (tmp_path / "ultralytics_reid" / name).write_text(content)
        code = f"import site; site.addsitedir({str(tmp_path)!r}); import ultralytics"
        done = run(sys.executable, "-S", "-c", code, cwd=tmp_path.parent)
        assert (done.stdout.strip(), done.stderr) == ("imported", "")

    def test_host_that_isnt_installed_is_missing_as_without_us(self, hook, tmp_path):
        (tmp_path / PTH).write_text(hook.read_text())
        code = f"""
import site
site.addsitedir({str(tmp_path)!r})
try:
    import ultralytics
except ModuleNotFoundError as error:
    print(error)
"""
        done = run(sys.executable, "-S", "-c", code, cwd=tmp_path.parent)
        assert (done.stdout.strip(), done.stderr) == ("No module named 'ultralytics'", "")


class TestInstalledFiles:
    def test_nothing_at_the_root_but_ours(self, dist):
        roots = {Path(str(file)).parts[0] for file in dist.files}
        info = f"ultralytics_reid-{dist.version}.dist-info"
        assert {root for root in roots if not OF_EDITABLE.fullmatch(root)} <= {"ultralytics_reid", PTH, info, ".."}
        assert {PTH, info} <= roots

    def test_the_oldest_host_it_asks_for_is_the_oldest_it_was_tested_with(self, dist):
        assert f"ultralytics>={registration.TESTED[0]}" in dist.requires


@pytest.fixture(scope="class")
def built(tmp_path_factory):
    """A folder with what hatchling builds from the checkout: sdist, wheel, the sdist's own wheel, editable wheel."""
    if not (CHECKOUT / "hatch_build.py").is_file():
        pytest.skip("needs the source checkout")
    pytest.importorskip("hatchling.build", reason="needs hatchling, of the dependency group test")
    out = tmp_path_factory.mktemp("built")
    build(CHECKOUT, "sdist", out)
    build(CHECKOUT, "wheel", out / "wheel")
    build(CHECKOUT, "editable", out / "editable")
    with tarfile.open(next(out.glob("*.tar.gz"))) as sdist:
        sdist.extractall(out, filter="data")
    build(next(out.glob("ultralytics_reid-*/pyproject.toml")).parent, "wheel", out / "from sdist")
    return out


def build(source, kind, out):
    out.mkdir(exist_ok=True)
    run(sys.executable, "-Ic", f"import hatchling.build as b, sys; b.build_{kind}(sys.argv[1])", out, cwd=source)


def contents(folder):
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


class TestWheel:
    def test_holds_the_package_the_hook_and_the_yamls(self, built):
        files = contents(built / "wheel")
        info = next(name for name in files if name.endswith("/METADATA")).split("/")[0]
        assert {name.split("/")[0] for name in files} == {"ultralytics_reid", PTH, info}
        shipped = {name.split("/")[-1] for name in files if name.startswith("ultralytics_reid/trackers/")}
        assert shipped == {path.name for path in (CHECKOUT / "trackers").iterdir()}
        assert "ultralytics_reid/py.typed" in files
        assert 0 < len(files["ultralytics_reid/demo/people.pt"]) <= 2e6
        page = {name.partition("/web/")[2] for name in files if "/web/" in name and not name.endswith(".py")}
        folder = CHECKOUT / "ultralytics_reid" / "web"
        assert page == {
            str(p.relative_to(folder)) for kind in ("templates", "static") for p in folder.rglob(f"{kind}/**/*.*")
        }
        assert {"templates/base.html", "static/vendor/htmx-LICENSE.txt", "static/vendor/echarts-LICENSE.txt"} <= page

    def test_the_sdist_builds_the_same(self, built):
        assert contents(built / "from sdist") == contents(built / "wheel")

    def test_an_editable_one_holds_the_hook_and_no_copy_of_the_yamls(self, built):
        roots = {name.split("/")[0] for name in contents(built / "editable")}
        assert {name for name in roots if not OF_EDITABLE.fullmatch(name) and not name.endswith(".dist-info")} == {PTH}

    def test_an_editable_one_finds_the_checkouts_yaml(self, built, tmp_path):
        for name, content in contents(built / "editable").items():
            if name.endswith(".pth"):
                (tmp_path / name).write_bytes(content)
        trackers = tmp_path / "ultralytics" / "trackers"
        trackers.mkdir(parents=True)
        (trackers.parent / "__init__.py").write_text("__version__ = '8.4.190'\n")
        (trackers / "track.py").write_text("TRACKER_MAP = {}\ndef check_yaml(file): return file\n")
        code = f"""
import site
site.addsitedir({str(tmp_path)!r})
from ultralytics.trackers.track import check_yaml
print(check_yaml("reid_botsort.yaml"))
"""
        done = run(sys.executable, "-S", "-c", code, cwd=tmp_path.parent)
        assert Path(done.stdout.strip()) == CHECKOUT / "trackers" / "reid_botsort.yaml"
