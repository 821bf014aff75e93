"""Run the command line: `python -m ultralytics_reid`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
