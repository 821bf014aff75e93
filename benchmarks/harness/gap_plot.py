"""Recall over gap by tracker, a panel for each data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ultralytics_reid.evaluation.revivals import BINS, Summary, Tally

INK, FAINT = "#1f2933", "#9aa5b1"
# Ours stands out; then Paul Tol's "bright".
OURS = "#cc3311"
COLORS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#bbbbbb")
_MARKS = "osD^vP"


def draw(path: Path, summaries: Mapping[tuple[str, str, str], Summary]) -> None:
    """Draw recall by gap, all parts of a data set together.

    Args:
        path: The image's file.
        summaries: By data, part and tracker.
    """
    import matplotlib.pyplot as plt

    data = [d for d in dict.fromkeys(d for d, _, _ in summaries) if any(_pooled(summaries, d).values())]
    trackers = list(dict.fromkeys(t for _, _, t in summaries))
    figure, axes = plt.subplots(
        1, max(1, len(data)), figsize=(3.6 * max(1, len(data)) + 1, 5.2), sharey=True, squeeze=False
    )
    for panel, name in zip(axes[0], data, strict=False):
        tallies = _pooled(summaries, name)
        bins = [b for b in BINS if any(b in by_bin for by_bin in tallies.values())]
        for n, tracker in enumerate(trackers):
            _line(panel, tallies.get(tracker, {}), bins, _label(summaries, tracker), n)
        most = {b: max(t[b].total for t in tallies.values() if b in t) for b in bins}
        panel.set_xticks(range(len(bins)), [f"{b}\nn={most[b]}" for b in bins], color=INK, fontsize=8.5)
        panel.set_xlim(-0.3, len(bins) - 0.7)
        panel.set_title(name, loc="left", fontsize=11, fontweight="bold", color=INK)
        panel.grid(axis="y", color="#e4e7eb")
        panel.set_axisbelow(True)
        panel.tick_params(length=0, colors=INK)
        panel.spines[:].set_visible(False)
    axes[0][0].set_ylim(-3, 103)
    axes[0][0].set_ylabel("returns recognized, %", color=INK)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.supxlabel("length of absence", fontsize=10, color=INK, y=0.19)
    title = "tracker; of all returns and newcomers given a known id, the share that is right"
    figure.legend(handles, labels, title=title, loc="lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    figure.tight_layout(rect=(0, 0.2, 1, 1))
    figure.savefig(path, dpi=110, facecolor="white")
    plt.close(figure)


def _pooled(summaries: Mapping[tuple[str, str, str], Summary], data: str) -> dict[str, dict[str, Tally]]:
    """Returns by tracker and gap, over all parts."""
    found: dict[str, dict[str, Tally]] = {}
    for (of, _, tracker), summary in summaries.items():
        mine = found.setdefault(tracker, {}) if of == data else {}
        for name, tally in summary.bins.items():
            mine[name] = mine.get(name, Tally()) + tally
    return found


def _label(summaries: Mapping[tuple[str, str, str], Summary], tracker: str) -> str:
    """A tracker with its precision, without which recall says little."""
    mine = [s for (_, _, t), s in summaries.items() if t == tracker]
    right, given = sum(s.every.right for s in mine), sum(s.given for s in mine)
    return f"{tracker}: {right / given:.0%} right" if given else tracker


def _line(panel: object, by_bin: Mapping[str, Tally], bins: list[str], label: str, n: int) -> None:
    own = "**" in label
    points = [(x, 100 * by_bin[b].recall) for x, b in enumerate(bins) if b in by_bin]
    color, mark = (OURS, "o") if own else (COLORS[n % len(COLORS)], _MARKS[n % len(_MARKS)])
    panel.plot(  # type: ignore[attr-defined]
        *zip(*points, strict=True),
        marker=mark,
        color=color,
        label=label.replace("*", ""),
        linewidth=2.6 if own else 1.5,
        zorder=3 + own,
    )
