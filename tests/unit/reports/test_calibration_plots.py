"""Plots of likelihood ratios: what they draw is what the metrics compute, whatever the LLRs."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import cllr, min_cllr
from speakergmm.reports import (
    draw_bayes_error,
    draw_cross_entropy,
    draw_reliability,
    draw_tippett,
    page_svg,
)

PLOTS = (draw_tippett, draw_cross_entropy, draw_bayes_error, draw_reliability)


def true_llrs(n_target, n_nontarget, *, d_prime=2.0, scale=1.0):
    """LLRs of normal scores, calibrated by construction unless scaled."""
    rng = np.random.default_rng(1)
    parts = rng.normal(d_prime, 1, n_target), rng.normal(0, 1, n_nontarget)
    return tuple(scale * (d_prime * part - d_prime**2 / 2) for part in parts)


def line_of(axes, label):
    (line,) = [each for each in axes.lines if str(each.get_label()).startswith(label)]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


CASES = {
    "ordinary": true_llrs(100, 900),
    "overconfident": true_llrs(100, 900, scale=4.0),
    "one trial each": ([1.0], [-1.0]),
    "separable": true_llrs(20, 50, d_prime=12.0),
    "all equal": ([0.0, 0.0], [0.0]),
    "all infinite": ([np.inf], [-np.inf]),
    "infinite and wrong": ([-np.inf, 2.0], [np.inf, -2.0, 0.5]),
    "huge": ([1e300, 2.0], [-1e300, 1.0]),
}


@pytest.mark.parametrize("draw", PLOTS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("error")
def test_any_llrs_make_a_plot_whose_frame_is_finite(draw, case):
    figure = draw(*CASES[case])
    for axes in figure.axes:
        assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()
        assert axes.get_xlim()[0] < 0 < axes.get_xlim()[1]
    svg = page_svg(figure, prefix="plot")
    ElementTree.fromstring(svg)
    assert not re.search(r"#[0-9a-f]{6}\b", re.sub(r'(id|href)="[^"]*"|url\([^)]*\)', "", svg))


@pytest.mark.parametrize("draw", PLOTS)
def test_one_kind_of_trial_is_refused(draw):
    with pytest.raises(InvalidInputError, match="no nontarget scores"):
        draw([1.0], [])


@pytest.mark.parametrize("draw", PLOTS)
def test_many_trials_are_thinned_and_the_legend_covers_nothing(draw):
    figure = draw(*true_llrs(2000, 60_000))
    assert len(page_svg(figure, prefix="plot")) < 120_000
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert all(box.y1 <= axes.get_window_extent().y0 for axes in figure.axes)
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1


def test_a_tippett_plot_counts_the_trials_at_or_above():
    target, nontarget = true_llrs(50, 70)
    axes = draw_tippett(target, nontarget).axes[0]
    # A step holds from the point before, exclusive, up to a point.
    assert {line.get_drawstyle() for line in axes.lines[:2]} == {"steps-pre"}
    for kind, values in (("target", target), ("nontarget", nontarget)):
        x, shares = line_of(axes, kind)
        for place in np.linspace(-0.7, 0.7, 15):
            drawn = shares[np.searchsorted(x, place)]
            assert drawn == pytest.approx(100 * np.mean(values >= place * np.log(10)), abs=1e-9)
    text = " ".join(each.get_text() for each in axes.figure.legends[0].get_texts())
    assert f"{100 * np.mean(target < 0):.2f} % below 0" in text
    assert f"{100 * np.mean(nontarget > 0):.2f} % above 0" in text


def test_cross_entropy_at_even_odds_is_cllr():
    target, nontarget = true_llrs(50, 200, scale=2.0)
    axes = draw_cross_entropy(target, nontarget).axes[0]
    for label, value in (
        ("as stated", cllr(target, nontarget)),
        ("after", min_cllr(target, nontarget)),
        ("no evidence", 1.0),
    ):
        odds, entropy = line_of(axes, label)
        assert entropy[np.argmin(np.abs(odds))] == pytest.approx(value)


def test_an_infinite_cost_is_named():
    axes = draw_cross_entropy(*CASES["infinite and wrong"]).axes[0]
    assert line_of(axes, "as stated (infinite")


@pytest.mark.slow
def test_reliability_of_calibrated_llrs_is_the_diagonal_and_of_others_flatter():
    for scale in (1.0, 3.0):
        axes = draw_reliability(*true_llrs(20_000, 20_000, scale=scale)).axes[0]
        x, y = line_of(axes, "30 trials")
        middle = np.abs(y) < 0.8
        slope = np.polyfit(x[middle], y[middle], 1)[0]
        assert slope == pytest.approx(1 / scale, rel=0.1)
