"""What the host knows of us after our import, in whichever order, and what happens with a host that doesn't fit."""

import importlib
import inspect
import os
import runpy
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import ultralytics
from ultralytics.trackers import bot_sort, byte_tracker
from ultralytics.trackers import track as host
from ultralytics.utils import LOGGER, YAML, IterableSimpleNamespace

import ultralytics_reid
from ultralytics_reid import HostError, register, registration, tracker_yaml

PACKAGE = Path(ultralytics_reid.__file__).parent

# As much of the host as registration looks at, for tests that need a Python of their own: importing the real one
# takes seconds.
STUB = """
import sys
class Anything(type):
    def __getattr__(cls, name): return None
class Tracker(metaclass=Anything): pass
TRACKER_MAP = dict.fromkeys(("botsort", "bytetrack", "tracktrack"), Tracker)
def check_yaml(file): return file
"""
SHOW = """
import os.path, ultralytics.trackers.track as track
print("reid_botsort" in track.TRACKER_MAP, os.path.isabs(track.check_yaml("reid_botsort.yaml")))
"""


@pytest.fixture
def stub(tmp_path):
    """A folder with a stand-in for ultralytics; its `track.py` may be written anew."""
    trackers = tmp_path / "stub" / "ultralytics" / "trackers"
    trackers.mkdir(parents=True)
    (trackers.parent / "__init__.py").write_text("__version__ = '8.4.190'\n")
    (trackers / "__init__.py").touch()
    (trackers / "track.py").write_text(STUB)
    return tmp_path / "stub"


def python(code, *folders, autoload="0"):
    """Run code in a new Python that sees the folders first, and then this package."""
    path = [*map(str, folders), *os.environ.get("PYTHONPATH", "").split(os.pathsep), str(PACKAGE.parent)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "ULTRALYTICS_REID_AUTOLOAD": autoload}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    # Not from here, where a checkout would be the first thing that Python sees.
    done = subprocess.run(command, cwd=sys.prefix, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def warned(monkeypatch):
    messages = []
    monkeypatch.setattr(LOGGER, "warning", messages.append)
    return messages


@pytest.fixture
def unregistered(monkeypatch):
    monkeypatch.delitem(host.TRACKER_MAP, "reid_botsort")


class TestAskingForOurs:
    def test_the_map_makes_our_tracker(self):
        cfg = IterableSimpleNamespace(**YAML.load(host.check_yaml("reid_botsort.yaml")))
        tracker = host.TRACKER_MAP["reid_botsort"](args=cfg)
        assert type(tracker) is ultralytics_reid.ReIDBOTSORT

    def test_the_map_shows_our_trackers_methods(self):
        ours, entry = ultralytics_reid.ReIDBOTSORT, host.TRACKER_MAP["reid_botsort"]
        assert entry.update is ours.update
        assert not hasattr(entry, "no_such_method")

    def test_bare_name_finds_ours(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert Path(host.check_yaml("reid_botsort.yaml")) == tracker_yaml()

    def test_users_own_file_wins(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "reid_botsort.yaml").write_text("tracker_type: reid_botsort\n")
        assert Path(host.check_yaml("reid_botsort.yaml")).resolve() == tmp_path / "reid_botsort.yaml"

    def test_explicit_path_wins(self, tmp_path):
        own = tmp_path / "reid_botsort.yaml"
        own.write_text("tracker_type: reid_botsort\n")
        assert Path(host.check_yaml(own)) == own

    @pytest.mark.parametrize("folder", ["./", "gone/", "/gone/"])
    def test_missing_path_isnt_replaced_by_ours(self, tmp_path, monkeypatch, folder):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(FileNotFoundError):
            host.check_yaml(f"{folder}reid_botsort.yaml")

    def test_the_hosts_yamls_are_found_as_before(self):
        assert host.check_yaml("botsort.yaml") == host.check_yaml.__wrapped__("botsort.yaml")

    @pytest.mark.parametrize("name", ["reid_botsort.yaml", "reid_gallery.yaml"])
    def test_a_frozen_program_without_the_yamls_says_what_to_collect(self, monkeypatch, tmp_path, name):
        monkeypatch.setattr(registration, "YAML_FOLDER", tmp_path)
        for find in (host.check_yaml, tracker_yaml):
            with pytest.raises(FileNotFoundError, match=f"{name} belongs to ultralytics-reid.*--collect-data"):
                find(name)
        assert registration._shipped("botsort.yaml") == "botsort.yaml"

    def test_each_shipped_yaml_is_known(self):
        assert sorted(registration._SHIPPED) == sorted(p.name for p in registration.YAML_FOLDER.iterdir())

    def test_tracker_yaml_refuses_what_isnt_ours(self):
        with pytest.raises(FileNotFoundError, match=r"botsort\.yaml is none"):
            tracker_yaml("botsort.yaml")


def test_registering_again_changes_nothing():
    before = dict(host.TRACKER_MAP), host.check_yaml
    register()
    registration.register_quietly(host)
    assert (dict(host.TRACKER_MAP), host.check_yaml) == before


class TestHostThatDoesntFit:
    def test_lacking_a_method_is_an_error_that_names_versions(self, monkeypatch):
        monkeypatch.delattr(byte_tracker.BYTETracker, "_first_association")
        with pytest.raises(
            HostError, match=rf"{ultralytics.__version__} lacks bytetrack\._first_association.*8\.4\.175"
        ):
            register()

    def test_refusal_changes_nothing(self, monkeypatch, unregistered):
        monkeypatch.delattr(byte_tracker.BYTETracker, "_first_association")
        with pytest.raises(HostError):
            register()
        assert "reid_botsort" not in host.TRACKER_MAP

    def test_the_hook_warns_and_asking_for_ours_says_why(self, monkeypatch, unregistered, warned):
        monkeypatch.delattr(byte_tracker.BYTETracker, "_first_association")
        registration.register_quietly(host)
        assert "_first_association" in warned[0]
        with pytest.raises(HostError, match="_first_association"):
            host.TRACKER_MAP["reid_botsort"](args=None)

    @pytest.mark.parametrize("name", ["TRACKER_MAP", "check_yaml"])
    def test_lacking_what_we_change_is_an_error(self, monkeypatch, warned, name):
        monkeypatch.delattr(host, name)
        with pytest.raises(HostError, match=name):
            register()
        registration.register_quietly(host)
        assert name in warned[0]

    def test_lacking_the_module_is_an_error(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ultralytics.trackers.track", None)
        with pytest.raises(HostError, match=r"no module ultralytics\.trackers\.track"):
            register()

    @pytest.mark.parametrize("version", ["8.4.174", "8.3.999", "8.4.191", "9.0.0rc1"])
    def test_untested_version_warns_and_works(self, monkeypatch, unregistered, warned, version):
        monkeypatch.setattr(ultralytics, "__version__", version)
        register()
        assert version in warned[0]
        assert "8.4.175 to 8.4.190" in warned[0]
        assert "reid_botsort" in host.TRACKER_MAP

    @pytest.mark.parametrize("version", ["8.4.175", "8.4.180", "8.4.190"])
    def test_tested_version_is_silent(self, monkeypatch, unregistered, warned, version):
        monkeypatch.setattr(ultralytics, "__version__", version)
        register()
        assert not warned

    def test_whatever_of_the_hosts_we_override_is_checked(self):
        ours = [c for c in ultralytics_reid.ReIDBOTSORT.__mro__ if c.__module__.startswith("ultralytics_reid")]
        overridden = {name for c in ours for name in vars(c) if hasattr(bot_sort.BOTSORT, name)}
        checked = {name for names in registration._NEEDED_METHODS.values() for name in names}
        assert {name for name in overridden if not name.startswith("__")} <= checked


class TestOrderOfImports:
    """All with the start-up hook off, so that it is the import of the package that counts."""

    def test_ours_first(self, stub):
        assert python("import ultralytics_reid" + SHOW, stub).stdout.split() == ["True", "True"]

    def test_host_first(self, stub):
        code = "import ultralytics.trackers.track, ultralytics_reid" + SHOW
        assert python(code, stub).stdout.split() == ["True", "True"]

    @pytest.mark.parametrize("name", ["register", "tracker_yaml", "HostError"])
    def test_a_name_of_ours_first(self, stub, name):
        done = python(f"from ultralytics_reid import {name}" + SHOW, stub)
        assert done.stdout.split() == ["True", "True"]

    def test_register_called_before_the_host_is_imported(self, stub):
        done = python("from ultralytics_reid import register; register()" + SHOW, stub)
        assert done.stdout.split() == ["True", "True"]
        assert not done.stderr

    @pytest.mark.slow
    def test_the_class_first_although_its_own_import_imports_the_host(self):
        done = python(
            """
            from ultralytics_reid import ReIDBOTSORT
            from ultralytics.trackers.track import TRACKER_MAP
            print(TRACKER_MAP["reid_botsort"].update is ReIDBOTSORT.update)
            """
        )
        assert done.stdout.split() == ["True"]

    def test_import_loads_nothing_else(self, stub):
        done = python(
            """
            import sys
            before = set(sys.modules)
            import ultralytics_reid
            print(*sorted(set(sys.modules) - before))
            """,
            stub,
        )
        assert done.stdout.split() == ["ultralytics_reid", "ultralytics_reid._startup"]

    def test_registering_loads_no_tracker(self, stub):
        done = python(
            "import ultralytics_reid" + SHOW + "import sys; print('ultralytics_reid.tracking.tracker' in sys.modules)",
            stub,
        )
        assert done.stdout.split() == ["True", "True", "False"]

    def test_reloaded_host_is_registered_with_again(self, stub):
        code = "import ultralytics_reid, importlib, ultralytics.trackers.track as t; importlib.reload(t)" + SHOW
        assert python(code, stub).stdout.split() == ["True", "True"]

    def test_host_that_another_thread_is_importing(self, stub):
        track = stub / "ultralytics" / "trackers" / "track.py"
        track.write_text("import sys, time; sys.halfway = True; time.sleep(0.5)\n" + STUB)
        done = python(
            """
            import importlib, sys, threading, time
            thread = threading.Thread(target=importlib.import_module, args=["ultralytics.trackers.track"])
            thread.start()
            while not hasattr(sys, "halfway"):
                time.sleep(0.01)
            import ultralytics_reid
            """
            + textwrap.indent(SHOW, " " * 12),
            stub,
        )
        assert done.stdout.split() == ["True", "True"]

    def test_host_that_imports_us_halfway_stays_usable_and_can_be_registered_with_later(self, stub):
        (stub / "ultralytics" / "trackers" / "track.py").write_text("import ultralytics_reid\n" + STUB)
        code = "import ultralytics.trackers.track, ultralytics_reid; ultralytics_reid.register()" + SHOW
        done = python(code, stub)
        assert done.stdout.split() == ["True", "True"]
        assert not done.stderr


class TestOtherFinders:
    def test_host_that_another_finder_finds(self, stub, tmp_path):
        elsewhere = shutil.move(stub / "ultralytics" / "trackers" / "track.py", tmp_path / "elsewhere.py")
        done = python(
            f"""
            import sys, importlib.util
            class Editable:
                def find_spec(self, name, path=None, target=None):
                    if name == "ultralytics.trackers.track":
                        return importlib.util.spec_from_file_location(name, {str(elsewhere)!r})
            sys.meta_path.append(Editable())
            import ultralytics_reid
            """
            + textwrap.indent(SHOW, " " * 12),
            stub,
        )
        assert done.stdout.split() == ["True", "True"]

    def test_finder_in_front_that_asks_all_others(self, stub):
        done = python(
            """
            import sys
            class Asks:
                def find_spec(self, name, path=None, target=None):
                    others = (f.find_spec(name, path, target) for f in sys.meta_path if f is not self)
                    return next(filter(None, others), None)
            import ultralytics_reid
            sys.meta_path.insert(0, Asks())
            """
            + textwrap.indent(SHOW, " " * 12),
            stub,
        )
        assert done.stdout.split() == ["True", "True"]

    def test_a_second_copy_of_our_finder_doesnt_ask_the_first_for_ever(self, stub):
        code = """
            import sys, ultralytics_reid
            for name in [n for n in sys.modules if n.startswith("ultralytics_reid")]:
                del sys.modules[name]
            import ultralytics_reid
            """
        assert python(code + textwrap.indent(SHOW, " " * 12), stub).stdout.split() == ["True", "True"]

    def test_the_host_keeps_its_own_loader(self):
        assert type(host.__loader__) is type(bot_sort.__loader__)
        assert host.__spec__.loader is host.__loader__
        assert "def on_predict_start" in inspect.getsource(host)

    def test_looking_for_the_host_without_importing_it(self, stub):
        done = python(
            """
            import importlib.util, ultralytics_reid
            spec = importlib.util.find_spec("ultralytics.trackers.track")
            print("TRACKER_MAP" in spec.loader.get_source(spec.name))
            """,
            stub,
        )
        assert done.stdout.split() == ["True"]

    def test_missing_host_is_missing_as_without_us(self, stub):
        (stub / "ultralytics" / "trackers" / "track.py").unlink()
        done = python(
            """
            import ultralytics_reid
            try:
                import ultralytics.trackers.track
            except ModuleNotFoundError as error:
                print(error.name)
            """,
            stub,
        )
        assert done.stdout.split() == ["ultralytics.trackers.track"]


@pytest.mark.parametrize("content", [None, "def half(\n"], ids=["removed", "cut short"])
def test_damaged_package_leaves_the_host_usable(stub, tmp_path, monkeypatch, content):
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # the copy isn't to be measured
    copy = shutil.copytree(PACKAGE, tmp_path / "damaged" / "ultralytics_reid", ignore=shutil.ignore_patterns("*.pyc"))
    (copy / "registration.py").unlink()
    if content:
        (copy / "registration.py").write_text(content)
    done = python("import ultralytics_reid, ultralytics.trackers.track as t; print(*t.TRACKER_MAP)", stub, copy.parent)
    assert done.stdout.split() == ["botsort", "bytetrack", "tracktrack"]
    assert "ultralytics-reid is not available, reinstall it" in done.stderr


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ultralytics_reid.nonsense


@pytest.mark.parametrize("name", ultralytics_reid.__all__)
def test_every_public_name_is_there(name):
    home = importlib.import_module(f"ultralytics_reid.{ultralytics_reid._HOMES[name]}")
    assert getattr(ultralytics_reid, name) is getattr(home, name)


def test_pyinstaller_takes_the_yamls_weights_and_modules_along(monkeypatch):
    hooks = SimpleNamespace(
        collect_data_files=lambda package: [(f"{package}/demo/people.pt", f"{package}/demo")],
        collect_submodules=lambda package, filter: [
            name for name in (f"{package}.cli", f"{package}.__pyinstaller") if filter(name)
        ],
    )
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    folder = importlib.import_module("ultralytics_reid.__pyinstaller").get_hook_dirs()[0]
    found = runpy.run_path(f"{folder}/hook-ultralytics_reid.py")
    (source, target), weights = found["datas"]
    assert (Path(source) / "reid_botsort.yaml").is_file()
    assert target == "ultralytics_reid/trackers"
    assert weights == ("ultralytics_reid/demo/people.pt", "ultralytics_reid/demo")
    assert found["hiddenimports"] == ["ultralytics_reid.cli"]
