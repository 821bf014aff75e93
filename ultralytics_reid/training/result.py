"""What training writes: safetensors with a card in its metadata, and the same card as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..embedders.head import CARD
from ..embedders.torchreid import SAFETENSORS
from ..errors import ConfigError
from ..gallery.export.atomic_file import atomic_write, check_writable


def save_result(path: Path, tensors: Mapping[str, npt.NDArray[Any]], card: Mapping[str, Any]) -> Path:
    """Write tensors and their card, each file whole or not at all.

    Args:
        path: A `.safetensors` file; an existing one is replaced.
        tensors: Arrays by name.
        card: JSON values; what the file holds, of what base, from which data, with which scores.

    Returns:
        The card's path: `mine.json` beside `mine.safetensors`.

    Raises:
        GalleryError: If a file can't be written, as on a full disk; an earlier one is still there then.
    """
    save_tensors(path, tensors, card)
    beside = path.with_suffix(".json")
    with atomic_write(beside, (".json",)) as part:
        part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return beside


def save_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]], card: Mapping[str, Any]) -> None:
    """Write tensors with a card in the file's metadata; see `save_result`."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    # Text of the library's error for a full disk says no path: bytes first, then an ordinary write.
    data = save(whole, {CARD: json.dumps(card, allow_nan=False)})
    with atomic_write(path, (SAFETENSORS,)) as part:
        part.write_bytes(data)


def check_result(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any slow work, a path that a result can't be written to.

    Raises:
        ReIDError: If its suffix is wrong, its folder is missing or can't be written to, or it or its card exists and
            may not be replaced.
    """
    for file, suffix in ((path, SAFETENSORS), (path.with_suffix(".json"), ".json")):
        check_writable(file, (suffix,))
        if file.exists() and not overwrite:
            raise ConfigError(f"--out {file} already exists: choose another name, or --overwrite")
