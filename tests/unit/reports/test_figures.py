"""What the figures are drawn from: thinned curve, bins."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm

from speakergmm.metrics import det_curve
from speakergmm.reports.figures import histogram_counts, histogram_edges, thin_curve


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
