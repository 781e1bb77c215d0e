"""Libraries that are oracles and may be absent: tests that need one are skipped with the reason."""

from typing import Any

import pytest


def hmmlearn_module(name: str = "hmm") -> Any:
    """Give a module of hmmlearn, or skip the test, or the module of tests, that asks for it."""
    reason = "hmmlearn, the oracle here, is not installed (no wheels for Python 3.14 and later)"
    return pytest.importorskip(f"hmmlearn.{name}", reason=reason)
