"""The selection of ``make test-fast``: no slow test, and a few cases of each grid."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

PATH = Path(__file__).parents[2] / "conftest.py"
SPEC = importlib.util.spec_from_file_location("suite_conftest", PATH)
CONFTEST = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(CONFTEST)


class Item(SimpleNamespace):
    __hash__ = object.__hash__

    def get_closest_marker(self, name):
        return True if name in self.marks else None

    def add_marker(self, mark):
        self.marks.add(mark.name)


def select(*grids, fast=True, fixtures=(), n_faults=0, args=("tests",), markexpr=""):
    items = [
        Item(nodeid=f"test_{size}[{case}]" if size > 1 else "test_1", marks=set(), fixturenames=())
        for size in grids
        for case in range(size)
    ]
    for name in fixtures:
        items.append(Item(nodeid=f"test_{name}", marks=set(), fixturenames=(name,)))
    for number in range(n_faults):
        items.append(Item(nodeid=f"test_fault_{number}", marks={"faults"}, fixturenames=()))
    left_out = []
    config = SimpleNamespace(
        getoption=lambda name: fast,
        option=SimpleNamespace(markexpr=markexpr),
        args=args,
        hook=SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items)),
    )
    CONFTEST.pytest_collection_modifyitems(config, items)
    return [item.nodeid for item in items], left_out


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100, 652])
def test_every_function_runs_and_no_grid_more_often_than_it_may(size):
    chosen, left_out = select(size, 5)
    counts = Counter(name.split("[")[0] for name in chosen)
    assert counts[f"test_{size}"] == min(size, CONFTEST.CASES_OF_A_GRID)
    assert len(chosen) + len(left_out) == size + 5
    assert chosen[0] == (f"test_{size}[0]" if size > 1 else "test_1")


def test_real_speech_and_processes_are_slow_by_themselves():
    assert select(fixtures=("data_dir", "speakergmm_process", "tmp_path"))[0] == ["test_tmp_path"]


def test_the_whole_suite_is_the_default():
    assert len(select(100, fixtures=("data_dir",), fast=False)[0]) == 101


@pytest.mark.parametrize(
    ("words", "n_run"),
    [
        ({}, 1),
        ({"args": ("tests/unit", "/faults/tests")}, 1),
        ({"args": ("tests/faults/test_kills.py::test_one",)}, 4),
        ({"markexpr": "faults"}, 4),
    ],
)
def test_faults_run_where_they_are_named(words, n_run):
    chosen, left_out = select(1, n_faults=3, fast=False, **words)
    assert (len(chosen), len(left_out)) == (n_run, 4 - n_run)


def test_make_runs_every_file_that_has_tests_of_faults():
    root = PATH.parent
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    marked = [
        path.relative_to(root).as_posix()
        for path in sorted((root / "tests").rglob("test_*.py"))
        if "mark.faults" in path.read_text(encoding="utf-8") and path != Path(__file__)
    ]
    assert len(marked) >= 20
    missing = [name for name in marked if name not in makefile and "tests/faults" not in name]
    assert not missing
