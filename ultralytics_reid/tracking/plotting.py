"""Results that are drawn with a color an id, where the host draws a color a class."""

from __future__ import annotations

from typing import Any

from ultralytics.engine.results import Results

from .._typing import ImageArray


class IdentityResults(Results):  # type: ignore[misc]
    """The host's results, drawn by `color_mode="instance"` unless told otherwise.

    The host draws what it saves and shows by `plot()` without a color mode; no option of its own says one. Copies
    (`result[0]`, `result.cpu()`) are the host's plain results again.
    """

    def plot(self, *args: Any, color_mode: str = "instance", **options: Any) -> ImageArray:
        """Draw boxes with a color an id; arguments as the host's `Results.plot`, of which `color_mode` by name only."""
        drawn: ImageArray = super().plot(*args, color_mode=color_mode, **options)
        return drawn


def color_by_identity(result: Any) -> None:
    """Have a host result drawn with a color an id; a type of results that is the user's own is left alone."""
    if type(result) is Results:
        result.__class__ = IdentityResults
