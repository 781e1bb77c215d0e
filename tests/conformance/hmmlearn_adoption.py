"""Adoption of hmmlearn's own tests from the installed package, with its GMMHMM replaced.

Nothing is copied: the source of a module is read where it is installed, and run under this
project's name. Its tests look up their class by name when they run, so that only the name is
replaced. Marks of expected failures are removed: tests that do not apply are skipped here, with the
reason, and all others must pass.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from oracles.peers import hmmlearn_module

from speakergmm.estimators import FitMonitor, GaussianMixtureHMM

hmm = hmmlearn_module()

_PACKAGE = "hmmlearn.tests"
# Tests and skipped ones of hmmlearn 0.3.3 by module: a test that disappears must be noticed.
_VERSION = "0.3.3"
_N_TESTS = {
    "test_gmm_hmm_new": (38, 0),
    "test_gmm_hmm_multisequence": (1, 0),
    "test_base": (16, 11),
}


def stand_in() -> Any:
    """Give the class that is tested: ours, or with SPEAKERGMM_CONFORMANCE=hmmlearn its own."""
    if os.environ.get("SPEAKERGMM_CONFORMANCE") == "hmmlearn":
        return hmm.GMMHMM
    return GaussianMixtureHMM


def adopt(module: str, skipped: Mapping[str, str]) -> dict[str, Any]:
    """Return the tests of a module, those in `skipped` ("Class.test" or "test") skipped.

    Helpers that tests use stay in the module's own namespace.
    """
    # hmmlearn's package of tests makes NumPy warn of every underflow, for good: not here.
    with np.errstate():
        spec = importlib.util.find_spec(f"{_PACKAGE}.{module}")
    assert spec is not None
    assert spec.origin is not None, f"{module} has no source"
    source = Path(spec.origin)
    namespace: dict[str, Any] = {
        "__name__": f"{_PACKAGE}.{module}",
        "__package__": _PACKAGE,
        "__file__": str(source),
    }
    with np.errstate():
        exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), namespace)
    swapped = False
    if "GMMHMM" in namespace:
        namespace["GMMHMM"], swapped = stand_in(), True
    if "hmm" in namespace:
        namespace["hmm"], swapped = SimpleNamespace(GMMHMM=stand_in()), True
    if "BaseHMM" in namespace:
        namespace["ConvergenceMonitor"], swapped = FitMonitor, True
    assert swapped, f"{module} uses nothing that has a place here"
    namespace.pop("pytestmark", None)
    tests = {
        name: value
        for name, value in namespace.items()
        if name.startswith(("test_", "Test")) and callable(value)
    }
    missing = set(skipped) - {name for name, _, _ in _each(tests)}
    assert not missing, f"{module} has no {sorted(missing)}"
    for name, owner, function in _each(tests):
        if name in skipped:
            replacement = pytest.mark.skip(reason=skipped[name])(_nothing())
            if owner is None:
                tests[name] = replacement
            else:
                setattr(owner, function.__name__, replacement)
        else:
            marks = getattr(function, "pytestmark", [])
            function.pytestmark = [mark for mark in marks if mark.name != "xfail"]
    return tests


def counts(tests: Mapping[str, Any]) -> tuple[int, int]:
    """Number of test functions, and of those skipped; one that two classes share counts twice."""
    marks = [getattr(function, "pytestmark", []) for _, _, function in _each(tests)]
    return len(marks), sum(any(mark.name == "skip" for mark in each) for each in marks)


def expected_counts(module: str) -> tuple[int, int] | None:
    """Say what `counts` should be; None for other versions of hmmlearn."""
    return _N_TESTS[module] if version("hmmlearn") == _VERSION else None


def _each(tests: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, class (or None) and function of each test."""
    for name, value in list(tests.items()):
        if not isinstance(value, type):
            yield name, None, value
            continue
        for method in dir(value):
            if method.startswith("test_"):
                yield f"{name}.{method}", value, getattr(value, method)


def _nothing() -> Any:
    def skipped_test(*arguments: Any) -> None: ...

    return skipped_test
