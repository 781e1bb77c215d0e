"""The guide from score to decision runs on the small corpus, and all that it names is there."""

import ast
import doctest
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from speakergmm.cli import commands_by_name
from speakergmm.corpora import make_synthetic_corpus

RECIPE = Path(__file__).parents[2] / "recipes" / "verification"
TEXT = (RECIPE / "GUIDE.md").read_text(encoding="utf-8")
COMMANDS = commands_by_name()
BLOCKS = re.compile(r"^```\w+\n.*?^```", re.MULTILINE | re.DOTALL)
# The rates that are promised from thousands of trials; a small corpus has 80.
RATE = re.compile(r"(?<=target[-_]far[ =])0\.\d+")


def console_commands():
    """Yield the words of each command of the guide, up to a pipe or the end of its line."""
    for block in re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (.*)", block, re.MULTILINE):
            yield shlex.split(re.split(r"[|;]", line)[0])


@pytest.mark.parametrize("words", list(console_commands()), ids=" ".join)
def test_commands_and_options_of_the_guide_exist(words):
    program, name, *rest = words
    assert program == "speakergmm"
    known = {flag for each in COMMANDS[name].load().params for flag in each.opts}
    assert {word for word in rest if word.startswith("-")} <= known


def test_files_of_the_guide_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert len(links) >= 5
    for link in links:
        assert (RECIPE / link).is_file(), link
    shown = {path.relative_to(RECIPE).as_posix() for path in RECIPE.glob("figures/**/*.*")}
    assert shown == {link for link in links if link.startswith("figures/")}
    assert all((RECIPE / name).stat().st_size < 100_000 for name in shown)
    assert "guide.py" in TEXT


def test_names_that_the_guide_imports_exist():
    n_imports = 0
    for block in re.findall(r"^```pycon\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for example in doctest.DocTestParser().get_examples(block):
            for node in ast.walk(ast.parse(example.source)):
                if isinstance(node, ast.ImportFrom):
                    n_imports += 1
                    module = importlib.import_module(node.module)
                    assert all(hasattr(module, alias.name) for alias in node.names)
                    assert node.module.count(".") < 2, "imports are from rooms"
    assert n_imports >= 10


@pytest.mark.faults  # not for what it disturbs, but for the minute or two that it takes
def test_the_guide_runs_and_renews_itself(tmp_path, request):
    if not request.config.getoption("--long"):
        pytest.skip("a case of make faults-long")
    data, guide = tmp_path / "data", tmp_path / "GUIDE.md"
    make_synthetic_corpus(
        data,
        n_background=5,
        n_dev=5,
        n_eval=5,
        n_background_utterances=4,
        n_enrolment_utterances=2,
        n_trial_utterances=4,
    )
    guide.write_text(RATE.sub("0.4", TEXT), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, RECIPE / "guide.py", "--data", data, "--set", "synthetic"),
            *("--guide", guide),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    text = guide.read_text(encoding="utf-8")
    assert BLOCKS.sub("", text) == BLOCKS.sub("", TEXT)
    assert "LLR " in text
    assert str(tmp_path) not in text
    pictures = {path.relative_to(tmp_path) for path in tmp_path.glob("figures/**/*.svg")}
    assert pictures == {path.relative_to(RECIPE) for path in RECIPE.glob("figures/**/*.svg")}
