"""Long-term re-identification for Ultralytics trackers.

Importing this package, or only having it installed, makes `tracker="reid_botsort.yaml"` known to Ultralytics.
"""

from ._startup import install

TYPE_CHECKING = False  # `typing` itself would cost some milliseconds
if TYPE_CHECKING:
    from .config import Config
    from .embedders import CropEmbedder, Preprocessing
    from .errors import (
        ConfigError,
        EmbeddingError,
        GalleryError,
        GalleryMissing,
        GalleryUnavailable,
        HostError,
        ReIDError,
        TrackLogError,
    )
    from .events import GalleryAway, GalleryBack, Linked, Revival, RevivalReverted
    from .gallery.gallery import Gallery
    from .gallery.journeys import Journey
    from .gallery.records import Filter, Visit
    from .gallery.relinking.proposals import Proposal
    from .gallery.relinking.relinking import Relinking
    from .gallery.views import Individual, Match
    from .refinement.changes import Change
    from .refinement.solver import Refinement, refine
    from .refinement.track_log import TrackLog
    from .refinement.tracks import Tracks
    from .registration import register, tracker_yaml
    from .tracking.ending import finish
    from .tracking.results import BoxIdentity, embeddings, identities, links, revivals
    from .tracking.tracker import ReIDBOTSORT

__version__ = "0.1.0"

__all__ = [
    "BoxIdentity",
    "Change",
    "Config",
    "ConfigError",
    "CropEmbedder",
    "EmbeddingError",
    "Filter",
    "Gallery",
    "GalleryAway",
    "GalleryBack",
    "GalleryError",
    "GalleryMissing",
    "GalleryUnavailable",
    "HostError",
    "Individual",
    "Journey",
    "Linked",
    "Match",
    "Preprocessing",
    "Proposal",
    "ReIDBOTSORT",
    "ReIDError",
    "Refinement",
    "Relinking",
    "Revival",
    "RevivalReverted",
    "TrackLog",
    "TrackLogError",
    "Tracks",
    "Visit",
    "embeddings",
    "finish",
    "identities",
    "links",
    "refine",
    "register",
    "revivals",
    "tracker_yaml",
]

# Imported when first used: the start-up hook imports this package into every program that uses Ultralytics.
_HOMES = {
    "BoxIdentity": "tracking.results",
    "Change": "refinement.changes",
    "Config": "config",
    "ConfigError": "errors",
    "CropEmbedder": "embedders",
    "EmbeddingError": "errors",
    "Filter": "gallery.records",
    "Gallery": "gallery.gallery",
    "GalleryAway": "events",
    "GalleryBack": "events",
    "GalleryError": "errors",
    "GalleryMissing": "errors",
    "GalleryUnavailable": "errors",
    "HostError": "errors",
    "Individual": "gallery.views",
    "Journey": "gallery.journeys",
    "Linked": "events",
    "Match": "gallery.views",
    "Preprocessing": "embedders",
    "Proposal": "gallery.relinking.proposals",
    "ReIDBOTSORT": "tracking.tracker",
    "ReIDError": "errors",
    "Refinement": "refinement.solver",
    "Relinking": "gallery.relinking.relinking",
    "Revival": "events",
    "RevivalReverted": "events",
    "TrackLog": "refinement.track_log",
    "TrackLogError": "errors",
    "Tracks": "refinement.tracks",
    "finish": "tracking.ending",
    "Visit": "gallery.records",
    "embeddings": "tracking.results",
    "identities": "tracking.results",
    "links": "tracking.results",
    "refine": "refinement.solver",
    "register": "registration",
    "revivals": "tracking.results",
    "tracker_yaml": "registration",
}


# Hidden from type checkers, which would take any misspelt name for an object.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)


install()
