"""Histograms of scores: of all trials, or of groups of trials or systems in one figure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.reports.plots import INK, NONTARGET, TARGET, grid, legend, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 8
"""Groups of trials, or systems, of one figure."""

_N_BINS = 80
# Sums of larger coordinates may overflow.
_LARGEST = 1e100


def draw_histograms(
    target: ArrayLike,
    nontarget: ArrayLike,
    *,
    threshold: float | None = None,
    name: str = "EER threshold",
) -> "Figure | None":
    """Draw histograms of the target and nontarget scores.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores. The outermost 0.05 % at both ends are counted in the outermost bins.
    threshold : float, optional
        A threshold, which is marked by a line if it lies among the scores.
    name : str
        Name of the threshold in the legend.

    Returns
    -------
    matplotlib.figure.Figure or None
        The plot; None if there are no finite scores that fit on one axis.
    """
    parts = [np.asarray(target, dtype=np.float64), np.asarray(nontarget, dtype=np.float64)]
    edges = histogram_edges(*parts)
    if edges is None:
        return None
    with plot(6.6, 3.5) as figure:
        axes = figure.add_subplot()
        _draw_kinds(axes, parts[0], parts[1], edges, counted=True)
        if threshold is not None and edges[0] <= threshold <= edges[-1]:
            label = f"{name} {threshold:.4g}"
            axes.axvline(threshold, color=INK, linewidth=1, dashes=(1.5, 2), label=label)
        axes.set_xlabel("score")
        axes.set_ylabel("% of the kind's trials per bin")
        axes.margins(x=0.01)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
        grid(axes, "y")
        legend(figure, axes, n_columns=3)
        return figure


def draw_score_panels(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    thresholds: Mapping[str, float] | None = None,
    name: str = "EER threshold",
    same_axis: bool = True,
) -> "Figure | None":
    """Draw histograms of several groups of trials, or of several systems, below one another.

    Parameters
    ----------
    panels : mapping of str to (target, nontarget)
        Scores of each group, from top to bottom.
    thresholds : mapping of str to float, optional
        A threshold of each group, or of some: marked by a line, with its error rates in words.
    name : str
        Name of the thresholds in the legend.
    same_axis : bool, default=True
        Whether all have one axis of scores, as groups of one system do; scores of several systems
        have units of their own.

    Returns
    -------
    matplotlib.figure.Figure or None
        The plot; None if a group has no finite scores that fit on one axis.

    Raises
    ------
    InvalidInputError
        If there are no groups, or more than 8.
    """
    if not 0 < len(panels) <= MOST_PANELS:
        raise InvalidInputError(f"a plot shows 1 to {MOST_PANELS} groups, found {len(panels)}")
    parts = {
        title: [np.asarray(kind, dtype=np.float64) for kind in kinds]
        for title, kinds in panels.items()
    }
    pooled = [np.concatenate(kinds) for kinds in zip(*parts.values(), strict=True)]
    bins = {
        title: histogram_edges(*(pooled if same_axis else kinds)) for title, kinds in parts.items()
    }
    height = 1.15 if same_axis else 1.5
    with plot(6.6, 0.9 + height * len(parts)) as figure:
        rows = figure.subplots(len(parts), 1, squeeze=False, sharex=same_axis)[:, 0]
        for axes, (title, (target, nontarget)) in zip(rows, parts.items(), strict=True):
            edges, threshold = bins[title], (thresholds or {}).get(title)
            if edges is None:
                return None
            _draw_kinds(axes, target, nontarget, edges)
            words = title
            if threshold is not None:
                missed, accepted = np.mean(target < threshold), np.mean(nontarget >= threshold)
                words += f": {100 * missed:.3g} % missed, {100 * accepted:.3g} % falsely accepted"
                if edges[0] <= threshold <= edges[-1]:
                    axes.axvline(threshold, color=INK, linewidth=1, dashes=(1.5, 2), label=name)
            axes.set_title(words, loc="left", fontsize=9.5)
            axes.set_yticks([])
            axes.margins(x=0.01)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
        rows[-1].set_xlabel("score")
        legend(figure, rows[0], n_columns=3)
        return figure


def _draw_kinds(
    axes: "Axes",
    target: NDArray[np.float64],
    nontarget: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    counted: bool = False,
) -> None:
    """Draw the histograms of both kinds of trial, each normalised by its number of trials."""
    for kind, values, colour, dashes in (
        ("nontarget", nontarget, NONTARGET, (0, (4, 1.5))),
        ("target", target, TARGET, "solid"),
    ):
        share = 100 * histogram_counts(values, edges) / max(1, len(values))
        label = f"{kind} trials ({len(values):,})" if counted else f"{kind} trials"
        line: dict[str, Any] = {"color": colour, "linewidth": 1.5, "linestyle": dashes}
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(share, edges, label=label, **line)


def histogram_edges(
    target: NDArray[np.float64], nontarget: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return common bins for both kinds of trial.

    Parameters
    ----------
    target, nontarget : array of float, shape (T,) and (N,)
        Scores.

    Returns
    -------
    array of float, shape (B + 1,) or None
        Edges of 10 to 80 equal bins, by the rule of Freedman and Diaconis; None if there is no
        finite score or one is too large to be drawn (above 1e100).
    """
    parts = [values[np.isfinite(values)] for values in (target, nontarget)]
    parts = [values for values in parts if len(values)]
    if not parts:
        return None
    tails = [np.quantile(part, [0.0005, 0.25, 0.75, 0.9995], method="nearest") for part in parts]
    low = min(float(tail[0]) for tail in tails)
    high = max(float(tail[3]) for tail in tails)
    largest = max(abs(low), abs(high))
    if largest > _LARGEST:
        return None
    span = high - low
    if span <= 1e-9 * largest or largest < 1 / _LARGEST:
        # A single value: a bar in the middle of the axis.
        margin = 0.5 * max(1.0, largest)
        return np.linspace(low - margin, high + margin, 12)
    widths = [
        2 * float(tail[2] - tail[1]) / len(part) ** (1 / 3)
        for tail, part in zip(tails, parts, strict=True)
    ]
    width = max(min(widths), span / _N_BINS)
    return np.linspace(low, high, int(np.clip(np.ceil(span / width), 10, _N_BINS)) + 1)


def histogram_counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count scores per bin; scores outside are counted in the outermost bins.

    Parameters
    ----------
    values : array of float, shape (N,)
        Scores, which may be infinite.
    edges : array of float, shape (B + 1,)
        Edges in ascending order.

    Returns
    -------
    array of int, shape (B,)
        Counts, whose sum is N.
    """
    return np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0]
