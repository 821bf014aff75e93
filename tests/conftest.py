"""What the tests share: where the real data lies, and generated scenes."""

import os
from pathlib import Path

import pytest

_CHECKOUT = Path(os.environ.get("REID_CHECKOUT", Path(__file__).resolve().parents[1]))
_SHARED = Path(os.environ.get("REID_SHARED", _CHECKOUT.parent / "shared"))


@pytest.fixture(scope="session")
def shared():
    """Finds real data by its path below the shared folder, or skips."""

    def find(path):
        found = _SHARED / path
        if not found.exists():
            pytest.skip(f"needs {path} in the folder that REID_SHARED names")
        return found

    return find
