"""What the tests share: one thread each, no limits of time, and where the real data lies."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports NumPy or PyTorch, and for the tests' own processes too: threads that wait for each other spin,
# and with several workers they spin on cores that others need.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A busy machine makes examples slow, not wrong.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

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


@pytest.fixture
def file_limit():
    """Lets files grow up to some bytes: what reaches beyond is written in part, as where a disk is full."""
    resource = pytest.importorskip("resource", reason="needs POSIX")

    @contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
