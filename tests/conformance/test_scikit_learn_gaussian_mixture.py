"""scikit-learn's test_gaussian_mixture.py, from the installed package, run on our estimator."""

import pytest
from conformance.adoption import adopt
from conformance.scikit_learn_mixture import GAUSSIAN_SKIPPED, HOMES, expected_counts

_MODULE = "sklearn.mixture.tests.test_gaussian_mixture"
_TESTS = adopt(_MODULE, package="sklearn.mixture", homes=HOMES, skipped=GAUSSIAN_SKIPPED)
globals().update(_TESTS)


def test_every_skipped_test_exists():
    assert set(GAUSSIAN_SKIPPED) <= set(_TESTS)


def test_as_many_tests_run_as_there_are():
    expected = expected_counts("gaussian")
    if expected is None:
        pytest.skip("counted for another version of scikit-learn")
    marks = [getattr(test, "pytestmark", []) for test in _TESTS.values()]
    skipped = sum(any(mark.name == "skip" for mark in each) for each in marks)
    assert (len(_TESTS), skipped) == expected
    assert all(globals()[name] is test for name, test in _TESTS.items())
