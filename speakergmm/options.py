"""Options declared once: a frozen dataclass whose fields carry default, range and line of help.

A function takes such a class whole (``options=``) or its fields by keyword; the class checks every
field when it is made; the command line derives its options from the same fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from numbers import Real
from typing import Any, Self

from speakergmm.errors import InvalidTypeError
from speakergmm.names_elsewhere import name_hint
from speakergmm.ranges import choice, number, refused, switch, whole_number, wrong_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A declared option: everything about a field but its name and its default.

    Parameters
    ----------
    kind : type or None
        Type of the value: int, float, bool, str, Path or a class of `Options`; None for values
        that no command line can give.
    help : str
        One sentence for users.
    choices : tuple of str
        The allowed words; any word if empty.
    least, above, most, below : float or None
        Ends of the range, the second and the fourth of which are excluded.
    infinite : bool
        Whether infinity is allowed.
    optional : bool
        Whether None is allowed.
    flags : tuple of str
        Names on the command line, the first of which is shown; the field's own name is accepted
        as well.
    """

    kind: Any
    help: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    infinite: bool = False
    optional: bool = False
    flags: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        """The range as a formula, such as ``0<x<=1``; empty if there is none."""
        ends = {">=": self.least, ">": self.above, "<=": self.most, "<": self.below}
        given = [(sign, f"{end:g}") for sign, end in ends.items() if end is not None]
        if len(given) == 2:
            (low, least), (high, most) = given
            return f"{least}{low.replace('>', '<')}x{high}{most}"
        return "".join(f"x{sign}{end}" for sign, end in given)

    def check(self, name: str, value: Any) -> Any:
        """Return a value of this option, numbers as int or float.

        Raises
        ------
        InvalidInputError
            If it is of another type or out of range; the message names the option `name`.
        """
        if value is None and self.optional:
            return None
        if self.choices:
            return choice(name, value, self.choices)
        if self.kind is int:
            most = None if self.most is None else int(self.most)
            return whole_number(name, value, least=int(self.least or 0), most=most)
        if self.kind is float:
            if self.infinite and isinstance(value, Real) and value == math.inf:
                return math.inf
            ends = {"least": self.least, "above": self.above}
            return number(name, value, **ends, most=self.most, below=self.below)
        if self.kind is bool:
            return switch(name, value)
        if self.kind is str and not isinstance(value, str):
            raise refused(name, "a string", value)
        if _is_options(self.kind) and not isinstance(value, self.kind):
            raise wrong_type(value, f"{self.kind.__name__}(...)", f" for {name}")
        return value


def whole(default: Any, help: str, *, least: int = 1, most: int | None = None, **more: Any) -> Any:
    """Declare a whole number, >= 1 by default; `more` are further fields of `Declaration`."""
    return _declare(default, Declaration(kind=int, help=help, least=least, most=most, **more))


def real(default: Any, help: str, **more: Any) -> Any:
    """Declare a finite number; `more` are the ends of its range and other parts of it."""
    return _declare(default, Declaration(kind=float, help=help, **more))


def one_of(default: Any, choices: tuple[str, ...], help: str, **more: Any) -> Any:
    """Declare one word out of several; `choices` may be ``typing.get_args`` of a Literal."""
    return _declare(default, Declaration(kind=str, help=help, choices=choices, **more))


def yes_no(default: Any, help: str, **more: Any) -> Any:
    """Declare a switch."""
    return _declare(default, Declaration(kind=bool, help=help, **more))


def text(default: Any, help: str, **more: Any) -> Any:
    """Declare a name or other text."""
    return _declare(default, Declaration(kind=str, help=help, **more))


def anything(default: Any, help: str, *, kind: Any = None, **more: Any) -> Any:
    """Declare a value that its class checks elsewhere; `kind` is its type on the command line."""
    declaration = Declaration(kind=kind, help=help, optional=True, **more)
    return _declare(default, declaration, checked=False)


def nested(kind: type[Options], help: str, *, default: Any = MISSING) -> Any:
    """Declare a group of options, a class of its own; made with its defaults by default."""
    return _declare(default, Declaration(kind=kind, help=help), factory=kind)


def left_open(kind: type[Options], name: str, help: str = "") -> Any:
    """Declare an option of another class, or of one nested in it, None where it is not given.

    Parameters
    ----------
    kind : type
        The class that declares it.
    name : str
        Name of the option, which the field is to have, too.
    help : str
        Another sentence for users.
    """
    for step in (kind.path_to(name) or (name,))[:-1]:
        kind = kind.declarations()[step].kind
    declared = kind.declarations()[name]
    return _declare(None, replace(declared, optional=True, help=help or declared.help))


def _declare(
    default: Any, declaration: Declaration, *, checked: bool = True, factory: Any = MISSING
) -> Any:
    metadata = {"option": declaration, "checked": checked}
    if default is MISSING and factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=MISSING if default is ... else default, metadata=metadata)


def _is_options(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Options)


class Options:
    """Base of options: frozen dataclasses with keywords only, whose fields are declared as above.

    Examples
    --------
    >>> @dataclass(frozen=True, slots=True, kw_only=True)
    ... class Smoothing(Options):
    ...     width: int = whole(3, "Number of frames that are averaged.")
    >>> Smoothing.of(None, {"width": 5})
    Smoothing(width=5)
    >>> Smoothing(width=0)
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: width must be a whole number >= 1, found 0
    >>> Smoothing.of(None, {"widht": 5})
    Traceback (most recent call last):
    speakergmm.errors.InvalidTypeError: Smoothing has no option 'widht'; did you mean 'width'?
    """

    __slots__ = ()

    def __new__(cls, /, *values: object, **named: object) -> Self:
        """Raise an error that names the right call for values without names and unknown names."""
        known, takes_values = _constructor(cls)  # type: ignore[arg-type] # mypy takes classes for unhashable
        if values and not takes_values:
            raise InvalidTypeError(cls._right_call(values[0]))
        if unknown := [name for name in named if name not in known]:
            raise cls._unknown(unknown[0])
        return object.__new__(cls)

    @classmethod
    def _right_call(cls, value: object) -> str:
        """Return the message of the error about a value without a name."""
        return f"got {value!r}; {cls.__name__} takes its options by name, such as {cls._example()}"

    @classmethod
    def _example(cls) -> str:
        """Return an option as it is given by name: the number of components or the first one."""
        names = list(cls._all_names())
        return f"{'n_components' if 'n_components' in names else names[0]}=..."

    def __post_init__(self) -> None:
        """Check every field; a class with checks of several fields calls `check_fields` first."""
        self.check_fields()

    def check_fields(self) -> None:
        """Raise an error if a field is out of its range, and store numbers as int or float."""
        for name, declaration, checked in _declared(type(self)):  # type: ignore[arg-type] # mypy takes classes for unhashable
            if checked:
                object.__setattr__(self, name, declaration.check(name, getattr(self, name)))

    @classmethod
    def of(cls, options: Self | None, changes: Mapping[str, Any]) -> Self:
        """Return options with some of them changed, as a function takes them.

        Parameters
        ----------
        options : Options or None
            The options as a whole; None for the defaults.
        changes : mapping of str to object
            Values by name of option; names of nested options stand for theirs.

        Raises
        ------
        InvalidTypeError
            If `options` is something else, there is no option of a name, or one without a default
            is missing.
        InvalidInputError
            If a value is out of its range.
        """
        if options is not None and not isinstance(options, cls):
            remedy = f"; single options are given by name, such as {cls._example()}"
            raise wrong_type(options, f"{cls.__name__}(...)", remedy)
        if options is not None and not changes:
            return options  # they were checked when they were made
        own, inner = cls._sorted(changes)
        for name, theirs in inner.items():
            kind = cls.declarations()[name].kind
            before = getattr(options, name) if options is not None else cls._default_of(name)
            own[name] = kind.of(own.get(name, before), theirs)
        if options is None and (needed := [name for name in cls._required() if name not in own]):
            raise InvalidTypeError(f"{needed[0]} has no default; give {needed[0]}=...")
        return cls(**own) if options is None else replace(options, **own)  # type: ignore[type-var] # subclasses are dataclasses

    @classmethod
    def _default_of(cls, name: str) -> Any:
        """Return the default of a field; None if there is none, or if it is made anew each time."""
        declared = {each.name: each.default for each in fields(cls)}  # type: ignore[arg-type] # subclasses are dataclasses
        return None if declared[name] is MISSING else declared[name]

    @classmethod
    def _required(cls) -> list[str]:
        """Return the names of the options that have no default."""
        return [
            each.name
            for each in fields(cls)  # type: ignore[arg-type] # subclasses are dataclasses
            if each.default is MISSING and each.default_factory is MISSING
        ]

    @classmethod
    def declarations(cls) -> dict[str, Declaration]:
        """Return the declared options by the names of their fields."""
        return {name: declaration for name, declaration, _ in _declared(cls)}  # type: ignore[arg-type] # as above

    @classmethod
    def path_to(cls, name: str) -> tuple[str, ...] | None:
        """Return the fields that lead to an option, the last one its own; None if there is none."""
        declared = cls.declarations()
        if name in declared:
            return (name,)
        for outer, declaration in declared.items():
            if _is_options(declaration.kind) and (path := declaration.kind.path_to(name)):
                return (outer, *path)
        return None

    @classmethod
    def _sorted(
        cls, changes: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Separate changes of own options from those of nested ones, by the field that leads there.

        Raises
        ------
        InvalidTypeError
            If there is no option of a name.
        """
        own: dict[str, Any] = {}
        inner: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            path = cls.path_to(name)
            if path is None:
                raise cls._unknown(name)
            if len(path) == 1:
                own[name] = value
            else:
                inner.setdefault(path[0], {})[name] = value
        return own, inner

    @classmethod
    def _unknown(cls, name: str) -> InvalidTypeError:
        """Return the error about a name that is not an option of this class."""
        return InvalidTypeError(f"{cls.__name__} has no option {name!r}{cls._hint(name)}")

    @classmethod
    def _hint(cls, name: str) -> str:
        """Return what may have been meant by a name that is not an option of this class."""
        for other in Options.__subclasses__():
            if other.__name__ == "RunContext" and cls.__name__ != "RunContext":
                if name in other.declarations():
                    return f": it says how work is run, give run=RunContext({name}=...)"
                if name == "verbose":
                    return "; progress is shown with run=RunContext(progress=True)"
        return name_hint(name, [*cls._all_names(), "engine"])

    @classmethod
    def _all_names(cls) -> Iterator[str]:
        for name, declaration in cls.declarations().items():
            yield name
            if _is_options(declaration.kind):
                yield from declaration.kind._all_names()


@cache
def _declared(kind: type[Options]) -> tuple[tuple[str, Declaration, bool], ...]:
    """Return the declared fields of a class: name, declaration, and whether they are checked."""
    return tuple(
        (each.name, each.metadata["option"], each.metadata["checked"])
        for each in fields(kind)  # type: ignore[arg-type] # subclasses are dataclasses
        if "option" in each.metadata
    )


@cache
def _constructor(kind: type[Options]) -> tuple[frozenset[str], bool]:
    """Return the names of all fields of a class, and whether some may be given without theirs."""
    declared = fields(kind)  # type: ignore[arg-type] # subclasses are dataclasses
    return frozenset(each.name for each in declared), not all(each.kw_only for each in declared)
