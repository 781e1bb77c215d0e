"""Histograms of scores."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.reports.plots import INK, NONTARGET, TARGET, grid, legend, plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        lines: dict[str, Any] = {"target": "solid", "nontarget": (0, (4, 1.5))}
        colours = {"target": TARGET, "nontarget": NONTARGET}
        for kind, values in (("nontarget", parts[1]), ("target", parts[0])):
            share = 100 * histogram_counts(values, edges) / len(values)
            colour, label = colours[kind], f"{kind} trials ({len(values):,})"
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
            axes.stairs(
                share, edges, label=label, color=colour, linewidth=1.5, linestyle=lines[kind]
            )
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
