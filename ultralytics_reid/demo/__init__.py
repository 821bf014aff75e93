"""`ultralytics-reid demo`: stock BoT-SORT and this package's tracker on the same video, side by side.

Nothing is needed: without a video of one's own, a scene is generated, and found by a small detector that is part of the
package.
"""

from .options import DETECTOR, DETECTOR_SIZE, DemoOptions

__all__ = ["DETECTOR", "DETECTOR_SIZE", "DemoOptions", "run_demo"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .run import run_demo

# Hidden from type checkers, which would take any misspelt name for an object.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Imported when first used: it takes OpenCV and Ultralytics.
        if name != "run_demo":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .run import run_demo

        return run_demo
