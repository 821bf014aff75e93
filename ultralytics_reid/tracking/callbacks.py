"""What the tracker needs of the host's predictor: features, frame times, folders of images, identities by box."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ultralytics.utils import LOGGER

from ..embedders import AUTO
from ..embedders.detector import DetectorFeatures
from ..errors import ConfigError
from ..gallery.recipe import CLASS_NAMES, pack_class_names
from .clock import DEFAULT_FPS
from .closing_line import RunTally, log_closing_lines
from .frame import Batch
from .plotting import color_by_identity
from .results import Shown, attach
from .stream_names import LOOPS, camera_names

_AFTER, _END = "on_predict_postprocess_end", "on_predict_end"
_MAX_FPS = 1000.0


def setup(predictor: Any) -> None:
    """Install features and the callback; the host calls it once after it has made the trackers.

    Args:
        predictor: The host's predictor, with `trackers`, all of this package's type.
    """
    if isinstance(getattr(predictor, "_hook", None), DetectorFeatures):
        del predictor._hook  # its taps are off, and a tracker that is set up anew may want none
    if _is_loop(predictor):
        _note_restart(predictor)
    first, embedder = predictor.trackers[0], predictor.trackers[0].embedder
    for n, tracker in enumerate(predictor.trackers[1:], 2):
        tracker.embedder, tracker.camera.connection = embedder, first.camera.connection
        tracker.log = None if first.log is None else first.log.numbered(n)
    for tracker in predictor.trackers:
        tracker.class_names = {int(cls): str(name) for cls, name in predictor.model.names.items()}
    if first.camera.connection is not None:
        _prepare_gallery(predictor)
    if first.config.with_reid and first.config.model == AUTO:
        _tap_detector(predictor)
    _add_callbacks(predictor)
    _set_up_tallies(predictor)
    for tracker, tally in zip(predictor.trackers, predictor._reid_tallies, strict=True):
        tracker.events.subscribe(tally.note)


def _set_up_tallies(predictor: Any) -> None:
    """Count for the closing lines, which are logged at the latest when the predictor or the process ends."""
    known: list[RunTally] = getattr(predictor, "_reid_tallies", [])
    if _is_loop(predictor) and len(known) == len(predictor.trackers):
        return  # a loop without `persist` goes on, with trackers made anew
    if known:
        predictor._reid_ending()
    predictor._reid_tallies = [RunTally() for _ in predictor.trackers]
    predictor._reid_ending = weakref.finalize(predictor, log_closing_lines, predictor._reid_tallies, predictor.args)


def _add_callbacks(predictor: Any) -> None:
    """Be called after each batch, and after a video; before each batch anew, for `model.reset_callbacks()`."""
    if after_update not in predictor.callbacks[_AFTER]:
        predictor.add_callback(_AFTER, after_update)
    if after_source not in predictor.callbacks[_END]:
        predictor.add_callback(_END, after_source)


def _is_loop(predictor: Any) -> bool:
    """Whether the source is one image in memory: a frame of a loop of the user's."""
    data = predictor.dataset
    kind = getattr(data, "source_type", None)
    return (
        data.mode == "image" and data.bs == 1 and bool(getattr(kind, "from_img", False) or getattr(kind, "tensor", 0))
    )


def _note_restart(predictor: Any) -> None:
    """Warn where a loop's trackers are made anew: the host keeps them only if it is told to persist."""
    if getattr(predictor, "_reid_loops", False):
        what = "each frame starts a new tracker with new ids, and no identity is recognized"
        _warn_once(predictor, f"model.track() was called with one image after another without persist=True: {what}")
    predictor._reid_loops = True


def _warn_once(predictor: Any, text: str) -> None:
    said: set[str] = vars(predictor).setdefault("_reid_said", set())
    if text not in said:
        said.add(text)
        LOGGER.warning(text)


def _prepare_gallery(predictor: Any) -> None:
    """Tell the trackers what cameras they have."""
    given = predictor.trackers[0].config.cameras
    streams = predictor.dataset.bs if predictor.dataset.mode == "stream" else 1
    if given and len(given) != streams:
        one = "one camera, as the source is one" if streams == 1 else f"all {streams} streams"
        raise ConfigError(f"'camera_id' must name {one}, or be auto, got {len(given)} names")
    if not given and _is_loop(predictor):
        name = LOOPS.take(predictor, predictor.trackers[0].config.gallery)
        what = f"this loop of frames has no camera name: it is {name!r} in the gallery, and so may another program's be"
        _warn_once(predictor, f"{what}; set the key 'camera_id' in the tracker YAML of each")
    recipe = {"detector": str(predictor.args.model), "imgsz": str(predictor.args.imgsz)}
    recipe[CLASS_NAMES] = pack_class_names(predictor.model.names)
    for tracker in predictor.trackers:
        tracker.camera.recipe |= recipe


def _name_cameras(predictor: Any) -> None:
    if predictor.trackers[0].camera.connection is None:
        return
    live, loop = time.time(), _is_loop(predictor)
    for tracker, name in zip(_fed(predictor), _camera_names(predictor), strict=False):
        if tracker.camera.camera_id != name:
            tracker.camera.connection.check_camera(name)  # of all streams, before the first one opens the gallery
        tracker.camera.camera_id = name
        loop_live = loop and not tracker.fps_known and not tracker.clock.given
        if tracker.camera.starts_at is None and (_is_live(predictor) or loop_live):
            tracker.camera.follow(live, tracker.clock.now)


def _camera_names(predictor: Any) -> list[str]:
    """See `camera_names`; streams stay the same as long as the host reads them, and aren't looked up frame by frame."""
    data, known = predictor.dataset, getattr(predictor, "_reid_cameras", None)
    if data.mode == "stream" and known is not None and known[0] is data:
        names: list[str] = known[1]
        return names
    config = predictor.trackers[0].config
    if not config.cameras and _is_loop(predictor):
        return [LOOPS.take(predictor, config.gallery)]
    names = camera_names(predictor, config.cameras)
    predictor._reid_cameras = data, names
    return names


def _is_live(predictor: Any) -> bool:
    lengths = getattr(predictor.dataset, "frames", None)
    return predictor.dataset.mode == "stream" and (lengths is None or float("inf") in lengths)


def after_source(predictor: Any) -> None:
    """Have everything written to the gallery, and say what the run came to, after the host has read its source.

    Args:
        predictor: The host's predictor. Where images are given to it one by one, each is a source of its own, and
            nothing is over yet: see `finish`.
    """
    if predictor.dataset.mode == "image" and getattr(predictor.dataset, "nf", 1) == 1:
        return
    log_closing_lines(getattr(predictor, "_reid_tallies", ()), predictor.args)
    for tracker in getattr(predictor, "trackers", []):
        link = getattr(tracker, "camera", None)
        if link is not None and link.connection is not None and (summary := tracker.finish(wait=True)):
            LOGGER.info(summary)


def _tap_detector(predictor: Any) -> None:
    from ultralytics.models.rtdetr import RTDETRPredictor

    net = predictor.model.model
    if DetectorFeatures.fits(net):
        stretched = isinstance(predictor, RTDETRPredictor)
        predictor._hook = taps = DetectorFeatures(net, _tracks(weakref.ref(predictor)), stretched=stretched)
        # The host takes off what it finds under that name when it sets up tracking anew, whatever the tracker then; but
        # the net may outlive this predictor.
        weakref.finalize(predictor, taps.remove)
        return
    predictor.trackers[0].embeddings.warn_no_features("an exported model shows nothing of its inside")
    for tracker in predictor.trackers[1:]:
        tracker.embeddings.silence_warning()


def _tracks(predictor: weakref.ref[Any]) -> Callable[[], bool]:
    """Whether a predictor is there and tracks, rather than just predicts."""
    return lambda: (there := predictor()) is not None and there.args.mode == "track"


def before_update(predictor: Any) -> None:
    """Bring features and time to a batch, before the host gives it to the trackers.

    Args:
        predictor: The host's predictor, with the batch's `results`.
    """
    _add_callbacks(predictor)
    taps, features_by = getattr(predictor, "_hook", None), ""
    if isinstance(taps, DetectorFeatures):
        boxes = [np.asarray(_boxes(r).xyxy.cpu().numpy(), np.float32) for r in predictor.results]
        shapes = [r.orig_shape for r in predictor.results]
        for result, feats in zip(predictor.results, taps(boxes, shapes), strict=True):
            result.feats = feats
        features_by = taps.fingerprint
    stream, goes_on = predictor.dataset.mode == "stream", _folder_goes_on(predictor)
    for n, tracker in enumerate(predictor.trackers):
        fed = predictor.results[n : n + 1] if stream else predictor.results if n == 0 else []
        masks = [_outlines(result) for result in fed] if tracker.config.mask_crops else []
        tracker.batch = Batch(features_by, masks, goes_on and n == 0)
        for result in fed:
            predictor._reid_tallies[n].detected(len(_boxes(result)))
    _name_cameras(predictor)
    _tell_time(predictor)


def _boxes(result: Any) -> Any:
    return result.boxes if result.obb is None else result.obb


def _outlines(result: Any) -> list[Any] | None:
    return None if result.masks is None else list(result.masks.xy)


def _tell_time(predictor: Any) -> None:
    data, stride = predictor.dataset, predictor.args.vid_stride
    for n, tracker in enumerate(_fed(predictor)):
        if tracker.fps_known or tracker.clock.told:
            continue
        if data.mode == "video":
            tracker.clock.fps = _plausible(data.fps) / stride
        elif data.mode == "stream":
            _tell_stream_time(tracker.clock, data, n, stride)
            if _is_endless(data, n):
                tracker.camera.follow(time.time(), tracker.clock.upcoming)
        elif _is_loop(predictor):
            _tell_loop_time(predictor, tracker)


def _tell_loop_time(predictor: Any, tracker: Any) -> None:
    """Loops run by the computer's clock, which is right for cameras; what is recorded is read at any pace."""
    tracker.clock.follow()
    tracker.camera.follow(time.time(), tracker.clock.upcoming)
    if tracker.frame_id:
        what = "frames given one by one have no time, so reid_botsort takes the computer's clock"
        do = "set the key 'fps' in the tracker YAML, or call tracker.clock.at(seconds) before each frame"
        _warn_once(predictor, f"{what}; for a recording {do}")


def _is_endless(data: Any, n: int) -> bool:
    lengths = getattr(data, "frames", None)
    return lengths is None or lengths[n] == float("inf")


def _tell_stream_time(clock: Any, data: Any, n: int, stride: int) -> None:
    """Live streams run by the wall clock; files among streams by their rate, or place where frames are skipped."""
    if _is_endless(data, n):
        clock.follow()
    elif data.buffer:
        clock.fps = _plausible(data.fps[n]) / stride
    else:
        import cv2

        clock.at(data.caps[n].get(cv2.CAP_PROP_POS_FRAMES) / _plausible(data.fps[n]))


def _fed(predictor: Any) -> list[Any]:
    """The trackers of the sources there are; the host keeps those of earlier ones where it persists."""
    trackers: list[Any] = predictor.trackers
    return trackers[: len(predictor.results)] if predictor.dataset.mode == "stream" else trackers[:1]


def _plausible(fps: float) -> float:
    """The host's own rule for streams: containers may say 0, NaN or a clock rate."""
    return fps if 0 < fps < _MAX_FPS else DEFAULT_FPS


def _folder_goes_on(predictor: Any) -> bool:
    """Whether images of one folder are frames of one video; the host would reset the tracker at every one of them.

    Before the first of them the host has made the tracker anew, unless it persists: nothing is left to reset.
    """
    tracker, last = predictor.trackers[0], predictor.vid_path[0]
    folders = {Path(r.path).parent for r in predictor.results}
    return (
        predictor.dataset.mode == "image"
        and tracker.config.folder_is_video
        and folders == {Path(last or predictor.results[0].path).parent}
    )


def after_update(predictor: Any) -> None:
    """Leave identities on the results, after the host has tracked a batch.

    Args:
        predictor: The host's predictor; one whose trackers aren't this package's is left alone.
    """
    trackers = getattr(predictor, "trackers", [])
    if predictor.args.mode != "track" or not trackers or not getattr(trackers[0], "attaches_identities", False):
        return
    stream = predictor.dataset.mode == "stream"
    shown: list[Shown] = []
    for tracker, tally in zip(_fed(predictor), predictor._reid_tallies, strict=False):
        shown += tracker.batch.shown if tracker.batch is not None else []
        for known in tracker.batch.shown if tracker.batch is not None else []:
            tally.shown(known.identities.values())
    for n, known in enumerate(shown):
        if not known.identities and trackers[n if stream else 0].hides:
            predictor.results[n] = predictor.results[n][:0]  # the host leaves them in, without ids
        attach(predictor.results[n], known)
        color_by_identity(predictor.results[n])
    for tracker in trackers:
        tracker.batch = None
