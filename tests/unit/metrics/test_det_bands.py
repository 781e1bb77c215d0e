"""Bands of DET curves: against a loop over resampled lists, and with too few speakers."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    Scores,
    det_band,
    det_curve,
    draw_multiplicities,
    speaker_clusters,
)


def crossed(n_speakers, n_tests, shift, seed=0):
    rng = np.random.default_rng(seed)
    test = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    number = np.repeat(np.arange(n_speakers * n_tests), n_speakers)
    own = model == test
    values = np.round(rng.normal(size=len(model)) + shift * own, 1)
    return Scores(model, number, values, np.where(own, "target", "nontarget"))


def distance_on_ray(curve, ratio):
    """Where P_miss = ratio P_fa on the polygon of error rates, from the origin."""
    excess = curve.p_miss - ratio * curve.p_fa
    right = int(np.argmax(excess >= 0))
    share = np.interp(0, excess[right - 1 : right + 1], [0, 1])
    (m0, m1), (f0, f1) = curve.p_miss[right - 1 : right + 1], curve.p_fa[right - 1 : right + 1]
    return np.hypot(m0 + share * (m1 - m0), f0 + share * (f1 - f0))


def test_edges_are_percentiles_of_the_curves_of_resampled_lists():
    scores = crossed(6, 4, 1.0)
    band = det_band(scores, n_bootstrap=40, confidence=0.8, seed=5, resampling="speakers")
    clusters = speaker_clusters(scores)
    model, path = clusters.models[scores.model_index], clusters.paths[scores.path_index]
    curves = []
    for times in draw_multiplicities(clusters.n_speakers, n_bootstrap=40, seed=5):
        target = np.repeat(scores.target, times[model[scores.is_target]])
        rows = scores.is_nontarget
        nontarget = np.repeat(scores.nontarget, times[model[rows]] * times[path[rows]])
        curves.append(det_curve(target, nontarget))
    edges = np.hypot(*band.low.T), np.hypot(*band.high.T)
    for ray in range(0, len(band.low), 13):
        ratio = band.high[ray, 1] / band.high[ray, 0]
        distances = [distance_on_ray(curve, ratio) for curve in curves]
        expected = np.quantile(distances, [0.1, 0.9])
        np.testing.assert_allclose([edges[0][ray], edges[1][ray]], expected, rtol=1e-9)


def test_edges_fall_from_few_misses_to_few_false_alarms():
    band = det_band(crossed(8, 5, 1.5), n_bootstrap=60)
    assert band.confidence == 0.95
    for edge in (band.low, band.high):
        assert (np.diff(edge[:, 0]) <= 1e-12).all()
        assert (np.diff(edge[:, 1]) >= -1e-12).all()
    assert (band.low <= band.high).all()


def test_there_is_no_band_without_replicates_or_speakers():
    assert det_band(crossed(8, 2, 1.0), n_bootstrap=0) is None
    assert det_band(crossed(2, 2, 1.0)) is None
    with pytest.raises(InvalidInputError, match="confidence"):
        det_band(crossed(4, 2, 1.0), confidence=1.0)
