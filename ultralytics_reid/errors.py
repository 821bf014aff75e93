"""The exceptions that this package raises; all of them derive from `ReIDError`."""


class ReIDError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(ReIDError, ValueError):
    """A tracker YAML's key is unknown, of the wrong type or out of range."""


class EmbeddingError(ReIDError, ValueError):
    """Embeddings that can't be used: wrong shape, wrong number of rows, another dimension than before."""


class HostError(ReIDError, RuntimeError):
    """The installed Ultralytics lacks something that this package stands on."""
