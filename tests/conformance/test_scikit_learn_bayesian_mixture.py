"""scikit-learn's test_bayesian_mixture.py, from the installed package, run on our estimator."""

from conformance.adoption import adopt
from conformance.scikit_learn_mixture import BAYESIAN_SKIPPED, HOMES

_MODULE = "sklearn.mixture.tests.test_bayesian_mixture"
_TESTS = adopt(_MODULE, package="sklearn.mixture", homes=HOMES, skipped=BAYESIAN_SKIPPED)
globals().update(_TESTS)


def test_every_skipped_test_exists():
    assert set(BAYESIAN_SKIPPED) <= set(_TESTS)


def test_most_tests_run():
    assert len(_TESTS) - len(BAYESIAN_SKIPPED) > 10
