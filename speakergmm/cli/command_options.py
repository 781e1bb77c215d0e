"""Commands and their options: a command is a frozen dataclass, and its fields are its options.

The options of a function that a command calls are derived from the class that declares them
(`options_of`): name, default, range and help stand there, and nowhere else. Options of the command
itself are declared by the command, with `option` and `argument`. Fields that several commands share
are the annotated types of `shared_options`, or those of a class that the commands derive from.
The docstring is the command's help, ``run`` does the work, and the class's name is the command's:
`TrainUbm` is ``train-ubm``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    dataclass_transform,
    get_type_hints,
)

import typer

from speakergmm.cli import guesses
from speakergmm.cli.printing import Table, print_json, print_line
from speakergmm.options import Declaration, Options

C = TypeVar("C")


class Command(Protocol):
    """A command with the values of its options."""

    def run(self) -> None:
        """Run the command."""


def option(default: Any, help: str, *names: str, **settings: Any) -> Any:
    """Return a field that is set by an option.

    Parameters
    ----------
    default : object
        The default; ``...`` for an option that is required.
    help : str
        One sentence for users.
    *names : str
        Further names of the option, besides ``--`` and the name of the field.
    **settings
        Further parameters of `typer.Option`: ``min``, ``max``, ``callback``.
    """
    described = {"names": names, "help": help, **settings}
    return field(default=MISSING if default is ... else default, metadata=described)


def argument(help: str, *, metavar: str | None = None) -> Any:
    """Return a field that is set by a positional argument, with a sentence for users."""
    return field(metadata={"help": help, "metavar": metavar})


@dataclass_transform(frozen_default=True, kw_only_default=True)
def command(cls: type[C]) -> type[C]:
    """Make a class a command: a frozen dataclass without methods that would slow every start."""
    return dataclass(frozen=True, kw_only=True, repr=False, eq=False)(cls)


def options_of(kind: type[Options], *names: str, base: Callable[[], Any] | None = None) -> Any:
    """Return a field that holds options of a function, derived from the class that declares them.

    Parameters
    ----------
    kind : type
        The class; the field's value is one of these.
    *names : str
        Options that the command offers, those of nested options by their own names.
    base : callable, optional
        Returns the options whose values are the defaults; by default `kind` itself.
    """
    return field(metadata={"options": kind, "names": names, "base": base or kind})


def values_of(kind: type[Options], *names: str, base: Callable[[], Any] | None = None) -> Any:
    """Return a field that holds the values of options by name, for a command that completes them.

    The options are derived and checked as by `options_of`, whose parameters these are; the class
    itself is made by the command.
    """
    return field(metadata={"options": kind, "names": names, "base": base or kind, "open": True})


def as_command(kind: type[Command]) -> Any:
    """Return a command as Typer calls it."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    add_command(app, kind)
    return typer.main.get_command(app)


def add_command(app: typer.Typer, kind: type[Command]) -> None:
    """Add a command to an application."""
    hints = get_type_hints(kind, include_extras=True)
    parameters: list[inspect.Parameter] = []
    derived: dict[str, Field[Any]] = {}
    for each in _own_first(kind):
        if "options" in each.metadata:
            derived[each.name] = each
            parameters += [leaf.parameter() for leaf in _leaves(each)]
            continue
        default = inspect.Parameter.empty if each.default is MISSING else each.default
        annotation = _described(each.name, hints[each.name], dict(each.metadata))
        parameters.append(_keyword(each.name, default, annotation))

    def call(**given: Any) -> None:
        for name, each in derived.items():
            leaves = list(_leaves(each))
            changes = {leaf.name: leaf.checked(given.pop(leaf.name)) for leaf in leaves}
            made: type[Options] = each.metadata["options"]
            is_open = each.metadata.get("open", False)
            given[name] = changes if is_open else made.of(each.metadata["base"](), changes)
        chosen = kind(**given)
        with getattr(chosen, "at_work", nullcontext)():  # of commands with workers
            chosen.run()

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {}  # nothing for Typer to evaluate
    name = re.sub(r"(?<=.)(?=[A-Z])", "-", kind.__name__).lower()
    app.command(name, cls=guesses.Command, help=_help_text(kind))(call)


def _help_text(kind: type[Any]) -> str:
    """Return the docstring of a command, one line per paragraph: terminals wrap the lines."""
    paragraphs = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    return "\n\n".join(re.sub(r"\n\s*", " ", each) for each in paragraphs)


class _Leaf(NamedTuple):
    """An option of a command that is derived from a declared option."""

    name: str
    declaration: Declaration
    default: Any

    @property
    def flags(self) -> tuple[str, ...]:
        """Names on the command line; a field such as ``n_states`` is ``--states``, too."""
        own = (self.name.removeprefix("n_"), self.name)
        names = [name.strip("-").replace("_", "-") for name in (*self.declaration.flags, *own)]
        return tuple(f"--{name}" for name in dict.fromkeys(names))

    def parameter(self) -> inspect.Parameter:
        """Return the option as Typer expects it."""
        declared = self.declaration
        kind: Any = Literal[declared.choices] if declared.choices else declared.kind
        settings: dict[str, Any] = {"help": declared.help}
        if declared.kind in (int, float):
            if declared.above is None and declared.below is None:
                settings |= {"min": declared.least, "max": declared.most}
            else:  # Typer has no open ends: `checked` checks the value
                settings["help"] = f"{declared.help.rstrip('.')} ({declared.range})."
        flags = self.flags
        if kind is bool and self.default:
            flags = tuple(f"{flag}/--no-{flag[2:]}" for flag in flags)
        hint = kind | None if declared.optional or self.default is None else kind
        return _keyword(self.name, self.default, Annotated[hint, typer.Option(*flags, **settings)])

    def checked(self, value: Any) -> Any:
        """Return a value within the option's range; the error names the option as users type it."""
        return self.declaration.check(self.flags[0], value)


def _leaves(each: Field[Any]) -> Iterator[_Leaf]:
    """Yield the options that a command offers of a class."""
    kind: type[Options] = each.metadata["options"]
    defaults = each.metadata["base"]()
    for name in each.metadata["names"]:
        value, holder = defaults, kind
        path = kind.path_to(name) or (name,)
        for step in path[:-1]:
            value, holder = getattr(value, step), holder.declarations()[step].kind
        yield _Leaf(name, holder.declarations()[name], getattr(value, name))


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _own_first(kind: type[Command]) -> list[Field[Any]]:
    """List the fields of a command: first its own in their order, then those that it inherits."""
    declared = [name for base in kind.__mro__ for name in vars(base).get("__annotations__", ())]
    given = fields(kind)  # type: ignore[arg-type] # commands are dataclasses
    return sorted(given, key=lambda each: declared.index(each.name))


def _described(name: str, hint: Any, settings: dict[str, Any]) -> Any:
    """Annotate the type of a field for Typer; a shared type is annotated already."""
    if not settings:
        return hint
    if "names" not in settings:
        return Annotated[hint, typer.Argument(**settings)]
    names = (f"--{name.replace('_', '-')}", *settings.pop("names"))
    return Annotated[hint, typer.Option(*names, **settings)]


@command
class AnsweringCommand:
    """A command that prints its result as text or as one JSON document."""

    json: bool = option(False, "Print the result as one JSON document on standard output.")

    def answer(
        self, document: Mapping[str, Any] | Sequence[Any], *shown: str | Table | None
    ) -> None:
        """Print a document if JSON was requested, otherwise lines and tables."""
        if self.json:
            print_json(document)
            return
        for each in shown:
            if isinstance(each, Table):
                each.print()
            elif each is not None:
                print_line(each)
