"""The exceptions of the MOT benchmark; all of them derive from `MotError`."""


class MotError(Exception):
    """Anything that ends the benchmark with a message instead of a traceback."""


class DataError(MotError, ValueError):
    """Data that can't be used; the message names the file, and the line where there is one."""


class ChoiceError(MotError, ValueError):
    """Something was asked for that isn't there: a tracker, a key of its, an embedder, a sequence, a package."""
