"""Generated scenes: people-like figures who walk, hide, leave and come back, with ground truth of who they are."""

from .clothing import Clothing
from .options import SceneOptions
from .scene import Scene, View

__all__ = ["Clothing", "Scene", "SceneOptions", "View"]
