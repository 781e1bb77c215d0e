"""Examples in docstrings that show hmmlearn are skipped where it is not installed."""

from importlib.util import find_spec

import pytest


def pytest_collection_modifyitems(items):
    """Mark those examples."""
    if find_spec("hmmlearn") is not None:
        return
    skip = pytest.mark.skip(reason="an example of hmmlearn, which is not installed")
    for item in items:
        if isinstance(item, pytest.DoctestItem) and "hmmlearn" in item.name:
            item.add_marker(skip)
