"""Exceptions of the benchmarks; data that can't be used is the package's `DatasetError`."""

from ultralytics_reid.errors import ReIDError


class BenchmarkError(ReIDError):
    """Ends a run with a message and exit code 2, without a traceback."""


class ChoiceError(BenchmarkError, ValueError):
    """A tracker, tracker key, embedder, sequence or package that doesn't exist here."""


class UnavailableError(BenchmarkError):
    """An embedder's package or weights are missing."""


class SoakError(BenchmarkError):
    """A long run showed something that must not be."""
