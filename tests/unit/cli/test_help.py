"""What ``--help`` says is whole sentences, and true."""

import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from speakergmm.cli.app import app
from speakergmm.features import PRESETS, FeatureConfig

COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_is_read_as_it_was_written(name):
    """Square brackets would be taken for markup, and swallowed with what stands in them."""
    command = COMMANDS[name].load()
    assert command.params
    for option in command.params:
        text = getattr(option, "help", None)
        assert text, option.name
        assert "[" not in text
        assert text.endswith(".")
        assert not re.search(r" [.,;:)](?![a-z])|\s\s", text), text
        assert text.count("(") == text.count(")")
    assert "[" not in (command.help or "").replace("[OPTIONS]", "")
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300"}).stdout
    assert not re.search(r"\w \.(?!\w)", shown)


def test_lists_of_presets_have_all():
    for name in ("train-ubm", "train-hmm", "train-words"):
        (option,) = (p for p in COMMANDS[name].load().params if p.name == "features")
        listed = re.search(r"\((.*?)\)", option.help).group(1).split(", ")
        assert sorted(listed) == sorted(PRESETS)
    for preset in PRESETS:
        assert f"``{preset}``" in FeatureConfig.preset.__doc__


@pytest.mark.slow
def test_help_loads_nothing_heavy():
    program = """
import sys
from speakergmm.cli import run_command
run_command(["train-hmm", "--help"])
heavy = ("numpy", "scipy", "numba", "soundfile", "joblib", "sklearn", "matplotlib", "sqlite3")
assert not [name for name in heavy if name in sys.modules]
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
