"""The exceptions that this package raises; all of them derive from `ReIDError`."""


class ReIDError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(ReIDError, ValueError):
    """A tracker YAML's key is unknown, of the wrong type or out of range."""


class EmbeddingError(ReIDError, ValueError):
    """Embeddings that can't be used: wrong shape, wrong number of rows, another dimension than before."""


class TrackLogError(ReIDError, ValueError):
    """A track log, or tracks, that can't be used: a foreign file, another version, mixed embedders, wrong arrays."""


class DatasetError(ReIDError, ValueError):
    """Labeled data that can't be used: a name against the rule, an unreadable image, a line that is no box."""


class HostError(ReIDError, RuntimeError):
    """The installed Ultralytics lacks something that this package stands on."""


class GalleryError(ReIDError, RuntimeError):
    """A gallery that can't be used as asked: another embedder's, another dimension, a corrupt or read-only file."""


class GalleryMissing(GalleryError):  # noqa: N818
    """There is no gallery, and it isn't said what one would be for."""


class GalleryUnavailable(GalleryError):  # noqa: N818
    """A gallery that can't be reached now, but may be later: a server that is down, a disk that is full."""


class GalleryReplaced(GalleryUnavailable):
    """The gallery's file was exchanged, or lost its log, since it was opened; it can be opened again."""
