"""Generated scenes: walking figures that are occluded, leave and return, with ground-truth identities."""

from .clothing import Clothing
from .options import SceneOptions
from .scene import Scene, View

__all__ = ["Clothing", "Scene", "SceneOptions", "View"]
