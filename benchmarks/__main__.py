"""The benchmarks' command line: `python -m benchmarks RUN`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from ultralytics_reid.errors import ReIDError

from .runs import RUNS

PROGRAM = "python -m benchmarks"
_DATA = """\
`RUN --help` lists a run's options. Times are of two cores. Data is looked for in --shared, else $REID_SHARED, else
../shared beside the checkout. Results are published in docs/benchmarks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a benchmark.

    Args:
        argv: Its name and options; those of the command line by default.

    Returns:
        The exit code: 2 if the run ends with a message, 130 if it is interrupted.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    name = _parser().parse_args(words[:1]).run
    module = import_module(f".runs.{name}", __package__)
    parser = ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=module.__doc__,
        epilog=getattr(module, "EPILOG", None),
        formatter_class=RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    args = parser.parse_args(words[1:])
    try:
        module.run(args)
    except ReIDError as error:
        print(f"{PROGRAM} {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is in the cache will not be computed again", file=sys.stderr)
        return 130
    return 0


def _parser() -> ArgumentParser:
    width = max(map(len, RUNS))
    rows = "\n".join(f"  {name:<{width}}  {entry.summary} ({entry.takes})" for name, entry in RUNS.items())
    parser = ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} RUN [options]",
        description=f"Measure the tracker.\n\nruns:\n{rows}",
        epilog=_DATA,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", choices=tuple(RUNS), help="one of the runs above")
    return parser


if __name__ == "__main__":
    sys.exit(main())
