"""Options of commands are derived from the classes that functions take."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner

from speakergmm.cli.command_options import add_command, command, options_of
from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, nested, one_of, real, whole, yes_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Options):
    max_iter: int = whole(40, "Iterations of training.", flags=("iterations",))
    floor: float = real(0.01, "Smallest variance.", least=0, below=1)
    beam: float | None = real(None, "Width of the beam.", above=0, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Options):
    n_states: int = whole(3, "States of each phone.", most=20)
    kind: str = one_of("flat", ("flat", "equal"), "Start.")
    quiet: bool = yes_no(False, "Print nothing.")
    silence: bool = yes_no(True, "Train a model of silence.")
    schedule: Schedule = nested(Schedule, "The schedule.")


@command
class Fit:
    """Fit."""

    training: Training = options_of(
        Training, "n_states", "kind", "quiet", "silence", "max_iter", "floor", "beam"
    )
    seen: ClassVar[list[Training]] = []

    def run(self):
        self.seen.append(self.training)


@command
class FitWords(Fit):
    """Fit words."""

    training: Training = options_of(
        Training, "n_states", "floor", base=lambda: Training(n_states=12, kind="equal")
    )


@pytest.fixture
def fit():
    app = typer.Typer()
    add_command(app, Fit)
    add_command(app, FitWords)
    Fit.seen.clear()

    def call(*arguments):
        return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})

    return call


def test_without_options_the_class_has_its_defaults(fit):
    assert fit("fit").exit_code == 0
    assert fit("fit-words").exit_code == 0
    assert Fit.seen == [Training(), Training(n_states=12, kind="equal")]


@pytest.mark.parametrize("flag", ["--states", "--n-states"])
def test_a_value_reaches_its_field(fit, flag):
    assert fit("fit", flag, "5").exit_code == 0
    assert fit("fit-words", flag, "5").exit_code == 0
    assert Fit.seen == [Training(n_states=5), Training(n_states=5, kind="equal")]


def test_values_of_nested_options_reach_their_fields(fit):
    given = ["--kind", "equal", "--quiet", "--no-silence", "--beam", "7", "--floor", "0"]
    for flag in ("--iterations", "--max-iter"):
        assert fit("fit", *given, flag, "9").exit_code == 0
    schedule = Schedule(max_iter=9, beam=7.0, floor=0.0)
    wanted = Training(kind="equal", quiet=True, silence=False, schedule=schedule)
    assert Fit.seen == [wanted, wanted]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--states", "0"), "--states"),
        (("--states", "21"), "20"),
        (("--states", "two"), "integer"),
        (("--kind", "round"), "flat"),
        (("--iterations", "0"), "--iterations"),
    ],
)
def test_what_typer_can_check_is_a_usage_error(fit, given, words):
    refused = fit("fit", *given)
    assert refused.exit_code == 2
    assert words in refused.output
    assert Fit.seen == []


@pytest.mark.parametrize(
    ("flag", "value", "range"), [("--floor", "1", ">= 0 and < 1"), ("--beam", "0", "> 0")]
)
def test_an_open_end_is_checked_under_the_name_that_was_typed(fit, flag, value, range):
    refused = fit("fit", flag, value)
    assert isinstance(refused.exception, InvalidInputError)
    assert str(refused.exception).startswith(f"{flag} must be finite")
    assert range in str(refused.exception)


def test_the_help_states_name_default_range_and_sentence(fit):
    text = " ".join(fit("fit", "--help").output.split())
    for words in (
        "--states,--n-states",
        "[1<=x<=20]",
        "[default: 3]",
        "States of each phone.",
        "--iterations,--max-iter",
        "(0<=x<1)",
        "(x>0)",
        "flat|equal",
        "--no-silence",
    ):
        assert words in text


def test_a_default_changes_in_the_class_alone(monkeypatch, fit):
    changed = replace(Training(), n_states=7)
    app = typer.Typer()

    @command
    class FitAll:
        """Fit all."""

        training: Training = options_of(Training, "kind", base=lambda: changed)

        def run(self):
            Fit.seen.append(self.training)

    add_command(app, FitAll)
    add_command(app, Fit)
    assert CliRunner().invoke(app, ["fit-all"]).exit_code == 0
    assert Fit.seen == [changed]
