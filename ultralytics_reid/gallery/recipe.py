"""The recipe of a gallery's embeddings: what its cameras used, as data that is compared and shown, never loaded.

A gallery may come from someone else. A model file can run code when it is loaded, so which model is loaded is said by
the user alone. The recipe gives the words of the error that asks for it, the input size and the crop options; the
fingerprint decides whether the model is the right one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..config import rule_of
from ..embedders import AUTO, family_by_name, family_of
from ..embedders.crops import NOTHING_ELSE, CropOptions
from ..errors import GalleryError
from .records import printable

RECIPE = "recipe"

CLASS_NAMES = "class_names"

# As in a tracker YAML, and what `CropOptions` calls them.
_CROP_KEYS = {
    "crop_height": "height",
    "crop_width": "width",
    "normalize": "normalize",
    "channels": "channels",
    "flip_crops": "flip",
}
_KEYS = ("model", "weights", "detector", "head", "imgsz", "find", CLASS_NAMES, *_CROP_KEYS)
_MAX_LETTERS = 4096
# Pixels: the range of input sizes that a gallery may ask of a detector.
_MIN_SIDE, _MAX_SIDE = 32, 4096
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)
_SIDES = re.compile(r"\[?\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?\]?", re.ASCII)


def recorded_recipe(data: bytes | None) -> dict[str, str]:
    """Read the recipe that a gallery records; empty if it records none.

    Raises:
        GalleryError: If it is no JSON object of texts.
    """
    if not data:
        return {}
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise GalleryError(f"the gallery is damaged: its file {RECIPE!r} is no JSON") from error
    if not isinstance(found, dict) or not all(isinstance(v, str) and len(v) <= _MAX_LETTERS for v in found.values()):
        raise GalleryError(f"the gallery is damaged: its file {RECIPE!r} must hold texts by key")
    return {key: found[key] for key in _KEYS if key in found}


def pack_class_names(names: Mapping[int, str]) -> str:
    """Names of a detector's classes as a text of a recipe; of very many, those of the lowest indices that fit."""
    kept = dict(sorted(names.items()))
    while len(packed := json.dumps(kept)) > _MAX_LETTERS:
        kept.popitem()
    return packed


def unpack_class_names(recorded: Mapping[str, str]) -> dict[int, str]:
    """Names by class index, as a gallery records them; empty if it records none.

    Raises:
        GalleryError: If they are no JSON object of names by index.
    """
    if CLASS_NAMES not in recorded:
        return {}
    try:
        return {int(index): str(name) for index, name in json.loads(recorded[CLASS_NAMES]).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise GalleryError(
            f"the gallery is damaged: {CLASS_NAMES!r} in its file {RECIPE!r} must be a JSON object"
        ) from error


def crop_recipe(options: CropOptions) -> dict[str, str]:
    """Write those crop options that aren't left to the model as texts by key of a tracker YAML."""
    given = {key: getattr(options, name) for key, name in _CROP_KEYS.items()}
    return {key: str(value) for key, value in given.items() if value != getattr(NOTHING_ELSE, _CROP_KEYS[key])}


def crop_options(recipe: Mapping[str, str]) -> CropOptions:
    """Read the crop options of a recipe.

    Raises:
        GalleryError: If one is out of its range in a tracker YAML.
    """
    values = {_CROP_KEYS[key]: _parsed(key, recipe[key]) for key in _CROP_KEYS if key in recipe}
    return CropOptions(**values)


def _parsed(key: str, text: str) -> Any:
    """A whole number, a truth value or a word, as the tracker YAML's key may hold it."""
    value = int(text) if _WHOLE.fullmatch(text) else {"True": True, "False": False}.get(text, text)
    if not rule_of(key).admits(value):
        what = f"{key!r} in its file {RECIPE!r} must be {rule_of(key)}"
        raise GalleryError(f"the gallery is damaged: {what}, got {printable(text)!r}")
    return value


def trusted_recipe(given: Mapping[str, str], recorded: Mapping[str, str]) -> dict[str, str]:
    """Combine what the user named with the input size and the crop options that the gallery records.

    Args:
        given: `model`, `weights`, `detector`, `head` and crop options, as named by the user; a detector alone means
            `model: auto`.
        recorded: The gallery's recipe. Nothing that can be loaded is taken from it.

    Raises:
        GalleryError: If the user named no model, or what is recorded is out of range.
    """
    detector_alone = "detector" in given and recorded.get("model", AUTO) == AUTO
    model = given.get("model", AUTO if detector_alone else "")
    if not model or (model == AUTO and "detector" not in given):
        raise GalleryError(_what_to_name(recorded, AUTO if model else recorded.get("model", "")))
    size = {"imgsz": _checked_size(recorded["imgsz"])} if model == AUTO and recorded.get("imgsz") else {}
    recorded_crops = crop_recipe(crop_options(recorded))
    return {**recorded_crops, **given, "model": model, **size}


def family_of_recipe(given: Mapping[str, str], recorded: Mapping[str, str]) -> str:
    """Family of the embeddings; of a model that only the gallery names, without a look at the disk.

    Args:
        given: As for `trusted_recipe`.
        recorded: The gallery's recipe.
    """
    model = given.get("model")
    if head := given.get("head") or recorded.get("head", ""):
        return family_of(model or AUTO, head)
    return family_of(model) if model else family_by_name(recorded.get("model", AUTO))


def _what_to_name(recorded: Mapping[str, str], model: str) -> str:
    said = ", ".join(f"{key} {printable(recorded[key])!r}" for key in _KEYS[:4] if recorded.get(key))
    records = f"it records {said}, which is not loaded because a file says so" if said else "it records none"
    what = "detector (--detector)" if model == AUTO else "model (--model, with --weights)"
    what += " and head (--head)" if recorded.get("head") else ""
    return f"to embed images, name the {what} that the gallery's cameras used: {records}"


def _checked_size(text: str) -> str:
    sides = _SIDES.fullmatch(text.strip())
    numbers = [int(n) for n in sides.groups() if n] if sides else []
    if not numbers or not all(_MIN_SIDE <= n <= _MAX_SIDE for n in numbers):
        raise GalleryError(
            f"the gallery is damaged: 'imgsz' in its file {RECIPE!r} must be one or two whole numbers in "
            f"[{_MIN_SIDE}, {_MAX_SIDE}], got {printable(text)!r}"
        )
    return ",".join(map(str, numbers))
