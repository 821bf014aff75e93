"""Two images of a part: HOTA over localization thresholds, and the trackers beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles

from ..contenders.base import Contender
from ..packages import has
from ..progress import tell
from ..scoring.track_eval import COMBINED, mean_figures, thresholds
from .tables import Comparison, values

_CURVES = ("HOTA", "DetA", "AssA")
_BARS = ("HOTA", "IDF1", "MOTA", "AssA")
_DPI = 120
_STYLES = ("-", "--", "-.", ":")
# Matplotlib has so many colors before it begins again.
_COLORS = 10
_HATCHES = ("", "//", "..", "xx")


def draw(part: Comparison, curves: Path, bars: Path) -> None:
    """Draw a part's two images.

    Args:
        part: What to show; it must be scored.
        curves: Where the first goes, a `.png`.
        bars: Where the second goes.
    """
    if not has("matplotlib"):
        tell("no images are drawn: pip install matplotlib")
        return
    _curves(part).savefig(curves, dpi=_DPI)
    _bars(part).savefig(bars, dpi=_DPI)


def _figure(width: float, height: float) -> Any:
    # Not through pyplot: that would look for a screen, and keep every figure.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _curves(part: Comparison) -> Any:
    figure = _figure(13, 4.6)
    for axes, name in zip(figure.subplots(1, len(_CURVES), sharex=True), _CURVES, strict=True):
        for n, contender in enumerate(part.contenders):
            curve = _curve(part, contender.label, name)
            # Trackers that differ little lie on each other: what is below shows through the gaps.
            label, style = f"{_short(contender.label)}: {_mean(part, contender)}", _STYLES[n % len(_STYLES)]
            axes.plot(thresholds(), curve, label=label, linestyle=style, linewidth=1.4)
        axes.set(title=name, xlabel="localization threshold α (IoU)", ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("%")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(part.title)
    return figure


def _curve(part: Comparison, tracker: str, name: str) -> Doubles:
    return np.asarray(100 * np.mean([score["HOTA"][name] for score in part.combined(tracker)], axis=0))


def _mean(part: Comparison, contender: Contender) -> str:
    return f"{mean_figures([{'HOTA': run[COMBINED]['HOTA']} for run in values(part, contender)])['HOTA']:.1f}"


def _bars(part: Comparison) -> Any:
    figure = _figure(11, 5)
    axes, width = figure.subplots(), 0.8 / len(part.contenders)
    for n, contender in enumerate(part.contenders):
        row = mean_figures([{k: run[COMBINED][k] for k in _BARS} for run in values(part, contender)])
        places = np.arange(len(_BARS)) + (n - (len(part.contenders) - 1) / 2) * width
        hatch = _HATCHES[n // _COLORS % len(_HATCHES)]
        bars = axes.bar(places, list(row.values()), width, label=_short(contender.label), hatch=hatch)
        axes.bar_label(bars, fmt="%.1f", fontsize=6, rotation=90, padding=2)
    axes.set_xticks(np.arange(len(_BARS)), _BARS)
    axes.set(ylabel="%", title=part.title)
    axes.margins(y=0.15)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _short(label: str) -> str:
    # An underscore in front would hide it from the legend.
    plain = label.replace("*", "").lstrip("_")
    return plain if len(plain) <= 50 else f"{plain[:49]}…"
