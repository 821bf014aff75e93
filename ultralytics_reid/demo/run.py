"""The demo from beginning to end: find or make a video, track it, draw it, tell what came of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import ConfigError, ReIDError
from ..evaluation.returns import returns
from ..events import Event
from .annotations import ByHearsay, ByTruth
from .contact_sheet import Albums, save_sheet
from .ground_truth import SceneTruth
from .options import STOCK, DemoOptions
from .report import Outcome, Report
from .runner import Runner, in_step
from .source import Material, material, progress
from .video import Film, Panel, panel_width

VIDEO, SHEET = "tracked.mp4", "identities.png"
TITLES = {STOCK: "Ultralytics BoT-SORT"}


def run_demo(options: DemoOptions) -> Report:
    """Track a video with stock BoT-SORT and with this package's tracker.

    It writes `tracked.mp4` and `identities.png`, and for a generated scene `scene.mp4`, into a folder, all of them
    together, once they are complete. Interrupted (Ctrl-C), it goes on with what there is until then.

    Args:
        options: What to track, how, and where to write.

    Returns:
        What came of it; `str` of it is what the command prints.

    Raises:
        ReIDError: If the source, the model or the tracker's YAML can't be used, or the folder can't be written to.
        KeyboardInterrupt: If it was interrupted before there was anything to show.
    """
    _check_tracker(options.tracker)
    with _staged(options.out) as folder:
        demo = _Demo(options, material(options, folder))
        demo.run(folder / VIDEO)
        save_sheet(folder / SHEET, demo.galleries)
        names = sorted(path.name for path in folder.iterdir())
    return demo.report(tuple(options.out / name for name in names))


def _check_tracker(tracker: str) -> None:
    from ultralytics.trackers import track
    from ultralytics.utils import YAML

    from .. import register

    register()
    try:
        # Looked up in the module, where our package has put its own lookup.
        kind = YAML.load(track.check_yaml(tracker)).get("tracker_type")
    except FileNotFoundError as error:
        raise ReIDError(f"--tracker {tracker}: there is no such file") from error
    if kind != "reid_botsort":
        raise ConfigError(f"--tracker {tracker}: its tracker_type must be reid_botsort, got {kind}")


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder whose files are moved to `out` at the end, and dropped if anything fails."""
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
    except OSError as error:
        raise ReIDError(f"--out {out}: can't be written to: {error.strerror}") from error
    try:
        yield folder
        for file in folder.iterdir():
            file.replace(out / file.name)
    finally:
        shutil.rmtree(folder)
        if made and not any(out.iterdir()):
            out.rmdir()


class _Demo:
    """The trackers, what is drawn of them, and what they told."""

    def __init__(self, options: DemoOptions, of: Material) -> None:
        self._options, self._of = options, of
        self._runners = [
            Runner(yaml, of.model, of.source, tracker=yaml, **of.options)
            for yaml in ([STOCK] if of.repeats else []) + [options.tracker]
        ]
        self._events: list[Event] = []
        self._stopped = False
        self.galleries = {_title(runner): Albums() for runner in self._runners}

    def run(self, path: Path) -> None:
        """Track and draw, until the end or an interrupt."""
        with ExitStack() as stack:
            film = stack.enter_context(Film(path))
            for runner in self._runners:
                stack.callback(runner.close)
            try:
                self._follow(film)
            except KeyboardInterrupt:
                self._stopped = True
                if not self._runners[-1].frames:
                    raise
        if not self._runners[-1].frames:
            raise ReIDError(f"--source {self._of.source}: no frame could be read")

    def _follow(self, film: Film) -> None:
        panels: list[Panel] = []
        for results in progress(in_step(self._runners), "tracking", self._of.frames):
            clock = self._runners[-1].tracker.clock
            if not panels:
                panels = [self._panel(n, panel_width(results[0].orig_shape[1])) for n in range(len(results))]
                self._runners[-1].tracker.events.subscribe(self._events.append)
            drawn = []
            for runner, panel, result in zip(self._runners, panels, results, strict=True):
                self.galleries[_title(runner)].add(result, runner.keep(result), clock.now)
                drawn.append(panel.draw(result, panel_width(result.orig_shape[1]), clock.now))
            film.add(drawn, clock.fps)
            if self._of.truth is None and self._options.seconds and clock.now >= self._options.seconds:
                break

    def _panel(self, n: int, width: int) -> Panel:
        ours = n == len(self._runners) - 1
        comment = ByTruth(self._of.truth, width) if self._of.truth else ByHearsay(tells=ours)
        return Panel(_title(self._runners[n]), comment, self._runners[n].frames)

    def report(self, files: tuple[Path, ...]) -> Report:
        """What came of it."""
        seen = len(self._runners[-1].frames)
        truth = self._of.truth.until(seen) if self._of.truth else None
        outcomes = tuple(_outcome(runner, truth, seen) for runner in self._runners)
        return Report(outcomes, tuple(self._events), truth, files, self._stopped)


def _title(runner: Runner) -> str:
    return TITLES.get(runner.label, Path(runner.label).stem)


def _outcome(runner: Runner, truth: SceneTruth | None, seen: int) -> Outcome:
    # Interrupted between two trackers, one is a frame ahead.
    frames = runner.frames[:seen]
    ids = {int(i) for frame in frames for i in frame.ids}
    return Outcome(runner.label, seen, len(ids), runner.milliseconds, returns(truth, frames) if truth else None)
