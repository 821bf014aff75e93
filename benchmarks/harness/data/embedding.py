"""The embedder of a run: the detector's own features, one that a user could configure, or a simulated one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles, Floats, ImageArray
from ultralytics_reid.embedders import build_embedder, custom
from ultralytics_reid.errors import ReIDError
from ultralytics_reid.evaluation.mot_files import frames_of

from ..clips.simulate import simulate
from ..errors import ChoiceError
from ..packages import versions
from .backbone import Backbone
from .cache import Arrays, of_file
from .layout import Clip
from .recipe import AUTO, Recipe
from .sequences import Detections, Sequence

Look = Callable[[ImageArray], None]
Embed = Callable[[ImageArray, Floats], Floats]

_ADAPTERS = Path(inspect.getfile(custom)).parent


def embedding_facts(recipe: Recipe) -> dict[str, Any]:
    """Return all that embeddings depend on beside images and boxes."""
    code = {"code": [of_file(p) for p in sorted(_ADAPTERS.glob("*.py"))]}
    packages = versions("ultralytics", "torch", "torchreid", "openvino", "onnxruntime")
    if recipe.embedder == AUTO:
        detector = recipe.detector.facts() if recipe.detector else {}
        return {"embedder": AUTO, "detector": detector, **code, **packages}
    model, weights = (of_file(Path(text)) if text else "" for text in (recipe.embedder, recipe.weights))
    told = {"embedder": recipe.embedder, "model": model, "weights": weights}
    return {**told, **code, **_own(recipe.embedder), **packages}


def _own(name: str) -> dict[str, str]:
    """The code of a user's own factory."""
    if custom.factory_of(name) is None or ":" not in name:
        return {}
    from importlib.util import find_spec

    try:
        spec = find_spec(name.partition(":")[0])
    except ModuleNotFoundError as error:
        raise ChoiceError(f"--embedder {name}: {error}") from None
    return {"factory": of_file(Path(spec.origin))} if spec and spec.origin else {}


def need_embedder(recipe: Recipe) -> None:
    """Raise `ChoiceError` if an embedder obviously can't be had, before anything is computed."""
    if recipe.embedder == AUTO and recipe.detector is None:
        raise ChoiceError("--embedder auto takes the detector's own features: it needs --detector")
    if recipe.weights and not Path(recipe.weights).exists():
        raise ChoiceError(f"--weights {recipe.weights} is missing")


def make_embedder(recipe: Recipe) -> tuple[Look, Embed]:
    """Make an embedder in two steps: the detector's own pass, which happens anyway, and the rest.

    Raises:
        ChoiceError: If the embedder, or its weights, can't be had.
    """
    try:
        if recipe.embedder == AUTO:
            return _own_features(recipe)
        embedder = build_embedder(recipe.embedder, recipe.weights, recipe.device)
    except (ReIDError, ValueError, ImportError) as error:
        raise ChoiceError(f"--embedder {recipe.embedder}: {error}") from error
    assert embedder is not None
    return lambda _: None, embedder


def _own_features(recipe: Recipe) -> tuple[Look, Embed]:
    need_embedder(recipe)
    detector = recipe.detector
    assert detector is not None
    taps = Backbone(detector.weights, detector.imgsz, detector.device)
    return taps.look, taps.pooled


def simulated(clip: Clip, truth: Doubles, boxes: list[Detections], seed: int) -> Arrays:
    """Simulate embeddings with the similarities of real ones.

    Args:
        clip: The frames.
        truth: Their ground truth, all rows.
        boxes: Detections by frame.
        seed: The same seed gives the same people.
    """
    scene = Sequence(clip.name, clip.info.fps, frames_of(truth, clip.length), {}, None)
    rows = [d.feats for d in simulate(scene, boxes, seed) if d.feats is not None]
    return {"feats": np.concatenate(rows)}
