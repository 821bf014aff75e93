"""Exceptions of the benchmarks; all but `DataError` derive from `BenchmarkError`."""

from ultralytics_reid.errors import DatasetError, ReIDError

# Data that can't be used; the message names the file, and the line where there is one.
DataError = DatasetError


class BenchmarkError(ReIDError):
    """Ends a run with a message and exit code 2, without a traceback."""


class ChoiceError(BenchmarkError, ValueError):
    """A tracker, tracker key, embedder, sequence or package that doesn't exist here."""


class UnavailableError(BenchmarkError):
    """An embedder's package or weights are missing."""


class SoakError(BenchmarkError):
    """A long run showed something that must not be."""
