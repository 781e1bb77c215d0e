"""What the figures are drawn from: thinned curve, bins."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from speakergmm.metrics import Interval, Scores, det_curve, evaluate
from speakergmm.reports import (
    draw_det_curve,
    histogram_counts,
    histogram_edges,
    thin_curve,
)


def test_a_thinned_curve_looks_the_same():
    rng = np.random.default_rng(0)
    curve = det_curve(rng.normal(2, 1, 40_000), rng.normal(0, 1, 60_000))
    scale = 70.0
    x, y = thin_curve(curve, points_per_unit=scale)
    assert len(x) < len(curve) / 8
    full_x = norm.ppf(np.clip(curve.p_fa, 1e-12, 1 - 1e-12))
    full_y = norm.ppf(np.clip(curve.p_miss, 1e-12, 1 - 1e-12))
    # Every corner lies within a quarter of a point, along both axes, of a kept one.
    kept = {(a, b) for a, b in zip(x, y, strict=True)}
    assert kept <= set(zip(full_x, full_y, strict=True))
    place = np.searchsorted(-x, -full_x, side="right") - 1
    nearest = np.full(len(full_x), np.inf)
    for shift in range(-3, 4):
        other = np.clip(place + shift, 0, len(x) - 1)
        distance = np.maximum(np.abs(x[other] - full_x), np.abs(y[other] - full_y))
        nearest = np.minimum(nearest, distance)
    assert nearest.max() * scale <= 0.25 + 1e-9


def test_thinning_keeps_the_ends_and_small_curves():
    curve = det_curve([1.0, 2.0, 3.0], [0.0, 1.5])
    x, y = thin_curve(curve, points_per_unit=70)
    assert len(x) == len(curve)
    np.testing.assert_allclose([y[0], x[-1]], norm.ppf(1e-12))


def test_bins_hold_every_score():
    rng = np.random.default_rng(0)
    target, nontarget = rng.normal(3, 1, 500), rng.standard_t(2, 20_000)
    nontarget[:2] = np.inf, -np.inf
    edges = histogram_edges(target, nontarget)
    assert 10 <= len(edges) - 1 <= 80
    np.testing.assert_allclose(np.diff(edges), np.diff(edges)[0])
    for values in (target, nontarget):
        counts = histogram_counts(values, edges)
        assert counts.sum() == len(values)
        inside = (values >= edges[1]) & (values < edges[-2])
        assert counts[1:-1].sum() == inside.sum()
    # A few stragglers don't squeeze the rest into one bin.
    assert edges[-1] - edges[0] < 100


@pytest.mark.parametrize("value", [0.0, 1.0, -3e99, 1e-320])
def test_equal_scores_get_a_bar(value):
    edges = histogram_edges(np.array([value]), np.array([value, value]))
    assert (np.diff(edges) > 0).all()
    assert histogram_counts(np.array([value]), edges).max() == 1


def test_what_cannot_be_drawn_is_none():
    assert histogram_edges(np.array([np.inf]), np.array([-np.inf])) is None
    assert histogram_edges(np.array([1e300]), np.array([0.0])) is None


def test_importing_reports_does_not_import_matplotlib_or_jinja2():
    code = (
        "import sys, speakergmm.reports; "
        "print([name for name in ('matplotlib', 'jinja2', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def few_targets(n_target, n_nontarget, shift):
    """Trials whose DET frame begins elsewhere along the two axes."""
    rng = np.random.default_rng(4)
    count = n_target + n_nontarget
    labels = np.repeat(["target", "nontarget"], [n_target, n_nontarget])
    values = rng.normal(size=count) + np.where(labels == "target", shift, 0.0)
    return Scores(["m"] * count, [f"{number}.wav" for number in range(count)], values, labels)


def drawn_path(svg, colour, dashed=None):
    """The corners of the first line of a colour, in points of the page."""
    for data, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg):
        if f"stroke: var({colour})" in style and dashed in (None, "stroke-dasharray" in style):
            numbers = [float(number) for number in re.findall(r"-?[\d.]+", data)]
            return np.array(numbers).reshape(-1, 2)
    raise AssertionError(colour)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.03), (0.0, 1.0), (0.03, 1.0), (1e-9, 1e-8), (0.1, 0.2)]
)
@pytest.mark.parametrize(("n_target", "n_nontarget"), [(20, 4000), (4000, 20), (300, 300)])
def test_the_band_of_the_interval_stays_on_the_diagonal(n_target, n_nontarget, low, high):
    found = evaluate(few_targets(n_target, n_nontarget, 3.5), n_bootstrap=0)
    measures = tuple(
        replace(each, interval=Interval(low, high, 0.95)) if each.name == "eer_linear" else each
        for each in found.metrics
    )
    svg = draw_det_curve(replace(found, metrics=measures))
    band = drawn_path(svg, "--mark-1")
    start, end = drawn_path(svg, "--muted", dashed=True)
    direction = (end - start) / np.hypot(*(end - start))
    away = (band - start) @ np.array([-direction[1], direction[0]])
    np.testing.assert_allclose(away, 0, atol=0.01)
    if (low, high) == (0.1, 0.2):
        assert np.hypot(*(band[1] - band[0])) > 10


def test_an_error_rate_of_nought_is_marked_on_the_diagonal():
    found = evaluate(few_targets(20, 4000, 30.0), n_bootstrap=0)
    assert found["eer_linear"].value == 0
    svg = draw_det_curve(found)
    start, end = drawn_path(svg, "--muted", dashed=True)
    direction = (end - start) / np.hypot(*(end - start))
    marks = [
        (float(x), float(y))
        for x, y in re.findall(
            r'<use [^>]*x="([-\d.]+)" y="([-\d.]+)" style="fill: var\(--mark-1', svg
        )
    ]
    away = (np.array(marks) - start) @ np.array([-direction[1], direction[0]])
    # One of them stands in the legend.
    assert np.abs(away).min() < 0.01
