"""Figures of the report as SVG in the colours of the page.

Matplotlib draws with placeholder colours, which are replaced by CSS variables: the same figure is
dark on a dark screen and black on white on paper. Text remains text, in the font of the page. Equal
input gives equal bytes: ids are salted with a constant, and no date is written.
"""

import re
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.metrics import DetCurve, Evaluation
from speakergmm.reports.svg import figure_style, svg_element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_VARIABLES = (
    *("ink", "muted", "rule", "surface", "target", "nontarget"),
    *("mark-1", "mark-2", "mark-3"),
)
# Placeholder colours, which occur nowhere else, for the variables of the style of the page.
_COLOUR = {name: f"#010a{number:02d}" for number, name in enumerate(_VARIABLES, start=1)}
_LOW_TICKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2)
_HIGH_TICKS = (0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_TICKS = np.array([*_LOW_TICKS, *_HIGH_TICKS])
_MARKERS = ("D", "^", "s", "v", "P")
# Corners that are closer than this, in points, look the same on the page.
_RESOLUTION = 0.25
_N_BINS = 80
# Sums of larger coordinates may overflow.
_LARGEST = 1e100


def draw_det_curve(evaluation: Evaluation) -> str:
    """Draw the DET curve on probit axes, with its operating points.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation: its curve, its EER by linear interpolation (with the interval along the
        diagonal) and its minDCF points are drawn.

    Returns
    -------
    str
        An ``<svg>`` element for a page that defines the colour variables.

    Notes
    -----
    Error rates of 0 and 1 are infinite on such axes: the curve leaves the frame, and an operating
    point is drawn on its edge. Corners that are closer than a quarter of a point are merged.
    """
    with _style("det"):
        figure = _figure(5.6, 5.4)
        axes = figure.add_subplot()
        low, high = _det_limits(evaluation)
        axes.set_xlim(*_probit([low[0], high[0]]))
        axes.set_ylim(*_probit([low[1], high[1]]))
        axes.set_aspect("equal", adjustable="box")
        for axis, start, end in zip((axes.xaxis, axes.yaxis), low, high, strict=True):
            ticks = _spaced_ticks(start, end)
            axis.set_ticks(_probit(ticks), [f"{100 * tick:g}" for tick in ticks])
        axes.set_xlabel("false alarms, % of nontarget trials")
        axes.set_ylabel("misses, % of target trials")
        axes.grid(color=_COLOUR["rule"], linewidth=0.6)

        edge = np.array([_probit(min(low)), _probit(max(high))])
        axes.plot(edge, edge, color=_COLOUR["muted"], linewidth=0.8, dashes=(2, 3))
        x, y = thin_curve(evaluation.curve, points_per_unit=_points_per_unit(figure, axes))
        axes.plot(x, y, color=_COLOUR["ink"], linewidth=1.6, solid_joinstyle="miter")
        _mark_points(axes, evaluation, low, high)
        worse_than_chance = evaluation["eer_linear"].value > 0.5
        axes.legend(loc="lower left" if worse_than_chance else "upper right", fontsize=9.5)
        return _to_svg(figure, "det")


def draw_histograms(
    target: ArrayLike, nontarget: ArrayLike, *, threshold: float | None = None
) -> str | None:
    """Draw histograms of the target and nontarget scores.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores. The outermost 0.05 % at both ends are counted in the outermost bins.
    threshold : float, optional
        The threshold of the EER, which is marked by a line if it is finite.

    Returns
    -------
    str or None
        An ``<svg>`` element; None if there are no finite scores that fit on one axis.
    """
    parts = [np.asarray(target, dtype=np.float64), np.asarray(nontarget, dtype=np.float64)]
    edges = histogram_edges(*parts)
    if edges is None:
        return None
    with _style("histogram"):
        figure = _figure(6.6, 3.3)
        axes = figure.add_subplot()
        lines: dict[str, Any] = {"target": "solid", "nontarget": (0, (4, 1.5))}
        for kind, values in (("nontarget", parts[1]), ("target", parts[0])):
            share = 100 * histogram_counts(values, edges) / len(values)
            colour, label = _COLOUR[kind], f"{kind} trials ({len(values):,})"
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
            axes.stairs(
                share, edges, label=label, color=colour, linewidth=1.5, linestyle=lines[kind]
            )
        if threshold is not None and edges[0] <= threshold <= edges[-1]:
            label, colour = f"EER threshold {threshold:.4g}", _COLOUR["ink"]
            axes.axvline(threshold, color=colour, linewidth=1, dashes=(1.5, 2), label=label)
        axes.set_xlabel("score")
        axes.set_ylabel("% of the kind's trials per bin")
        axes.margins(x=0.01)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
        axes.grid(axis="y", color=_COLOUR["rule"], linewidth=0.6)
        axes.legend(loc="best", fontsize=9.5)
        return _to_svg(figure, "histogram")


def thin_curve(
    curve: DetCurve, *, points_per_unit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of a DET curve that can be distinguished on the page.

    Parameters
    ----------
    curve : DetCurve
        The curve.
    points_per_unit : float
        Size of one unit of the probit axes, in points.

    Returns
    -------
    tuple of array of float, shape (P,)
        Probits of P_fa and of P_miss; no omitted corner is farther than a quarter of a point
        (along each axis) from the corner that is kept before it.
    """
    # Rates of 0 and 1 become finite points far outside of any frame.
    x, y = (_probit(np.clip(rate, 1e-12, 1 - 1e-12)) for rate in (curve.p_fa, curve.p_miss))
    cells = np.stack([x, y]) * (points_per_unit / _RESOLUTION)
    cells = np.floor(cells).astype(np.int64)
    keep = np.append(True, (np.diff(cells, axis=1) != 0).any(axis=0))
    keep[-1] = True
    return x[keep], y[keep]


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


def _det_limits(evaluation: Evaluation) -> tuple[list[float], list[float]]:
    """Return the lower and upper limits of (P_fa, P_miss): ticks around the resolvable rates."""
    points = [measure.point for measure in evaluation.metrics if measure.point is not None]
    low, high = [], []
    for n_trials, rates in (
        (evaluation.n_nontarget, [point.p_fa for point in points]),
        (evaluation.n_target, [point.p_miss for point in points]),
    ):
        low.append(max((tick for tick in _LOW_TICKS if tick < 1 / n_trials), default=_TICKS[0]))
        top = max([evaluation["eer_linear"].value, *(rate for rate in rates if rate < 1)])
        high.append(min((tick for tick in _HIGH_TICKS if top < 0.97 * tick), default=_TICKS[-1]))
    return low, high


def _spaced_ticks(start: float, end: float) -> NDArray[np.float64]:
    """Return ticks whose labels do not touch, including the ends of the axis."""
    ticks = _TICKS[(start <= _TICKS) & (end >= _TICKS)]
    kept = [ticks[0], ticks[-1]]
    apart = 0.05 * (_probit(end) - _probit(start))
    for tick in ticks[1:-1]:
        if np.min(np.abs(_probit(tick) - _probit(kept))) > apart:
            kept.append(tick)
    return np.sort(kept)


def _mark_points(
    axes: "Axes", evaluation: Evaluation, low: Sequence[float], high: Sequence[float]
) -> None:
    def on_diagonal(rate: ArrayLike) -> Any:
        # Both coordinates are clipped to the same limits, so that the point stays on the diagonal.
        return _probit(np.clip(rate, max(low), min(high)))

    eer = evaluation["eer_linear"]
    if eer.interval is not None:
        ends = on_diagonal(eer.interval.ends())
        axes.plot(
            ends, ends, color=_COLOUR["mark-1"], linewidth=7, alpha=0.35, solid_capstyle="butt"
        )
    spot = on_diagonal(eer.value)
    marked = [("o", spot, spot, f"EER (linear) {eer.format_value()}")]
    costs = [measure for measure in evaluation.metrics if measure.name.startswith("min_dcf")]
    for measure, marker in zip(costs, cycle(_MARKERS), strict=False):
        assert measure.point is not None
        x, y = _probit(np.clip([measure.point.p_fa, measure.point.p_miss], low, high))
        prior = measure.name.removeprefix("min_dcf_")
        marked.append((marker, x, y, f"minDCF({prior}) {measure.format_value()}"))
    style: dict[str, Any] = {"markeredgecolor": _COLOUR["surface"], "markersize": 8.5, "zorder": 5}
    for order, (marker, x, y, label) in enumerate(marked, start=1):
        colour = _COLOUR[f"mark-{min(order, 3)}"]
        axes.plot(x, y, marker, color=colour, label=label, clip_on=False, **style)


def _points_per_unit(figure: "Figure", axes: "Axes") -> float:
    figure.draw_without_rendering()
    (start, _), (end, _) = axes.transData.transform([(0.0, 0.0), (1.0, 0.0)])
    return float(end - start) * 72 / figure.dpi


def _probit(rate: Any) -> Any:
    from scipy.special import ndtri

    return ndtri(rate)


def _figure(width: float, height: float) -> "Figure":
    # Without pyplot, there are no global state, windows or backends.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _style(name: str) -> Any:
    inked = ("axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor", "text.color")
    return figure_style(
        name,
        **dict.fromkeys(inked, _COLOUR["ink"]),
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), _COLOUR["muted"]),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        **dict.fromkeys(("axes.unicode_minus", "axes.axisbelow", "legend.frameon"), True),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
        **dict.fromkeys(("text.parse_math", "path.simplify"), False),
        **{"font.size": 10.5, "axes.linewidth": 0.8, "legend.framealpha": 0.92},
        **{"legend.facecolor": _COLOUR["surface"], "legend.edgecolor": _COLOUR["rule"]},
    )


def _to_svg(figure: "Figure", prefix: str) -> str:
    """Return the figure as SVG in the colours and fonts of the page."""
    text = svg_element(figure, prefix=prefix, bbox_inches="tight", pad_inches=0.04)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = text.replace('xlink:href="#', 'href="#')
    text = re.sub(r"font-family: [^;\"]*(;|\")", r"font-family: inherit\1", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*(;|\")", r"font-size: \1\2", text)
    for name, code in _COLOUR.items():
        text = text.replace(code, f"var(--{name})")
    return re.sub(r"\s*\n\s*", "\n", text)
