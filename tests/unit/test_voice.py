"""Names, English, options and imports follow the rules; `tests.benchmarks.voice` lists breaches."""

import pytest
from benchmarks._structure_code import Source, read_package
from benchmarks._voice_rules import RULES
from benchmarks.voice import figures


@pytest.mark.slow
def test_nothing_is_named_or_said_the_old_way():
    """One test for all rules: reading the package takes seconds."""
    found = list(figures())
    assert len(found) == len(RULES) + 3
    assert {figure.what: places for figure, places in found if not figure.reached} == {}


def broken(name, *files):
    """Count the places in which some files break a rule."""
    (rule,) = [rule for rule in RULES if rule.name == name]
    sources = tuple(Source(path, text) for path, text in files)
    return len(rule.places(sources))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        ("docstrings that begin with a riddle", "a.py", '"""What it holds."""\n'),
        ("docstrings that begin with a riddle", "a.py", 'def f():\n    """Give it."""\n'),
        ("speakers who are she or he", "a.py", "# the model that she enrolled\n"),
        ("'a frame' for 'per frame'", "a.py", '"""The log-likelihood a frame."""\n'),
        ("contractions in prose", "a.py", 'f"{path}: can\'t be read"\n'),
        ("names that are riddles", "corpora/given.py", ""),
        ("names that are riddles", "a.py", "def survey_frames(): ...\n"),
        ("old names of parameters", "a.py", "def f(n_iterations): ...\n"),
        ("old names of parameters", "a.py", "class F:\n    min_count: float = 1.0\n"),
        ("old names of parameters", "mixtures/a.py", "def f(random_state=0): ...\n"),
        (
            "parts of a run context that travel one by one",
            "a.py",
            "def f(strict, on_skip): ...\n",
        ),
        ("private functions that take n_jobs", "a.py", "def _f(n_jobs=1): ...\n"),
        (
            "functions of 12 or more parameters",
            "a.py",
            "def f(a, b, c, d, e, f, g, h, i, j, k, l): ...\n",
        ),
    ],
)
def test_each_rule_finds_what_it_forbids(rule, path, text):
    assert broken(rule, (path, text)) == 1


def test_names_and_files_of_two_rooms_are_compared():
    one, two = ("hmm/a.py", "class F: ...\n"), ("mixtures/a.py", "class F: ...\nclass _G: ...\n")
    assert broken("public names that two rooms share", one, two) == 1
    assert broken("files of one name", one, two) == 1
    assert broken("public names that two rooms share", one, ("hmm/b.py", "class F: ...\n")) == 0


def test_an_option_that_two_commands_declare_by_hand_is_found():
    text = '@command\nclass {}:\n    beam: float = option(1.0, "Beam.")\n'
    one, two = ("cli/a.py", text.format("A")), ("cli/b.py", text.format("B"))
    assert broken("options that two commands declare", one, two) == 1
    assert broken("options that two commands declare", one) == 0


def test_estimators_and_kernels_may_be_wide():
    wide = "def f(a, b, c, d, e, f, g, h, i, j, k, l): ...\n"
    assert broken("functions of 12 or more parameters", ("estimators/a.py", wide)) == 0
    assert broken("functions of 12 or more parameters", ("a.py", "@compiled\n" + wide)) == 0


def test_the_package_is_there():
    from benchmarks.voice import ROOT

    assert len(read_package(ROOT / "speakergmm")) > 300
