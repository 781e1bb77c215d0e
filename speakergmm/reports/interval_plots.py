"""Estimates with their intervals below one another: groups of trials, differences of systems."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Interval
from speakergmm.reports.plots import INK, MUTED, PALETTE, grid, plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 40


def draw_intervals(
    estimates: Mapping[str, tuple[float, Interval | None]],
    *,
    label: str,
    scale: float = 1.0,
    reference: float | None = None,
) -> "Figure":
    """Draw estimates as points on one axis, with their confidence intervals as lines.

    Parameters
    ----------
    estimates : mapping of str to (float, Interval or None)
        Value and interval by name, from top to bottom; infinite values are named, not drawn.
    label : str
        Name of the axis.
    scale : float, default=1.0
        Factor of all values, such as 100 for percentages.
    reference : float, optional
        A value that is marked by a line, such as that of all trials, or 0.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidInputError
        If there are no estimates, or more than 40.

    Examples
    --------
    >>> figure = draw_intervals(
    ...     {"female": (0.05, Interval(0.02, 0.09, 0.95)), "male": (0.03, None)},
    ...     label="EER, %",
    ...     scale=100,
    ...     reference=0.04,
    ... )
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['female', 'male']
    """
    if not 0 < len(estimates) <= _MOST:
        raise InvalidInputError(f"a plot shows 1 to {_MOST} intervals, found {len(estimates)}")
    with plot(6.2, 0.9 + 0.3 * len(estimates)) as figure:
        axes = figure.add_subplot()
        grid(axes, "x")
        if reference is not None:
            axes.axvline(scale * reference, color=MUTED, linewidth=0.9, dashes=(2, 3))
        for row, (value, interval) in enumerate(estimates.values()):
            if interval is not None:
                ends = scale * np.array(interval.ends())
                axes.plot(ends, [row, row], color=PALETTE[0], linewidth=2.4, alpha=0.6)
            if np.isfinite(value):
                axes.plot(scale * value, row, "o", color=INK, markersize=6)
        names = [
            name if np.isfinite(value) else f"{name} (infinite)"
            for name, (value, _) in estimates.items()
        ]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(label)
        return figure
