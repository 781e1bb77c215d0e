"""Replacements of scikit-learn's classes in its own tests, and tests that do not apply to them."""

from __future__ import annotations

import os

import sklearn

# With SPEAKERGMM_CONFORMANCE=scikit-learn its own classes are tested, to see what fails there.
if os.environ.get("SPEAKERGMM_CONFORMANCE") == "scikit-learn":
    HOMES = {
        "GaussianMixture": "sklearn.mixture._gaussian_mixture",
        "BayesianGaussianMixture": "sklearn.mixture._bayesian_mixture",
    }
else:
    HOMES = {
        "GaussianMixture": "speakergmm.estimators.gaussian",
        "BayesianGaussianMixture": "speakergmm.estimators.bayesian",
    }

_NO_CLASS = "tests private functions of scikit-learn alone, no estimator"
_ARRAY_API = "arrays of libraries other than NumPy are not accepted"

GAUSSIAN_SKIPPED = {
    "test_suffstat_sk_full": _NO_CLASS,
    "test_suffstat_sk_tied": _NO_CLASS,
    "test_suffstat_sk_diag": _NO_CLASS,
    "test_gaussian_suffstat_sk_spherical": _NO_CLASS,
    "test_compute_log_det_cholesky": _NO_CLASS,
    "test_gaussian_mixture_log_probabilities": _NO_CLASS,
    "test_gaussian_mixture_precisions_init": "calls _initialize and _set_parameters",
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": (
        "replaces a private function of scikit-learn and counts its calls"
    ),
    "test_gaussian_mixture_array_api_compliance": _ARRAY_API,
    "test_gaussian_mixture_raises_where_array_api_not_implemented": _ARRAY_API,
}
BAYESIAN_SKIPPED = {
    "test_log_dirichlet_norm": _NO_CLASS,
    "test_log_wishart_norm": _NO_CLASS,
    "test_compare_covar_type": "calls _check_parameters and _initialize_parameters",
}
MIXTURE_SKIPPED: dict[str, str] = {}

# Counts of scikit-learn 1.9: a test that disappears, or is no longer collected, must be noticed.
_VERSION = "1.9."
_N_TESTS = {"gaussian": (41, 10), "bayesian": (14, 3), "mixture": (2, 0)}


def expected_counts(module: str) -> tuple[int, int] | None:
    """Return the numbers of tests of a module and of skipped ones; None for other versions."""
    return _N_TESTS[module] if sklearn.__version__.startswith(_VERSION) else None
