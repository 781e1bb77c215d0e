"""Options of the whole suite: a fast selection of tests, and examples that need hmmlearn."""

from collections import Counter
from importlib.util import find_spec

import pytest

CASES_OF_A_GRID = 1
"""Cases of each parametrised test that `--fast` runs, evenly spaced if there are several."""

FIXTURES_OF_SLOW_TESTS = {"data_dir", "speakergmm_process", "spoken"}
"""Real speech, commands in processes of their own, and a trained model of phones."""


def pytest_addoption(parser):
    """Add the option of ``make test-fast``."""
    parser.addoption(
        "--fast",
        action="store_true",
        help="leave out slow tests and run one case of each parametrised test",
    )


def pytest_collection_modifyitems(config, items):
    """Mark slow tests, select the fast ones if asked, and skip examples that need hmmlearn."""
    for item in items:
        if FIXTURES_OF_SLOW_TESTS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if config.getoption("--fast"):
        chosen = _fast(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]
    if find_spec("hmmlearn") is None:
        skip = pytest.mark.skip(reason="an example of hmmlearn, which is not installed")
        for item in items:
            if isinstance(item, pytest.DoctestItem) and "hmmlearn" in item.name:
                item.add_marker(skip)


def _fast(items):
    """Choose tests that are not slow, and of each grid of cases one or a few."""
    quick = [item for item in items if item.get_closest_marker("slow") is None]
    sizes = Counter(map(_function_of, quick))
    places = Counter()
    chosen = set()
    for item in quick:
        name = _function_of(item)
        place, size = places[name], sizes[name]
        places[name] += 1
        # Cases whose share of the grid passes a multiple of one part of it.
        if (place * CASES_OF_A_GRID) % size < CASES_OF_A_GRID:
            chosen.add(item)
    return chosen


def _function_of(item):
    """Return the name of a test without the case of its grid."""
    return item.nodeid.split("[", 1)[0]
