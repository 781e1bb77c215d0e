"""What must be told once, and who must not import whom; the figures are in the benchmark."""

from pathlib import Path

import pytest
from benchmarks._structure_code import Source, lines_of_code, read_package
from benchmarks._structure_imports import circles, import_graph, package_graph
from benchmarks._structure_mechanisms import MECHANISMS

import speakergmm

PACKAGE = Path(speakergmm.__file__).parent


@pytest.fixture(scope="module")
def graph():
    pytest.importorskip("grimp", reason="the graph of imports needs import-linter")
    return import_graph()


@pytest.mark.slow
def test_no_module_imports_itself_through_others(graph):
    assert len(graph) > 200
    assert circles(graph) == []


def test_no_folder_imports_itself_through_others(graph):
    assert circles(package_graph(graph)) == []


def places(name, sources):
    (mechanism,) = [mechanism for mechanism in MECHANISMS if mechanism.name == name]
    return mechanism.places(sources)


@pytest.mark.slow
def test_kernels_are_compiled_by_one_decorator():
    assert places("compile decorators", read_package(PACKAGE)) == ["kernels.py:compiled"]


def test_circles_are_found_with_those_in_the_middle_of_longer_ways():
    ways = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"e"}, "e": {"f"}, "f": {"d"}, "g": set()}
    assert circles(ways) == [["d", "e", "f"], ["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_a_circle_of_folders_needs_none_of_modules():
    ways = {
        "p": set(),
        "p.a": set(),
        "p.b": set(),
        "p.a.one": {"p.b.one"},
        "p.b.one": set(),
        "p.b.two": {"p.a.two"},
        "p.a.two": set(),
    }
    assert circles(ways) == []
    assert circles(package_graph(ways)) == [["p.a", "p.b"]]


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings():
    text = '''"""A module
of two lines."""

import os  # counts


# does not
def f(
    x: int,
) -> str:
    """Neither does this."""
    return """this

does"""
'''
    assert lines_of_code((Source("room/file.py", text),)) == {"room": 7}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("M-steps", "def f(s):\n    return s.first_order / s.counts[:, None]", ["f"]),
        ("M-steps", "def f(s):\n    return s.counts / s.n_frames", []),
        ("EM loops", "def f(max_iter):\n    while n < max_iter:\n        pass", ["f"]),
        ("EM loops", "def f(o):\n    for i in range(o.n_iter):\n        pass", ["f"]),
        ("EM loops", "def f(o):\n    for i in ('n_iter', 'tol'):\n        pass", []),
        ("EM loops", "def f(s):\n    while not s.is_over:\n        s = s.next()", ["f"]),
        ("EM loops", "def f(s):\n    while s.n < 3:\n        s = step(s)", ["f"]),
        (
            "compile decorators",
            "def f():\n    def g():\n        return numba.njit()\n    return g",
            ["f"],
        ),
        ("k-means", "def start(X):\n    return KMeans(3).fit(X)", ["start"]),
        ("storages", "save_arrays(path, arrays)", [""]),
    ],
)
def test_a_mechanism_is_found_by_what_it_cannot_do_without(name, text, found):
    expected = [f"room/file.py:{place}" if place else "room/file.py" for place in found]
    assert places(name, (Source("room/file.py", text),)) == expected
