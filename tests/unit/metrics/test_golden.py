"""A fixed list of trials against figures from other programs (see the references' PROVENANCE)."""

import json
from pathlib import Path

import numpy as np
import pytest

from speakergmm.metrics import (
    Scores,
    cllr,
    empirical_cross_entropy,
    evaluate,
    identification_accuracy,
    min_cllr,
    min_dcf,
    read_scores,
)

REFERENCES = Path(__file__).parents[2] / "references" / "metrics"


@pytest.fixture(scope="module")
def golden():
    return json.loads((REFERENCES / "golden.json").read_text())


@pytest.fixture(scope="module")
def scores() -> Scores:
    return read_scores(REFERENCES / "scores.tsv")


def test_detection(scores, golden):
    result = evaluate(scores, n_bootstrap=0)
    assert result["eer_linear"].value == pytest.approx(
        golden["eer_linear"]["scikit-learn"], abs=1e-12
    )
    assert result["eer_rocch"].value == pytest.approx(golden["eer_rocch"]["lir"], abs=1e-12)
    assert result["eer_rocch"].value == pytest.approx(golden["eer_rocch"]["llreval"], abs=1e-7)
    for p_target, value in golden["min_dcf"].items():
        found = min_dcf(scores.target, scores.nontarget, p_target=float(p_target)).value
        assert found == pytest.approx(value, rel=1e-9)
    # The list tells the conventions apart.
    assert result["eer_linear"].value - result["eer_rocch"].value > 1e-3


def test_likelihood_ratios(scores, golden):
    pair = scores.target, scores.nontarget
    assert cllr(*pair) == pytest.approx(golden["cllr"]["lir"], rel=1e-12)
    assert min_cllr(*pair) == pytest.approx(golden["min_cllr"]["lir"], rel=1e-12)
    for p_target, value in golden["cross_entropy"].items():
        odds = np.log(float(p_target)) - np.log1p(-float(p_target))
        found = empirical_cross_entropy(*pair, odds).actual[0]
        assert found == pytest.approx(value, rel=1e-12)


def test_identification(scores, golden):
    matrix = np.empty((len(scores.path_names), len(scores.model_names)))
    matrix[scores.path_index, scores.model_index] = scores.scores
    true = np.empty(len(matrix), dtype=int)
    true[scores.path_index[scores.is_target]] = scores.model_index[scores.is_target]
    nudged = matrix + 1e-6 * np.arange(matrix.shape[1])
    accuracy = golden["identification_top1_nudged"]
    assert identification_accuracy(nudged, true) == pytest.approx(accuracy, abs=1e-12)
