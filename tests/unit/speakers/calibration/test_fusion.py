"""Scores of several systems become one ratio, by the regression that scikit-learn also finds."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Scores, cllr
from speakergmm.speakers import CalibrationOptions, fit_fusion

MODELS = np.repeat([f"s{n}" for n in range(10)], 40)
PATHS = np.array([f"{n}.wav" for n in range(400)])
IS_TARGET = np.arange(400) % 4 == 0
LABELS = np.where(IS_TARGET, "target", "nontarget")


def drawn(seed, shift, unit=1.0):
    values = np.random.default_rng(seed).normal(np.where(IS_TARGET, shift, 0.0))
    return Scores(MODELS, PATHS, unit * values, LABELS)


SYSTEMS = [drawn(0, 1.5), drawn(1, 1.0, unit=50.0), drawn(2, 0.0)]


@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_weights_are_those_of_weighted_logistic_regression(prior):
    options = CalibrationOptions(training_prior=prior, shrinkage=0.3)
    fused = fit_fusion(SYSTEMS, options).fuse(SYSTEMS).scores
    columns = np.column_stack([each.scores for each in SYSTEMS])
    kinds = columns[IS_TARGET, 0], columns[~IS_TARGET, 0]
    centre = np.mean([kind.mean() for kind in kinds])
    scale = np.sqrt(np.mean([np.mean((kind - centre) ** 2) for kind in kinds]))
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    columns[:, 0] = (SYSTEMS[0].scores - centre) / scale
    weights = np.where(IS_TARGET, prior / IS_TARGET.sum(), (1 - prior) / (~IS_TARGET).sum())
    # The penalty of scikit-learn is not divided by the weight of all trials, which is 1 here.
    regression = LogisticRegression(C=IS_TARGET.sum() / 0.3, tol=1e-12, max_iter=10_000)
    regression.fit(columns, IS_TARGET, sample_weight=weights)
    expected = regression.decision_function(columns) - np.log(prior / (1 - prior))
    np.testing.assert_allclose(fused, expected, rtol=0, atol=1e-4)


def test_two_systems_know_more_than_either():
    fused = fit_fusion(SYSTEMS).fuse(SYSTEMS)

    def cost(scores):
        alone = fit_fusion([scores, replace(scores, scores=np.zeros(400))])
        llrs = alone.fuse([scores, replace(scores, scores=np.zeros(400))]).scores
        return cllr(llrs[IS_TARGET], llrs[~IS_TARGET])

    assert cllr(fused.target, fused.nontarget) < 0.9 * min(cost(each) for each in SYSTEMS)


def test_the_order_of_trials_does_not_matter():
    turned = SYSTEMS[1].select(np.arange(400)[::-1])
    fusion, other = fit_fusion(SYSTEMS), fit_fusion([SYSTEMS[0], turned, SYSTEMS[2]])
    np.testing.assert_array_equal(fusion.fuse(SYSTEMS).scores, other.fuse(SYSTEMS).scores)
    again = fusion.fuse([SYSTEMS[0], turned, SYSTEMS[2]])
    np.testing.assert_array_equal(again.scores, fusion.fuse(SYSTEMS).scores)
    assert fusion.n_systems == 3


def test_what_cannot_be_fused_is_refused():
    with pytest.raises(InvalidInputError, match="two systems or more, found 1"):
        fit_fusion(SYSTEMS[:1])
    with pytest.raises(InvalidInputError, match="scores of 3 systems, found 2"):
        fit_fusion(SYSTEMS).fuse(SYSTEMS[:2])
    with pytest.raises(InvalidInputError, match="not in the second"):
        fit_fusion([SYSTEMS[0], SYSTEMS[1].select(np.arange(1, 400))])
    broken = replace(SYSTEMS[1], scores=np.where(np.arange(400) < 3, np.inf, 0.0))
    with pytest.raises(InvalidInputError, match="system 2: 3 scores are not finite"):
        fit_fusion([SYSTEMS[0], broken])
    targets = [each.select(IS_TARGET) for each in SYSTEMS]
    with pytest.raises(InvalidInputError, match="all are target trials"):
        fit_fusion(targets)
