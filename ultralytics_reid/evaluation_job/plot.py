"""Plot of accuracy over time: mAP with its interval over milliseconds a crop, a panel for each set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..drawing.colors import COLORS, FAINT, INK, LINE
from ..gallery.export.atomic_file import atomic_write
from .report import Evaluation, named
from .scoring import Line

_DPI = 110
# Inches.
_PANEL, _HEIGHT = 4.6, 4.4
_MARKS = "osD^vP"


def save_plot(path: Path, evaluation: Evaluation, *, overwrite: bool) -> None:
    """Draw mAP over milliseconds a crop, of all lines that have both.

    Args:
        path: The `.png` to write; written atomically.
        evaluation: The figures; at least one set.
        overwrite: Whether to replace an existing file.

    Raises:
        GalleryError: If the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(evaluation.sets)
    figure = Figure((_PANEL * count + 0.6, _HEIGHT), dpi=_DPI, facecolor="white", layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    panels = figure.subplots(1, count, squeeze=False)[0]
    shown: dict[str, int] = {}
    for panel, (labeled, lines) in zip(panels, evaluation.sets, strict=True):
        _draw(panel, [line for line in lines if _has_both(line)], shown)
        panel.set_title(labeled.name.replace("$", r"\$"), loc="left", fontsize=11, fontweight="bold", color=INK)
        panel.set_xlabel("ms a crop, in a batch of 32", color=INK)
    panels[0].set_ylabel("mAP, % (bars: 95 % of draws of identities)", color=INK)
    _add_legend(figure, panels)
    with atomic_write(path, (".png",), overwrite=overwrite) as part:
        canvas.print_png(part)


def _add_legend(figure: Any, panels: Any) -> None:
    """One legend for all panels, below them."""
    labeled = [pair for panel in panels for pair in zip(*panel.get_legend_handles_labels(), strict=True)]
    handles = {text: handle for handle, text in labeled}
    style = {"loc": "outside lower center", "frameon": False, "fontsize": 9, "labelcolor": INK}
    if handles:
        figure.legend(handles.values(), handles.keys(), ncols=min(3, 2 * len(panels)), **style)


def _has_both(line: Line) -> bool:
    return not math.isnan(line.milliseconds) and not math.isnan(line.scores.mean_ap.value)


def _draw(panel: Any, lines: list[Line], shown: dict[str, int]) -> None:
    for line in lines:
        number = shown.setdefault(named(line), len(shown))
        value = 100 * line.scores.mean_ap.value
        low, high = (100 * bound for bound in line.scores.mean_ap.interval)
        panel.errorbar(
            line.milliseconds,
            value,
            yerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
            fmt=_MARKS[number % len(_MARKS)],
            color=COLORS[number % len(COLORS)],
            label=named(line).replace("$", r"\$"),
            capsize=3,
            markersize=7,
        )
    panel.set_xlim(left=0, right=1.15 * max((line.milliseconds for line in lines), default=1))
    panel.set_ylim(0, 100)
    panel.grid(color=LINE)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, colors=INK)
    panel.spines[:].set_color(FAINT)
    panel.spines[["top", "right"]].set_visible(False)
