"""What commands take: a command is a frozen dataclass, and its fields are its options.

A field's type and default say what may be given; `option` and `argument` add the line of help and
the range. Fields that several commands share are the annotated types below, or those of a class
that the commands derive from. The docstring is the command's help, ``run`` does the work, and the
class's name is the command's: `TrainUbm` is ``train-ubm``.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar, dataclass_transform, get_type_hints

import typer

from speakergmm.cli.output import Table, print_json, print_line

C = TypeVar("C")

LARGEST_SEED = (1 << 32) - 1
"""That every generator of random numbers takes, and every model file holds."""

PRESET_NAMES = ("speaker", "hmm", "kaldi", "htk", "librosa")
"""Those of `speakergmm.features.presets`, which is not loaded for a help text; a test compares."""

FEATURES_HELP = f"Preset ({', '.join(PRESET_NAMES)}) or a TOML/JSON file"


class Command(Protocol):
    """A command with what was given to it."""

    def run(self) -> None:
        """Do the work."""


def option(default: Any, help: str, *names: str, **settings: Any) -> Any:
    """Return a field that is given by name.

    Parameters
    ----------
    default : object
        What it is where nobody gives it; ``...`` where somebody must.
    help : str
        One line for people.
    *names : str
        Other names beside ``--`` and the field's own.
    **settings
        Range and more, as `typer.Option` has them: ``min``, ``max``, ``callback``.
    """
    described = {"names": names, "help": help, **settings}
    return field(default=MISSING if default is ... else default, metadata=described)


def argument(help: str, *, metavar: str | None = None) -> Any:
    """Return a field that is given by its place, with a line of help."""
    return field(metadata={"help": help, "metavar": metavar})


@dataclass_transform(frozen_default=True, kw_only_default=True)
def command(cls: type[C]) -> type[C]:
    """Make a class a command: a frozen dataclass, made fast since every start makes them all."""
    return dataclass(frozen=True, kw_only=True, repr=False, eq=False)(cls)


def add_command(app: typer.Typer, kind: type[Command], *, panel: str | None = None) -> None:
    """Add a command to an application, in a panel of its list of commands."""
    hints = get_type_hints(kind, include_extras=True)
    parameters = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=_described(each.name, hints[each.name], dict(each.metadata)),
        )
        for each in _own_first(kind)
    ]

    def call(**given: Any) -> None:
        kind(**given).run()

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {}  # nothing for Typer to evaluate
    name = re.sub(r"(?<=.)(?=[A-Z])", "-", kind.__name__).lower()
    app.command(name, help=kind.__doc__, rich_help_panel=panel)(call)


def _own_first(kind: type[Command]) -> list[Field[Any]]:
    """List the fields: a command's own as it declares them, then what it shares with others."""
    declared = [name for base in kind.__mro__ for name in vars(base).get("__annotations__", ())]
    given = fields(kind)  # type: ignore[arg-type] # commands are dataclasses
    return sorted(given, key=lambda each: declared.index(each.name))


def _described(name: str, hint: Any, settings: dict[str, Any]) -> Any:
    """Annotate a type with what Typer is to know; a shared type knows it already."""
    if not settings:
        return hint
    if "names" not in settings:
        return Annotated[hint, typer.Argument(**settings)]
    names = (f"--{name.replace('_', '-')}", *settings.pop("names"))
    return Annotated[hint, typer.Option(*names, **settings)]


def _at_most_cores(jobs: int) -> int:
    return min(jobs, os.cpu_count() or 1)


CorpusArgument = Annotated[
    Path,
    typer.Argument(help="A folder of speaker folders, a Kaldi data directory, or a CSV/TSV list."),
]
StoreArgument = Annotated[Path, typer.Argument(help="The speaker store, one SQLite file.")]
SpeakerArgument = Annotated[str, typer.Argument(help="The speaker's name.")]
ModelOutput = Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")]
SpeakerPattern = Annotated[
    str | None,
    typer.Option(
        help="How file names say who speaks, as in '{speaker}_*.wav'; with a / how paths do, as in "
        "'{speaker}/*/*.wav'; or a regular expression whose group is the speaker."
    ),
]
Transcripts = Annotated[
    Path | None,
    typer.Option(help="File with the transcripts, where they are not with the corpus."),
]
Lexicon = Annotated[
    Path | None, typer.Option(help="Pronunciations in CMUdict format, in place of the model's.")
]
Stress = Annotated[
    Literal["fold", "keep"], typer.Option(help="Stress digits of phones in the lexicon.")
]
Case = Annotated[
    Literal["asis", "upper", "lower"], typer.Option(help="Letter case to bring words to.")
]
By = Annotated[
    Literal["utterance", "recording"],
    typer.Option(
        help="What a CTM names: utterances, with times from where each begins, or recordings, with "
        "times from their beginning, as sclite wants. TextGrids are of the same, those of "
        "recordings with tiers for each speaker."
    ),
]
Normalisation = Annotated[
    Literal["speaker", "utterance", "none"],
    typer.Option(help="What cepstral means and variances are taken over."),
]
Iterations = Annotated[
    int, typer.Option("--iterations", "--n-iterations", min=1, help="Updates of the models.")
]
Checkpoint = Annotated[Path | None, typer.Option(help="File to go on from after an interruption.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Score with all components, not only the best five.")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        "--n-jobs",
        min=1,
        callback=_at_most_cores,
        help="Processes that read recordings in parallel, at most one a core.",
    ),
]


@command
class Answers:
    """A command that answers with one JSON document or with text."""

    json: bool = option(False, "Print one JSON document on standard output instead.")

    def answer(
        self, document: Mapping[str, Any] | Sequence[Any], *shown: str | Table | None
    ) -> None:
        """Print a document where JSON is asked for, and elsewhere lines, tables, or nothing."""
        if self.json:
            print_json(document)
            return
        for each in shown:
            if isinstance(each, Table):
                each.print()
            elif each is not None:
                print_line(each)
