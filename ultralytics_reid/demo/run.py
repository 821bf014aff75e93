"""Run the demo: open or render a video, track it, draw the results, report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from ..errors import ReIDError
from ..evaluation.idf1 import by_person, idf1
from ..evaluation.returns import returns
from ..events import Event, Revival
from ..gallery.commands.terminal import progress
from ..gallery.export.atomic_file import OWNER_ONLY
from ..gallery.ledger.sqlite_file import beside
from ..video_job.host import NO_STORES, check_keys, private_tracker
from ..video_job.source import without_password
from .annotations import EventAnnotator, GroundTruthAnnotator
from .camera_report import FOUND, GALLERY, HEATMAP, QUERY, CameraReport
from .cameras import CAMERAS, SHARED, track_cameras
from .cameras import VIDEO as CAMERA_VIDEO
from .contact_sheet import TrackerCrops, save_contact_sheet
from .ground_truth import SceneGroundTruth
from .options import STOCK, DemoOptions
from .report import Outcome, Report
from .runner import Runner, in_step
from .source import SCENE, DemoSource, open_source
from .video import Panel, SideBySideVideo, panel_width

VIDEO, SHEET = "tracked.mp4", "identities.png"
# What a run leaves in its folder, with the files of the commands that it prints.
_OF_SOURCE = (VIDEO, SHEET)
_OF_SCENE = (*_OF_SOURCE, SCENE, CAMERA_VIDEO, *(f"{name}.mp4" for name in CAMERAS), GALLERY, QUERY, FOUND, HEATMAP)
TITLES = {STOCK: "Ultralytics BoT-SORT"}

_Absences: TypeAlias = dict[int, list[tuple[float, float | None]]]


def run_demo(options: DemoOptions) -> Report:
    """Track a video with stock BoT-SORT and with this package's tracker, and two generated cameras with one gallery.

    It writes `tracked.mp4` and `identities.png`, and for a generated scene `scene.mp4` and what `track_cameras` writes,
    into a folder, all at once when they are complete, and readable by their owner only. With `options.overwrite`, what
    a former run of this kind left there is deleted then, so that no files of two runs are mixed. After an interrupt
    (Ctrl-C) it finishes with the frames so far. The second part is skipped where a source is given, or the first was
    interrupted.

    Args:
        options: Options of the run.

    Returns:
        The report; its `str` is what the command prints.

    Raises:
        ReIDError: If the source, the model, a class or the tracker's YAML is unusable, or the folder can't be written
            to, or has files that would be overwritten.
        KeyboardInterrupt: If it was interrupted before the first frame was tracked.
    """
    check_keys(options.tracker, NO_STORES)
    if options.source is None:
        # Before the first part's minutes: the second part has a gallery.
        check_keys(options.tracker, {**SHARED, "gallery": GALLERY})
    names = _OF_SCENE if options.source is None else _OF_SOURCE
    for name in names:
        if not options.overwrite and (options.out / name).exists():
            raise ReIDError(f"--out {options.out}: {name} already exists there; choose another folder, or --overwrite")
    with _staged(options.out, names) as folder:
        with private_tracker(options.tracker) as yaml:
            demo = _Demo(options, open_source(options, folder), yaml)
            demo.run(folder / VIDEO)
        demo.agree_on_absences()
        save_contact_sheet(folder / SHEET, demo.crops)
        cameras = track_cameras(options, demo.source, folder) if demo.source.truth and not demo.stopped else None
        written = sorted(path.name for path in folder.iterdir())
    return demo.report(tuple(options.out / name for name in written), cameras)


@contextmanager
def _staged(out: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield a temporary folder whose files replace those of `names` in `out` on success, and are removed on failure.

    Only its owner can read the folder.
    """
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
    except OSError as error:
        raise ReIDError(f"--out {out}: can't be written to: {error.strerror}") from error
    try:
        yield folder
        for name in names:
            # What SQLite left beside an older gallery would be taken for changes of the new one.
            for file in (out / name, *(beside(out / name) if name == GALLERY else ())):
                file.unlink(missing_ok=True)
        for file in folder.iterdir():
            file.chmod(OWNER_ONLY)
            file.replace(out / file.name)
    finally:
        shutil.rmtree(folder)
        if is_new and not any(out.iterdir()):
            out.rmdir()


class _Demo:
    """Trackers on a common source, with their drawings and events."""

    def __init__(self, options: DemoOptions, source: DemoSource, yaml: str) -> None:
        self._options, self.source = options, source
        yamls = {STOCK: STOCK} if source.is_repeatable else {}
        yamls[options.tracker] = yaml
        self._runners = [
            Runner(label, source.model, source.uri, tracker=yaml, **source.options) for label, yaml in yamls.items()
        ]
        self._events: list[Event] = []
        self.stopped = False
        self.crops = {_title(runner): TrackerCrops() for runner in self._runners}

    def run(self, path: Path) -> None:
        """Track and draw until the end or an interrupt."""
        with ExitStack() as stack:
            video = stack.enter_context(SideBySideVideo(path))
            for runner in self._runners:
                stack.callback(runner.close)
            try:
                self._track(video)
            except KeyboardInterrupt:
                self.stopped = True
                if not self._runners[-1].frames:
                    raise
        if not self._runners[-1].frames:
            uri = self.source.uri
            raise ReIDError(f"--source {without_password(uri, uri)}: no frame could be read")

    def _track(self, video: SideBySideVideo) -> None:
        panels: list[Panel] = []
        for results in progress(in_step(self._runners), "tracking", self.source.frames):
            clock = self._runners[-1].tracker.clock
            if not panels:
                panels = [self._panel(n, panel_width(results[0].orig_shape[1])) for n in range(len(results))]
                self._runners[-1].tracker.events.subscribe(self._events.append)
            drawn = []
            for runner, panel, result in zip(self._runners, panels, results, strict=True):
                self.crops[_title(runner)].add(result, runner.keep(result), clock.now)
                drawn.append(panel.draw(result, panel_width(result.orig_shape[1]), clock.now))
            video.add(drawn, clock.fps)
            if self.source.truth is None and self._options.seconds and clock.now >= self._options.seconds:
                break

    def _panel(self, n: int, width: int) -> Panel:
        ours = n == len(self._runners) - 1
        truth = self.source.truth
        annotator = GroundTruthAnnotator(truth, width) if truth else EventAnnotator(has_revivals=ours)
        return Panel(_title(self._runners[n]), annotator, self._runners[n].frames)

    def agree_on_absences(self) -> None:
        """Give the contact sheet the absences that the report has: of our tracker's revivals, then of ground truth."""
        for runner in self._runners:
            revivals = self._revivals() if runner is self._runners[-1] else {}
            found = self._returns(runner)
            for identity, crops in self.crops[_title(runner)].identities.items():
                crops.agree_with(revivals.get(identity, []), complete=False)
                if self.source.truth is not None:
                    crops.agree_with(found.get(identity, []), complete=True)

    def _revivals(self) -> _Absences:
        """When each id was revived, and after how long."""
        found: _Absences = {}
        for event in self._events:
            if isinstance(event, Revival) and not event.corrected:
                found.setdefault(event.identity_id, []).append((event.time, event.gap))
        return found

    def _returns(self, runner: Runner) -> _Absences:
        """When a person returned under each id, and after how long; None for another person."""
        found: _Absences = {}
        truth, count = self.source.truth, len(self._runners[-1].frames)
        if truth is None:
            return found
        for r in returns(truth.until(count), runner.frames[:count]).each:
            if r.given is not None:
                seconds = truth.away[r.track] if r.recognized else None
                found.setdefault(r.given, []).append(((r.frame + 1) / truth.fps, seconds))
        return found

    def report(self, files: tuple[Path, ...], cameras: CameraReport | None) -> Report:
        """Summarize the run."""
        count = len(self._runners[-1].frames)
        truth = self.source.truth.until(count) if self.source.truth else None
        outcomes = tuple(_outcome(runner, truth, count) for runner in self._runners)
        return Report(outcomes, tuple(self._events), truth, files, self.stopped, cameras)


def _title(runner: Runner) -> str:
    return TITLES.get(runner.label, Path(runner.label).stem)


def _outcome(runner: Runner, truth: SceneGroundTruth | None, count: int) -> Outcome:
    # After an interrupt between two trackers, the first is a frame ahead.
    frames = runner.frames[:count]
    ids = {int(i) for frame in frames for i in frame.ids}
    found = (returns(truth, frames), idf1(by_person(truth), frames)) if truth else (None, None)
    return Outcome(runner.label, count, len(ids), runner.milliseconds, *found)
