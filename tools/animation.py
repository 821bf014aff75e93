"""Draw one return of a generated scene: stock BoT-SORT with ReID beside reid_botsort, as an animated GIF.

The scene, its detector and both trackers are the package's own; nothing is downloaded. Of all returns that reid_botsort
recognizes and stock does not, the one that is seen best is drawn: how often that happens is what the benchmarks count.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import ultralytics_reid
from ultralytics_reid.scenes import Scene, SceneOptions
from ultralytics_reid.scenes.scene import View

ROOT = Path(__file__).resolve().parents[1]
DETECTOR = Path(ultralytics_reid.__file__).parent / "demo" / "people.pt"
PANELS = (("Ultralytics BoT-SORT, with_reid: True", "stock.yaml"), ("reid_botsort", "reid_botsort.yaml"))

FPS = 10
# Seconds drawn before the person leaves, after the person is back, and of the last frame.
BEFORE_S, AFTER_S, HOLD_S = 2.2, 4.0, 1.5
MIN_GAP_S, MAX_GAP_S = 3.0, 20.0
# A person counts as seen from this visible share on, and as matched from this IoU on.
MIN_VISIBLE, MIN_IOU = 0.4, 0.5

WIDTH, GAP, TITLE, CAPTION = 476, 8, 34, 34
# Rows of the image that are drawn: above is wall only.
TOP, BOTTOM = 90, 540
COLORS = 200
INK, PAPER, FAINT, KNOWN, GOOD, BAD = "#1f2933", "#ffffff", "#7b8794", "#1d4ed8", "#1a7f37", "#cf222e"

Boxes = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Return:
    """A person that left the image and came back.

    Attributes:
        person: Id in the ground truth.
        left: Last frame before the absence.
        back: First frame after it.
        before: The id that each tracker gave before the absence.
        after: The id that each tracker gave in the end.
    """

    person: int
    left: int
    back: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def gap(self) -> float:
        """Seconds of absence."""
        return (self.back - self.left) / FPS


def main() -> None:
    """Render, track, choose a return, and write the animation."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "assets" / "return.gif", metavar="FILE")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another scene (default: 1)")
    parser.add_argument("--seconds", type=float, default=70.0, metavar="S", help="length of the scene (default: 70)")
    parser.add_argument("--frames", type=Path, metavar="DIR", help="write each frame as a PNG too")
    args = parser.parse_args()
    options = SceneOptions(
        people=5, seconds=args.seconds, fps=FPS, seed=args.seed, stops=0.6, pillars=1, noise=0.0, look_alikes=0.0
    )
    scene = Scene(options)
    views = list(scene.views())
    with tempfile.TemporaryDirectory() as folder:
        video = _render(scene, views, Path(folder))
        outputs = [_track(video, _yaml(name, Path(folder))) for _, name in PANELS]
    found = _choose(views, outputs)
    print(f"person {found.person} is away for {found.gap:.1f} s: ids {found.before}, then {found.after}")
    frames = [_frame(scene, views, outputs, found, n) for n in _shown(found)]
    _save(args.out, frames)
    if args.frames:
        args.frames.mkdir(parents=True, exist_ok=True)
        for n, frame in enumerate(frames):
            frame.save(args.frames / f"{n:03}.png")
    print(f"wrote {args.out}: {len(frames)} frames, {args.out.stat().st_size / 1e6:.2f} MB")


def _render(scene: Scene, views: list[View], folder: Path) -> Path:
    path = folder / "scene.mp4"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, scene.options.size)
    for view in views:
        video.write(scene.render(view))
    video.release()
    return path


def _yaml(name: str, folder: Path) -> str:
    """Path or name of a tracker's YAML; stock's ships with `with_reid: False`."""
    if name != "stock.yaml":
        return name
    from ultralytics.trackers import track
    from ultralytics.utils import YAML

    path = folder / name
    YAML.save(path, {**YAML.load(track.check_yaml("botsort.yaml")), "with_reid": True})
    return str(path)


def _track(video: Path, tracker: str) -> list[dict[int, Boxes]]:
    """`{id: (4,) xyxy pixels}` of each frame."""
    from ultralytics import YOLO

    output = []
    for result in YOLO(DETECTOR).track(str(video), tracker=tracker, stream=True, verbose=False, iou=0.5):
        ids = [] if result.boxes.id is None else result.boxes.id.int().tolist()
        output.append(dict(zip(ids, result.boxes.xyxy.cpu().numpy(), strict=False)))
    return output


def _choose(views: list[View], outputs: list[list[dict[int, Boxes]]]) -> Return:
    """The return that reid_botsort recognizes and stock does not, and that is seen in most frames."""
    candidates = [r for r in _returns(views, outputs) if r.after[1] == r.before[1] and r.after[0] != r.before[0]]
    if not candidates:
        raise SystemExit("no return of this scene is recognized by reid_botsort only: try another --seed")
    return max(candidates, key=lambda r: len(_matched_frames(views, outputs, r)))


def _returns(views: list[View], outputs: list[list[dict[int, Boxes]]]) -> Iterator[Return]:
    for person in sorted({int(i) for view in views for i in view.ids}):
        seen = [view.index for view in views if _box(view, person) is not None]
        for left, back in pairwise(seen):
            if not MIN_GAP_S <= (back - left) / FPS <= MAX_GAP_S or back + AFTER_S * FPS > len(views):
                continue
            before = tuple(_id(views, output, person, left - round(BEFORE_S * FPS), left) for output in outputs)
            after = tuple(_id(views, output, person, back + 2 * FPS, back + round(AFTER_S * FPS)) for output in outputs)
            if None not in (*before, *after):
                yield Return(person, left, back, before, after)  # type: ignore[arg-type]


def _matched_frames(views: list[View], outputs: list[list[dict[int, Boxes]]], of: Return) -> list[int]:
    """Drawn frames in which both trackers have the person."""
    return [n for n in _shown(of) if all(_on(views[n], output[n], of.person) is not None for output in outputs)]


def _id(views: list[View], output: list[dict[int, Boxes]], person: int, first: int, last: int) -> int | None:
    """The id on most boxes of a person; None where the person has none in half of the frames."""
    stretch = range(max(0, first), min(last + 1, len(views)))
    ids = Counter(i for n in stretch if (i := _on(views[n], output[n], person)) is not None)
    if not ids or ids.total() < len(stretch) / 2:
        return None
    return ids.most_common(1)[0][0]


def _box(view: View, person: int) -> Boxes | None:
    """Box of a person that can be seen."""
    row = np.flatnonzero((view.ids == person) & (view.visible >= MIN_VISIBLE))
    return np.asarray(view.xyxy[row[0]], np.float32) if len(row) else None


def _on(view: View, boxes: dict[int, Boxes], person: int) -> int | None:
    """The id of the box that lies on a person."""
    truth = _box(view, person)
    if truth is None or not boxes:
        return None
    best = max(boxes, key=lambda i: _iou(truth, boxes[i]))
    return best if _iou(truth, boxes[best]) >= MIN_IOU else None


def _iou(a: Boxes, b: Boxes) -> float:
    sides = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    common = float(sides.prod())
    return common / float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common)


def _shown(of: Return) -> list[int]:
    """Frames to draw: until shortly after the person leaves, then from shortly before the return."""
    pause = min(8, (of.back - of.left) // 2)
    first = range(of.left - round(BEFORE_S * FPS), of.left + pause)
    return [n for n in (*first, *range(of.back - pause, of.back + round(AFTER_S * FPS))) if n >= 0]


def _frame(scene: Scene, views: list[View], outputs: list[list[dict[int, Boxes]]], of: Return, n: int) -> Image.Image:
    image = scene.render(views[n])
    panels = [_panel(image, views[n], output[n], of, side) for side, output in enumerate(outputs)]
    sheet = Image.new("RGB", (2 * WIDTH + GAP, TITLE + panels[0].height + CAPTION), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((sheet.width - 4, TITLE // 2), f"{n / FPS:.0f} s", FAINT, _font(15), "rm")
    for side, panel in enumerate(panels):
        left = side * (WIDTH + GAP)
        draw.text((left + 4, TITLE // 2), PANELS[side][0], INK, _font(17), "lm")
        sheet.paste(panel, (left, TITLE))
        text, color = _caption(outputs[side][n], views[n], of, side, n)
        draw.text((left + 4, sheet.height - CAPTION // 2), text, color, _font(17), "lm")
    return sheet


def _caption(boxes: dict[int, Boxes], view: View, of: Return, side: int, n: int) -> tuple[str, str]:
    before = of.before[side]
    if n <= of.left:
        return f"This person has id {before}.", KNOWN
    if n < of.back:
        return ("Out of view." if n - of.left < FPS else f"Out of view for {(n - of.left) / FPS:.0f} s."), FAINT
    now = _on(view, boxes, of.person)
    if now is None:
        return "Back: no id yet.", FAINT
    if now == before:
        return f"✓ Recognized after {of.gap:.0f} s: id {now} again.", GOOD
    if of.after[side] == before:
        return f"Back: id {now} at first.", FAINT
    return f"✗ Taken for a new person: id {now}.", BAD


def _panel(image: npt.NDArray[np.uint8], view: View, boxes: dict[int, Boxes], of: Return, side: int) -> Image.Image:
    scale = WIDTH / image.shape[1]
    part = cv2.cvtColor(image[TOP:BOTTOM], cv2.COLOR_BGR2RGB)
    panel = Image.fromarray(part).resize((WIDTH, round(part.shape[0] * scale)), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(panel)
    subject = _on(view, boxes, of.person)
    for identity in sorted(boxes, key=lambda i: i == subject):
        box = ((boxes[identity] - np.array([0, TOP, 0, TOP], np.float32)) * scale).tolist()
        if identity != subject:
            draw.rectangle(box, outline=FAINT)
            _label(draw, box, str(identity), 12, FAINT)
            continue
        _, color = _caption(boxes, view, of, side, view.index)
        draw.rectangle(box, outline=color, width=3)
        _label(draw, box, f"id {identity}", 20, color)
    return panel


def _label(draw: Any, box: list[float], text: str, size: int, color: str) -> None:
    """An id above a box, inside the panel."""
    font = _font(size)
    width, height = font.getlength(text) + 8, size + 6
    left = min(max(0, box[0]), WIDTH - width)
    bottom = max(height, box[1])
    draw.rectangle((left, bottom - height, left + width, bottom), fill=color)
    draw.text((left + 4, bottom - height / 2), text, PAPER, font, "lm")


def _font(size: int) -> Any:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"), size)


def _save(path: Path, frames: list[Image.Image]) -> None:
    """Write a GIF of one palette without dithering, in which pixels that stay as they are take no space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = Image.fromarray(_palette_pixels(frames)).quantize(COLORS, Image.Quantize.MEDIANCUT)
    indexed = [np.asarray(frame.quantize(palette=palette, dither=Image.Dither.NONE)) for frame in frames]
    changed = [np.where(now == before, COLORS, now) for before, now in pairwise(indexed)]
    images = [Image.fromarray(pixels.astype(np.uint8), "P") for pixels in (indexed[0], *changed)]
    for image in images:
        image.putpalette([*(palette.getpalette() or [])[: 3 * COLORS], 0, 0, 0])
    durations = [1000 // FPS] * (len(frames) - 1) + [round(1000 * HOLD_S)]
    timing: dict[str, Any] = {"duration": durations, "loop": 0, "save_all": True, "append_images": images[1:]}
    images[0].save(path, "GIF", transparency=COLORS, disposal=1, optimize=False, **timing)


def _palette_pixels(frames: list[Image.Image]) -> npt.NDArray[np.uint8]:
    """`(N, 1, 3)` pixels to take the palette from: one frame, and of the others what changes, or people look gray."""
    first, *others = (np.asarray(frame) for frame in frames[:: max(1, len(frames) // 16)])
    moving = [other[(other != first).any(axis=-1)] for other in others]
    return np.concatenate([first[::2, ::2].reshape(-1, 3), *moving])[:, None]


if __name__ == "__main__":
    main()
