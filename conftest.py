"""Options of the whole suite: a fast selection of tests, and examples that need hmmlearn."""

import gc
import importlib
import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

# Before any library of linear algebra is loaded, and for all processes that tests start: matrices
# of tests are small, and workers that have more threads than there are cores wait for each other.
# What threads of linear algebra may change is tested with a number of them (`threadpool_limits`).
os.environ.setdefault("OMP_NUM_THREADS", "1")

CASES_OF_A_GRID = 1
"""Cases of each parametrised test that `--fast` runs, evenly spaced if there are several."""

FIXTURES_OF_SLOW_TESTS = {"data_dir", "speakergmm_process", "spoken", "world", "filled"}
"""Real speech, commands in processes of their own, trained models of phones and speakers."""


def pytest_addoption(parser):
    """Add the option of ``make test-fast``."""
    parser.addoption(
        "--fast",
        action="store_true",
        help="leave out slow tests and run one case of each parametrised test",
    )
    parser.addoption(
        "--long",
        action="store_true",
        help="tests of faults disturb each command twenty times instead of three",
    )


def pytest_configure(config):
    """Let workers begin to compile the loops at different ends, if nothing is compiled yet.

    They collect tests at the same time, and all of them would compile everything in that order.
    """
    number = getattr(config, "workerinput", {}).get("workerid", "").removeprefix("gw")
    root = Path(__file__).parent
    if not number or any(root.glob("speakergmm/**/*.nbi")):
        return
    kernels = sorted(root.glob("speakergmm/**/*_kernels.py"))
    for path in kernels[:: -1 if int(number) % 2 else 1]:
        importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect tests without collecting garbage, and leave aside what stays to the end.

    Millions of objects are made and hardly one is dropped: to go through them again and again would
    take more than a third of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config, items):
    """Mark slow tests, select the fast ones if asked, and skip examples that need hmmlearn.

    Tests of faults take minutes, and run only where they are named.
    """
    for item in items:
        if FIXTURES_OF_SLOW_TESTS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if not _names_faults(config):
        _keep(config, items, {item for item in items if not _is_marked(item, "faults")})
    if config.getoption("--fast"):
        _keep(config, items, _fast(items))
    if find_spec("hmmlearn") is None:
        skip = pytest.mark.skip(reason="an example of hmmlearn, which is not installed")
        for item in items:
            if isinstance(item, pytest.DoctestItem) and "hmmlearn" in item.name:
                item.add_marker(skip)


def _keep(config, items, chosen):
    """Leave out all tests but those that were chosen."""
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def _names_faults(config):
    """Return whether the command line names tests of faults, by their folder or their marker."""
    asked = config.option.markexpr or ""
    return "faults" in asked or any("tests/faults" in name for name in config.args)


def _is_marked(item, name):
    return item.get_closest_marker(name) is not None


def _fast(items):
    """Choose tests that are not slow, and of each grid of cases one or a few."""
    quick = [item for item in items if not _is_marked(item, "slow")]
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
