"""The look that all plots of error rates share, in files and on the page of a report.

A plot is drawn once, in the colours of paper. On the page these colours become CSS variables, so
that the same plot is dark on a dark screen and black on white in print; text remains text, in the
font of the page. Equal input gives equal bytes: ids are salted with a constant, and no date is
written.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.reports.svg import figure_style, svg_element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito, whose colours differ for colour-blind people, too.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b8a800")
INK, MUTED, RULE, SURFACE = "#1b1f24", "#59626d", "#d9dee4", "#ffffff"
TARGET, NONTARGET = PALETTE[:2]
LEGEND: dict[str, Any] = {"fontsize": 9.5, "frameon": False}
# Lines are told apart without colours, too.
DASHES: tuple[Any, ...] = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))

# The variables that the style of the page sets.
_VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", SURFACE: "surface"} | {
    colour: f"line-{number}" for number, colour in enumerate(PALETTE, start=1)
}
# Points that are closer than this, in typographic points, look the same.
_RESOLUTION = 0.25


@contextlib.contextmanager
def plot(width: float, height: float) -> "Iterator[Figure]":
    """Return a context with a new figure of a size in inches, which is laid out at its end."""
    # Without pyplot, there are no global state, windows or backends.
    from matplotlib.figure import Figure

    with _style("plot"):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        yield figure
        # Ticks are made when they are first drawn, in the style that holds then.
        figure.draw_without_rendering()


def page_svg(figure: "Figure", *, prefix: str) -> str:
    """Return a plot as an ``<svg>`` element in the colours and fonts of the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A plot of this room.
    prefix : str
        Prefix of all ids, which must differ from those of other plots of the page.

    Returns
    -------
    str
        An element for a page that defines the colour variables.
    """
    with _style(prefix):
        text = svg_element(
            figure, prefix=prefix, bbox_inches="tight", pad_inches=0.04, facecolor="none"
        )
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = text.replace('xlink:href="#', 'href="#')
    text = re.sub(r"font-family: [^;\"]*(;|\")", r"font-family: inherit\1", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*(;|\")", r"font-size: \1\2", text)
    for code, name in _VARIABLES.items():
        text = re.sub(rf"\b(fill|stroke): {code}\b", rf"\1: var(--{name})", text)
    return re.sub(r"\s*\n\s*", "\n", text)


def grid(axes: "Axes", axis: Any = "both") -> None:
    """Draw the grid lines of a plot."""
    axes.grid(axis=axis, color=RULE, linewidth=0.6)


def legend(figure: "Figure", axes: "Axes", *, n_columns: int = 2) -> None:
    """Write the legend of a plot below it, where it covers no curve."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=n_columns, **LEGEND)


def points_per_unit(figure: "Figure", axes: "Axes") -> NDArray[np.float64]:
    """Return the size of a unit of the two axes of a plot, in typographic points, shape (2,)."""
    figure.draw_without_rendering()
    start, end = axes.transData.transform([(0.0, 0.0), (1.0, 1.0)])
    return np.abs(np.asarray(end - start, dtype=np.float64)) * 72 / figure.dpi


def distinct_points(
    x: NDArray[np.float64], y: NDArray[np.float64], *, scale: float | NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which points of a curve can be distinguished when it is drawn.

    Parameters
    ----------
    x, y : array of float, shape (P,)
        Finite coordinates of the points, in the order of the curve.
    scale : float or array, shape (2,)
        Size of one unit of the axes, in typographic points.

    Returns
    -------
    array of bool, shape (P,)
        No omitted point is farther than a quarter of a point (along each axis) from the one that
        is kept before it; the last one is kept.
    """
    cells = np.stack([x, y]).T * (np.asarray(scale) / _RESOLUTION)
    cells = np.floor(cells).astype(np.int64)
    keep = np.append(True, (np.diff(cells, axis=0) != 0).any(axis=1))
    keep[-1] = True
    return keep


def _style(name: str) -> Any:
    inked = ("axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor", "text.color")
    return figure_style(
        name,
        **dict.fromkeys(inked, INK),
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), MUTED),
        **dict.fromkeys(("axes.unicode_minus", "axes.axisbelow"), True),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
        **dict.fromkeys(("text.parse_math", "path.simplify"), False),
        **{"font.size": 10.5, "axes.linewidth": 0.8, "axes.facecolor": "none"},
    )
