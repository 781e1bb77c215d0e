"""Plots of log-likelihood ratios: Tippett, cross-entropy and Bayes error over the prior, and PAV.

LLRs are natural logarithms in all arguments; axes show powers of ten, as forensic reports do.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.metrics import (
    PavCalibration,
    bayes_error_curve,
    empirical_cross_entropy,
    pav_calibration,
    tippett_curve,
)
from speakergmm.reports.plots import (
    INK,
    MUTED,
    NONTARGET,
    PALETTE,
    TARGET,
    distinct_points,
    grid,
    legend,
    plot,
    points_per_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TEN = np.log(10)
# Prior odds on the axis, as powers of ten.
_POWERS = np.arange(-3, 4)
_ODDS = [f"1:{10**-power}" if power <= 0 else f"{10**power}:1" for power in _POWERS.tolist()]
# Steps of fewer trials are drawn thin: their heights are accidents.
_MANY = 30
# Axes of LLRs end here, in powers of ten, and begin at least one power from zero.
_FARTHEST = 300.0


def draw_tippett(target: ArrayLike, nontarget: ArrayLike) -> "Figure":
    """Draw the Tippett plot of log-likelihood ratios.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.

    Returns
    -------
    matplotlib.figure.Figure
        Shares of trials at or above each LLR. The legend states the shares of misleading LLRs:
        target trials below 0, nontarget trials above 0.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.
    """
    curve = tippett_curve(target, nontarget)
    powers = curve.llrs / _TEN
    shown = np.isfinite(powers)
    low, high = _reach(np.concatenate([np.ravel(target), np.ravel(nontarget)]) / _TEN)
    wrong = {
        "target": f"{100 * np.mean(np.asarray(target) < 0):.2f} % below 0",
        "nontarget": f"{100 * np.mean(np.asarray(nontarget) > 0):.2f} % above 0",
    }
    with plot(6.2, 4.1) as figure:
        axes = figure.add_subplot()
        axes.set_xlim(low, high)
        axes.set_ylim(0, 100)
        scale = points_per_unit(figure, axes)
        x = np.concatenate([[low], np.clip(powers[shown], low, high), [high]])
        ends = tippett_curve(target, nontarget, [low * _TEN, high * _TEN])
        for kind in ("target", "nontarget"):
            first, last = getattr(ends, kind)
            y = 100 * np.concatenate([[first], getattr(curve, kind)[shown], [last]])
            # Steps have two corners each: three quarters of a point are close enough.
            keep = distinct_points(x, y, scale=scale / 3)
            label = f"{kind} trials ({wrong[kind]})"
            # Shares hold from one LLR, exclusive, up to the next.
            axes.plot(x[keep], y[keep], drawstyle="steps-pre", label=label, **_KIND[kind])
        _mark_zero(axes)
        axes.set_xlabel("log-likelihood ratio, powers of ten")
        axes.set_ylabel("% of the kind's trials at or above")
        grid(axes)
        legend(figure, axes, n_columns=1)
        return figure


def draw_cross_entropy(target: ArrayLike, nontarget: ArrayLike) -> "Figure":
    """Draw the empirical cross-entropy (ECE) of log-likelihood ratios over the prior odds.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.

    Returns
    -------
    matplotlib.figure.Figure
        The curves of the LLRs, of their best calibration in hindsight, and of no evidence.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.
    """
    odds = np.linspace(_POWERS[0], _POWERS[-1], 121)
    curve = empirical_cross_entropy(target, nontarget, odds * _TEN)
    with plot(6.2, 4.1) as figure:
        axes = figure.add_subplot()
        _over_the_prior(axes, odds, curve.actual, curve.minimum, curve.reference)
        axes.set_ylabel("empirical cross-entropy, bits")
        legend(figure, axes, n_columns=1)
        return figure


def draw_bayes_error(target: ArrayLike, nontarget: ArrayLike) -> "Figure":
    """Draw the normalised Bayes error of log-likelihood ratios over the prior odds.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.

    Returns
    -------
    matplotlib.figure.Figure
        The actual detection cost at unit costs, the minimum, and that of no evidence, 1.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.
    """
    odds = np.linspace(_POWERS[0], _POWERS[-1], 601)
    curve = bayes_error_curve(target, nontarget, odds * _TEN)
    with plot(6.2, 4.1) as figure:
        axes = figure.add_subplot()
        _over_the_prior(axes, odds, curve.actual, curve.minimum, curve.default)
        axes.set_ylabel("normalised Bayes error")
        legend(figure, axes, n_columns=1)
        return figure


def draw_reliability(target: ArrayLike, nontarget: ArrayLike) -> "Figure":
    """Draw the LLRs that the trials show (PAV) against the LLRs that are stated.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.

    Returns
    -------
    matplotlib.figure.Figure
        Calibrated LLRs lie on the diagonal; a flatter curve means that the stated LLRs claim too
        much. Below, the numbers of trials by stated LLR.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.
    """
    calibration = pav_calibration(target, nontarget)
    values = {"target": np.ravel(target) / _TEN, "nontarget": np.ravel(nontarget) / _TEN}
    low, high = _reach(np.concatenate(list(values.values())))
    shown = calibration.llrs[np.isfinite(calibration.llrs)] / _TEN
    bottom, top = float(min(-1.0, *shown, -1.0)) - 0.5, float(max(1.0, *shown, 1.0)) + 0.5
    with plot(6.2, 5.0) as figure:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.set_xlim(low, high)
        axes.set_ylim(bottom, top)
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.9, dashes=(2, 3))
        _draw_steps(axes, calibration, (low, high), (bottom, top))
        _mark_zero(axes)
        edges = np.linspace(low, high, 61)
        for kind, given in values.items():
            counts = np.histogram(np.clip(given, low, high), bins=edges)[0]
            share = 100 * counts / max(1, counts.max())
            below.stairs(share, edges, fill=True, alpha=0.35, color=_KIND[kind]["color"])
            axes.fill_between(
                [], [], alpha=0.35, color=_KIND[kind]["color"], label=f"{kind} trials"
            )
        below.set_yticks([])
        below.set_ylabel("trials")
        below.set_xlabel("stated log-likelihood ratio, powers of ten")
        axes.set_ylabel("LLR that the trials show (PAV)")
        grid(axes)
        legend(figure, axes, n_columns=2)
        return figure


_KIND: dict[str, dict[str, Any]] = {
    "target": {"color": TARGET, "linewidth": 1.6, "linestyle": "solid"},
    "nontarget": {"color": NONTARGET, "linewidth": 1.6, "linestyle": (0, (6, 2))},
}


def _over_the_prior(
    axes: "Axes",
    odds: NDArray[np.float64],
    actual: NDArray[np.float64],
    minimum: NDArray[np.float64],
    reference: NDArray[np.float64],
) -> None:
    """Draw three curves over the prior odds, as powers of ten."""
    axes.plot(odds, reference, color=MUTED, linewidth=1.2, dashes=(1.5, 2), label="no evidence")
    wrong = "" if np.isfinite(actual).all() else " (infinite: a certainty was wrong)"
    axes.plot(odds, actual, color=PALETTE[0], linewidth=1.8, label=f"as stated{wrong}")
    best = "after the best calibration in hindsight (PAV)"
    axes.plot(odds, minimum, color=PALETTE[1], linewidth=1.5, linestyle=(0, (6, 2)), label=best)
    axes.set_xlim(odds[0], odds[-1])
    # Twice the cost of no evidence is off the scale; zero is seen above the frame.
    top = float(np.clip(1.1 * np.max(actual), 1.1, 2.0))
    axes.set_ylim(-0.015 * top, top)
    axes.set_xticks(_POWERS, _ODDS)
    axes.set_xlabel("prior odds, same speaker to another")
    grid(axes)


def _draw_steps(
    axes: "Axes",
    calibration: PavCalibration,
    across: tuple[float, float],
    upward: tuple[float, float],
) -> None:
    """Draw the steps of a calibration, thick where many trials determine them."""
    starts = np.clip(calibration.scores / _TEN, *across)
    ends = np.append(starts[1:], across[1])
    heights = np.clip(calibration.llrs / _TEN, *upward)
    x, y = np.ravel([starts, ends], order="F"), np.repeat(heights, 2)
    axes.plot(x, y, color=INK, linewidth=0.8, label=f"fewer than {_MANY} trials")
    many = np.repeat(calibration.targets + calibration.nontargets >= _MANY, 2)
    # A gap after each step: only the steps are thick, not the risers.
    solid = np.insert(np.where(many, y, np.nan), np.arange(2, len(y), 2), np.nan)
    place = np.insert(x, np.arange(2, len(x), 2), np.nan)
    axes.plot(place, solid, color=INK, linewidth=2.6, label=f"{_MANY} trials or more")


def _mark_zero(axes: "Axes") -> None:
    axes.axvline(0, color=MUTED, linewidth=0.8)


def _reach(powers: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of an axis of LLRs: nearly all finite ones, and one power from zero."""
    finite = powers[np.isfinite(powers)]
    low, high = np.quantile(finite, [0.0005, 0.9995]) if len(finite) else (0.0, 0.0)
    low, high = float(min(low, -1.0)), float(max(high, 1.0))
    margin = 0.04 * min(high - low, _FARTHEST)
    return max(low, -_FARTHEST) - margin, min(high, _FARTHEST) + margin
