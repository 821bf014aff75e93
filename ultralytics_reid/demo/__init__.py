"""`ultralytics-reid demo`: stock BoT-SORT and this package's tracker on the same video, side by side.

It works offline: without a source, a scene is generated, whose people a small detector of the package finds.
"""

from .options import DETECTOR, DETECTOR_SIZE, DemoOptions

__all__ = ["DETECTOR", "DETECTOR_SIZE", "DemoOptions", "run_demo"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .run import run_demo

# Hidden from type checkers, which would accept any misspelled name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Imported when first used, as it imports OpenCV and Ultralytics.
        if name != "run_demo":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .run import run_demo

        return run_demo
