"""MOT17 by MOTChallenge's rule, callable by path: the same as `python -m benchmarks mot17`."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from benchmarks.__main__ import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(["mot17", *sys.argv[1:]]))
