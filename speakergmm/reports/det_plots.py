"""DET plots: one curve or several in one frame, with confidence bands and operating points."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import DetBand, DetCurve, Evaluation
from speakergmm.reports.plots import (
    DASHES,
    INK,
    LEGEND,
    MUTED,
    PALETTE,
    SURFACE,
    distinct_points,
    grid,
    plot,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOW_TICKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2)
_HIGH_TICKS = (0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_TICKS = np.array([*_LOW_TICKS, *_HIGH_TICKS])
_MARKERS = ("D", "^", "s", "v", "P")
# Largest frame, margins for its labels, and a line of the legend, in inches.
_FRAME = np.array([4.7, 4.7])
_LEFT, _RIGHT, _BELOW, _ABOVE, _LINE = 0.72, 0.2, 0.62, 0.12, 0.2
# Width of a letter of the legend, and of the sample and the gap beside it.
_LETTER, _SAMPLE = 0.083, 0.55
# Rates of 0 and 1, which are infinite on probit axes, become finite points outside of any frame.
_NEXT_TO_NOTHING = 1e-12


def draw_det_curves(
    systems: Mapping[str, Evaluation], *, bands: Mapping[str, DetBand | None] | None = None
) -> "Figure":
    """Draw the DET curves of some systems on probit axes, with their operating points.

    Parameters
    ----------
    systems : mapping of str to Evaluation
        The evaluation of each system, by its name: its curve, its EER by linear interpolation and
        the operating points of its detection costs are drawn, filled for the best threshold on
        these trials, hollow for a stated one.
    bands : mapping of str to DetBand, optional
        Confidence bands of some of the curves, from `speakergmm.metrics.det_band`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot, for `write_picture` or `page_svg`.

    Raises
    ------
    InvalidInputError
        If there are no systems, or more than there are colours (8).

    Notes
    -----
    Error rates of 0 and 1 are infinite on such axes: the curve leaves the frame, and an operating
    point is drawn on its edge. Corners that are closer than a quarter of a point are merged.
    """
    if not 0 < len(systems) <= len(PALETTE):
        raise InvalidInputError(
            f"a DET plot shows 1 to {len(PALETTE)} systems, found {len(systems)}"
        )
    low, high = _det_limits(list(systems.values()))
    with plot(*_FRAME) as figure:
        axes, scale = _probit_axes(figure, low, high)
        for order, (name, evaluation) in enumerate(systems.items()):
            band = (bands or {}).get(name)
            if band is not None:
                _fill_band(axes, band_outline(band, low, high), PALETTE[order])
            x, y = thin_curve(evaluation.curve, points_per_unit=scale)
            line: dict[str, Any] = {"color": PALETTE[order], "linestyle": DASHES[order % 4]}
            eer = f"EER {evaluation['eer_linear'].format_value()}"
            label = f"{name}: {eer}" if name else eer
            axes.plot(x, y, linewidth=1.6, solid_joinstyle="miter", label=label, **line)
        for order, evaluation in enumerate(systems.values()):
            _mark_points(axes, evaluation, PALETTE[order], (low, high), len(systems) == 1, order)
        if not any(_is_in_frame(each.curve, low, high) for each in systems.values()):
            where: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
            axes.text(0.5, 0.7, "no errors within this frame", color=MUTED, **where)
        _write_legend(figure, axes)
        return figure


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
    x, y = _finite_probit(curve.p_fa), _finite_probit(curve.p_miss)
    keep = distinct_points(x, y, scale=points_per_unit)
    return x[keep], y[keep]


def band_outline(band: DetBand, low: Sequence[float], high: Sequence[float]) -> NDArray[np.float64]:
    """Return the outline of the part of a confidence band that lies in a frame.

    Parameters
    ----------
    band : DetBand
    low, high : sequence of two float
        Lower and upper limits of P_fa and P_miss.

    Returns
    -------
    array, shape (P, 2)
        Probits of P_fa and P_miss; without points if the band lies outside.
    """
    from matplotlib.path import Path
    from matplotlib.transforms import Bbox

    outline = _finite_probit(np.concatenate([band.low, band.high[::-1]]))
    closed = Path(np.append(outline, outline[:1], axis=0), closed=True)
    frame = Bbox.from_extents(*_probit([*low, *high]))
    return np.asarray(closed.clip_to_bbox(frame).vertices, dtype=np.float64)


def _probit_axes(
    figure: "Figure", low: Sequence[float], high: Sequence[float]
) -> "tuple[Axes, float]":
    """Return axes whose units are equally long on both, and that length in typographic points."""
    start, end = _probit([low, high])
    inches = min(_FRAME / (end - start))
    figure.set_layout_engine("none")
    width, height = inches * (end - start)
    figure.set_size_inches(_LEFT + width + _RIGHT, _BELOW + height + _ABOVE)
    axes = figure.add_subplot()
    axes.set_xlim(start[0], end[0])
    axes.set_ylim(start[1], end[1])
    for axis, first, last in zip((axes.xaxis, axes.yaxis), low, high, strict=True):
        ticks = _spaced_ticks(first, last)
        axis.set_ticks(_probit(ticks), [f"{100 * tick:g}" for tick in ticks])
    axes.set_xlabel("false alarms, % of nontarget trials")
    axes.set_ylabel("misses, % of target trials")
    grid(axes)
    edge = np.array([_probit(min(low)), _probit(max(high))])
    axes.plot(edge, edge, color=MUTED, linewidth=0.8, dashes=(2, 3), scalex=False, scaley=False)
    return axes, float(inches * 72)


def _write_legend(figure: "Figure", axes: "Axes") -> None:
    """Write the legend below the axes, where it covers no curve, and fit the figure to it."""
    handles, labels = axes.get_legend_handles_labels()
    longest = _LETTER * max(map(len, labels)) + _SAMPLE
    width, height = figure.get_size_inches()
    across = width - _LEFT - _RIGHT
    n_columns = 2 if 2 * longest <= max(across, _FRAME[0]) else 1
    frame = height - _BELOW - _ABOVE
    below = _BELOW + _LINE * (0.5 - (-len(labels) // n_columns))
    axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(0.0, -(_BELOW - 0.1) / frame),
        ncols=n_columns,
        **LEGEND,
    )
    width, height = _LEFT + max(across, n_columns * longest) + _RIGHT, below + frame + _ABOVE
    figure.set_size_inches(width, height)
    axes.set_position((_LEFT / width, below / height, across / width, frame / height))


def _fill_band(axes: "Axes", outline: NDArray[np.float64], colour: str) -> None:
    """Fill a band without edges, so that the curve remains the only line."""
    if len(outline):
        axes.fill(*outline.T, facecolor=colour, alpha=0.18, linewidth=0, zorder=1.5)


def _det_limits(systems: Sequence[Evaluation]) -> tuple[list[float], list[float]]:
    """Return the lower and upper limits of (P_fa, P_miss): ticks around the resolvable rates."""
    points = [each.point for system in systems for each in system.metrics if each.point is not None]
    worst = max(system["eer_linear"].value for system in systems)
    low, high = [], []
    for n_trials, rates in (
        (max(system.n_nontarget for system in systems), [point.p_fa for point in points]),
        (max(system.n_target for system in systems), [point.p_miss for point in points]),
    ):
        low.append(max((tick for tick in _LOW_TICKS if tick < 1 / n_trials), default=_TICKS[0]))
        top = max([worst, *(rate for rate in rates if rate < 1)])
        high.append(min((tick for tick in _HIGH_TICKS if top < 0.97 * tick), default=_TICKS[-1]))
    return low, high


def _spaced_ticks(start: float, end: float) -> NDArray[np.float64]:
    """Return ticks whose labels do not touch, including the ends of the axis."""
    ticks = _TICKS[(start <= _TICKS) & (end >= _TICKS)]
    kept = [ticks[0], ticks[-1]]
    apart = 0.065 * (_probit(end) - _probit(start))
    for tick in ticks[1:-1]:
        if np.min(np.abs(_probit(tick) - _probit(kept))) > apart:
            kept.append(tick)
    return np.sort(kept)


def _is_in_frame(curve: DetCurve, low: Sequence[float], high: Sequence[float]) -> bool:
    rates = np.column_stack([curve.p_fa, curve.p_miss])
    return bool(((rates >= low) & (rates <= high)).all(axis=1).any())


def _mark_points(
    axes: "Axes",
    evaluation: Evaluation,
    colour: str,
    frame: tuple[Sequence[float], Sequence[float]],
    alone: bool,
    order: int,
) -> None:
    """Mark the EER on the diagonal, and each detection cost at the rates of its threshold.

    The legend explains the marks once, with the values of a system that is alone.
    """
    low, high = frame
    style: dict[str, Any] = {"linestyle": "none", "markersize": 8, "clip_on": False, "zorder": 5}
    filled: dict[str, Any] = {"markeredgecolor": SURFACE}
    hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.5}
    # Both coordinates are clipped to the same limits, so that the point stays on the diagonal.
    spot = _probit(np.clip(evaluation["eer_linear"].value, max(low), min(high)))
    axes.plot(spot, spot, marker="o", color=colour, **style, **filled)
    costs = [each for each in evaluation.metrics if "_dcf_" in each.name and each.point]
    priors = list(dict.fromkeys(each.name.rpartition("_")[2] for each in costs))
    for measure in costs:
        kind, _, prior = measure.name.partition("_dcf_")
        assert measure.point is not None
        x, y = _probit(np.clip([measure.point.p_fa, measure.point.p_miss], low, high))
        look = style | (filled if kind == "min" else hollow)
        look["marker"] = _MARKERS[priors.index(prior) % len(_MARKERS)]
        axes.plot(x, y, color=colour, **look)
        if order == 0:
            name = f"{'min' if kind == 'min' else 'actual '}DCF({prior})"
            label = f"{name} {measure.format_value()}" if alone else name
            axes.plot([], [], color=colour if alone else INK, label=label, **look)
    stated = [each.point for each in evaluation.metrics if each.name == "miss_rate" and each.point]
    for point in stated:
        x, y = _probit(np.clip([point.p_fa, point.p_miss], low, high))
        look = {**style, **filled, "marker": "X"}
        label = f"threshold {point.threshold:.4g}"
        axes.plot(x, y, color=colour, label=label if alone else None, **look)
        if order == 0 and not alone:
            axes.plot([], [], color=INK, label=label, **look)


def _finite_probit(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_probit(np.clip(rates, _NEXT_TO_NOTHING, 1 - _NEXT_TO_NOTHING)))


def _probit(rate: Any) -> Any:
    from scipy.special import ndtri

    return ndtri(rate)
