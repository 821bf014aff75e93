"""Observed against predicted log-likelihood ratios, and false rates, by embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from ultralytics_reid._typing import Doubles
from ultralytics_reid.drawing.colors import COLORS
from ultralytics_reid.tuning import MAX_APPEARANCE

from .data.features import EMBEDDERS
from .scoring.calibration import EDGES, RATES, Pairs, bins, observed, passing, predicted, redrawn

# Pairs in a bin below which it isn't drawn.
MIN_PAIRS = 10
# The share of resampled curves that is shaded.
MIDDLE = (0.1, 0.9)
INK, FAINT = "#1f2933", "#9aa5b1"


def draw(title: str, found: dict[str, Pairs], path: Path) -> None:
    """Draw both curves.

    Args:
        title: Of the clip.
        found: Pairs by embedder.
        path: The image's file.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.1))
    for embedder, pairs in found.items():
        color = COLORS[list(EMBEDDERS).index(embedder)]
        _draw_odds(left, pairs, color)
        _draw_rates(right, pairs.of_kind(same=False), color)
    _dress_odds(left)
    _dress_rates(right)
    title = f"What the tracker believes of likenesses, and what is true: {title}"
    share = 100 * (MIDDLE[1] - MIDDLE[0])
    legend = f"Dashed: as promised. Shaded: {share:.0f} % of what comes out where the couples compared are drawn anew."
    figure.suptitle(f"{title}\n{legend}", x=0.01, ha="left", fontsize=11, color=INK)
    lines = [Line2D([], [], color=COLORS[n], marker="o", label=e) for n, e in enumerate(EMBEDDERS.values())]
    shown = [line for line, e in zip(lines, EMBEDDERS, strict=True) if e in found]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown), frameon=False, labelcolor=INK)
    figure.savefig(path, dpi=100, facecolor="white")


def _draw_odds(panel: Axes, pairs: Pairs, color: str) -> None:
    enough = np.bincount(bins(pairs), minlength=len(EDGES) + 1) >= MIN_PAIRS
    low, high = np.quantile(observed(pairs, redrawn(pairs)), MIDDLE, axis=0)
    y = np.where(enough, observed(pairs, np.ones(len(pairs.same))), np.nan)  # a gap in the line
    _line(panel, predicted(pairs), y, (low, high), color)


def _draw_rates(panel: Axes, impostors: Pairs, color: str) -> None:
    low, high = np.quantile(passing(impostors, redrawn(impostors)), MIDDLE, axis=0)
    share = passing(impostors, np.ones(len(impostors.same)))
    share[share == 0] = np.nan  # which a logarithm can't show: the line ends
    _line(panel, np.array(RATES), share, (low, high), color)


def _line(panel: Axes, x: Doubles, y: Doubles, span: tuple[Doubles, Doubles], color: str) -> None:
    panel.plot(x, y, marker="o", markersize=5, linewidth=1.8, color=color)
    panel.fill_between(x, *span, where=np.isfinite(y), color=color, alpha=0.1, linewidth=0)


def _dress_odds(panel: Axes) -> None:
    reach = MAX_APPEARANCE + 2
    panel.plot([-reach, reach], [-reach, reach], color=FAINT, linestyle="--", zorder=0)
    panel.set(xlim=(-MAX_APPEARANCE - 0.5, MAX_APPEARANCE + 0.5), ylim=(-reach, reach))
    _hint(panel, 0.97, 0.05, "below the dashes on this side:\nstrangers taken for friends too boldly", "right")
    _hint(panel, 0.03, 0.95, "above the dashes on this side:\nfriends ruled out too boldly", "left")
    _dress(panel, "What a likeness is worth", "what the tracker says: log-likelihood ratio, nats", "observed, nats")


def _dress_rates(panel: Axes) -> None:
    ticks = [*RATES, 0.002, 0.001]
    panel.plot(RATES, RATES, color=FAINT, linestyle="--", zorder=0)
    panel.set(xscale="log", yscale="log", ylim=(0.8 * min(ticks), 1.6 * max(ticks)))
    panel.set_xticks(RATES, [f"{100 * t:g} %" for t in RATES])
    panel.set_yticks(ticks, [f"{100 * t:g} %" for t in ticks])
    panel.minorticks_off()
    _hint(panel, 0.03, 0.95, "above the dashes:\nmore strangers than promised", "left")
    _dress(panel, "How often a stranger passes", "promised share of strangers", "observed share of strangers")


def _hint(panel: Axes, x: float, y: float, text: str, side: Literal["left", "right"]) -> None:
    edge: Literal["top", "bottom"] = "top" if y > 0.5 else "bottom"
    panel.text(x, y, text, ha=side, va=edge, transform=panel.transAxes, fontsize=9, fontstyle="italic", color="#52606d")


def _dress(panel: Axes, title: str, x: str, y: str) -> None:
    panel.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    panel.set_xlabel(x, color=INK)
    panel.set_ylabel(y, color=INK)
    panel.grid(color="#e4e7eb", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, colors=INK)
    for spine in panel.spines.values():
        spine.set_visible(False)
