"""Code in README and in the guides runs word for word, in a folder with the files that it names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import shell_blocks
import yaml
from code_blocks import blocks

import ultralytics_reid
from ultralytics_reid import Config
from ultralytics_reid.scenes import Scene, SceneOptions

CHECKOUT = Path(os.environ.get("REID_CHECKOUT", Path(__file__).resolve().parents[2]))
PAGES = (
    "README.md",
    "docs/quickstart.md",
    *sorted(str(p.relative_to(CHECKOUT)) for p in CHECKOUT.glob("docs/guides/*")),
)
DETECTOR = Path(ultralytics_reid.__file__).parent / "demo" / "people.pt"
# Long enough for a gallery to be asked about a person: it wants two seconds of clean crops.
SECONDS, FPS = 4.0, 10.0
CASES = [
    pytest.param(page, n, id=f"{page}:{block.line}")
    for page in PAGES
    if (CHECKOUT / page).exists()
    for n, block in enumerate(blocks((CHECKOUT / page).read_text(encoding="utf-8")))
    if block.language in {"python", "sh", "yaml"}
]


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """The files that the documentation names: videos of two cameras, a detector, images of people."""
    folder = tmp_path_factory.mktemp("material")
    scene = Scene(SceneOptions(people=3, seconds=SECONDS, fps=FPS, cameras=2, away=(0.2, 0.4), size=(640, 360), seed=5))
    for camera, name in enumerate(("door.mp4", "yard.mp4")):
        video = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*"mp4v"), FPS, scene.options.size)
        for view in scene.views(camera):
            image = scene.render(view)
            video.write(image)
            if camera == 0 and len(view.ids) and view.visible.max() > 0.9:
                cv2.imwrite(str(folder / "person.jpg"), image)
        video.release()
    shutil.copy(folder / "door.mp4", folder / "street.mp4")
    for name in ("bob1.jpg", "bob2.jpg"):
        shutil.copy(folder / "person.jpg", folder / name)
    # Finds people of generated scenes, as YOLO11n finds real ones.
    shutil.copy(DETECTOR, folder / "yolo11n.pt")
    return folder


@pytest.fixture(scope="module")
def pages(material, tmp_path_factory):
    """Each page's folder, what its code has defined and exported, and how far it has run."""
    made = {}

    def page(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("page")
            shutil.copytree(material, folder, dirs_exist_ok=True)
            made[name] = SimpleNamespace(folder=folder, names={"__name__": "__main__"}, exported={}, done=-1)
        return made[name]

    return page


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n"), CASES)
def test_code_block_runs_as_written(name, n, pages, monkeypatch):
    listed = blocks((CHECKOUT / name).read_text(encoding="utf-8"))
    page = pages(name)
    monkeypatch.chdir(page.folder)
    monkeypatch.setattr("ultralytics.utils.RUNS_DIR", page.folder / "runs")
    for variable in ("ULTRALYTICS_REID_GALLERY", "ULTRALYTICS_REID_DETECTOR"):
        monkeypatch.setenv(variable, page.exported.get(variable, ""))
    if listed[n].reason:
        pytest.skip(listed[n].reason)
    left_out = ""
    # A block may need what an earlier one of its page has made.
    for block in listed[page.done + 1 : n + 1]:
        left_out = "" if block.reason else run(block, page)
    page.done = n
    if left_out:
        pytest.skip(left_out)


def run(block, page):
    """Run a block; returns why it was left out, if it was."""
    if block.language == "python":
        exec(compile(block.code, f"block at line {block.line}", "exec"), page.names)
    elif block.language == "sh":
        return shell_blocks.run(block.code, page.exported)
    elif block.language == "yaml":
        check_yaml(block.code)
    return ""


def check_yaml(text):
    """Keys of a tracker's YAML are accepted; other YAMLs are read by what they are for."""
    content = yaml.safe_load(text)
    if "ways" in content:
        from ultralytics_reid.gallery.linking.topology import Topology

        Path("topology.yaml").write_text(text)
        assert len(Topology.load("topology.yaml").ways) > len(content["ways"])
        return
    shipped = yaml.safe_load(ultralytics_reid.tracker_yaml().read_text())
    config = Config.from_args(SimpleNamespace(**{**shipped, **content}))
    assert all(getattr(config, key) == value for key, value in content.items())


def test_pages_are_found():
    if not (CHECKOUT / "README.md").exists():
        pytest.skip("needs the checkout that REID_CHECKOUT names")
    assert len(PAGES) > 10
    assert len(CASES) > 30
