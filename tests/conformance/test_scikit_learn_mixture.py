"""scikit-learn's test_mixture.py, from the installed package, run on our estimators."""

from conformance.adoption import adopt
from conformance.scikit_learn_mixture import HOMES, MIXTURE_SKIPPED

_TESTS = adopt(
    "sklearn.mixture.tests.test_mixture",
    package="sklearn.mixture",
    homes=HOMES,
    skipped=MIXTURE_SKIPPED,
)
globals().update(_TESTS)


def test_every_skipped_test_exists():
    assert set(MIXTURE_SKIPPED) <= set(_TESTS)
