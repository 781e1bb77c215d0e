"""A start loads the command that is called, and the table of commands agrees with their classes."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from speakergmm import cli
from speakergmm.cli.command_table import PANELS

COMMANDS = cli.commands_by_name()
HOMES = {name: home for listed in PANELS.values() for name, (home, _) in listed.items()}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_table_says_what_the_class_says(name):
    listed, loaded = COMMANDS[name], COMMANDS[name].load()
    assert loaded.name == listed.name == name
    assert listed.help == loaded.help.split("\n\n")[0]
    assert not listed.hidden
    # The class's docstring, read without Typer.
    module, _, kind = HOMES[name].partition(":")
    documented = inspect.getdoc(getattr(sys.modules[f"speakergmm.cli.{module}"], kind))
    assert listed.help == re.sub(r"\s+", " ", documented.partition("\n\n")[0])


def test_every_class_of_a_command_with_examples_is_in_the_table():
    found = set()
    for path in Path(cli.__file__).parent.glob("*.py"):
        for kind, docstring in re.findall(
            r'^class (\w+)\(.*?\):\n    """(.*?)"""', path.read_text(), re.M | re.S
        ):
            if "\n    Examples:" in docstring or "\n    Example:" in docstring:
                found.add(f"{path.stem}:{kind}")
    assert found == set(HOMES.values())


@pytest.mark.parametrize(
    ("typed", "loaded"),
    [
        (["--help"], set()),
        ([], set()),
        (["--version"], set()),
        (["trian-ubm"], set()),
        (["info", "--help"], {"info"}),
        (["enrol", "--help"], {"speaker_store", "shared_options"}),
    ],
)
def test_a_start_loads_the_command_that_is_called(typed, loaded):
    program = """
import sys
from speakergmm.cli import run_command
run_command(sys.argv[1:])
print("loaded:", *sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *typed], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.rpartition("loaded: ")[2].split())
    heavy = {"numpy", "scipy", "matplotlib", "joblib", "soundfile", "rich.progress", "sqlite3"}
    assert not modules & heavy
    homes = {home.partition(":")[0] for home in HOMES.values()} | {"shared_options"}
    inside = {name.removeprefix("speakergmm.cli.") for name in modules}
    assert inside & homes == loaded
    if not loaded:
        assert not modules & {"speakergmm.options", "speakergmm.hmm", "speakergmm.corpora"}
