"""Options of augmentation: the conditions in which each recording is used, and the seed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from speakergmm.errors import InvalidInputError
from speakergmm.names_elsewhere import name_hint
from speakergmm.options import Options, anything, whole
from speakergmm.ranges import sequence, wrong_type

if TYPE_CHECKING:
    from speakergmm.corpora.augmentation.talkers import Talkers

ConditionName = Literal[
    "clean", "telephone", "babble", "noise", "reverberation", "gain", "codec", "clipping"
]
CONDITION_NAMES: tuple[ConditionName, ...] = get_args(ConditionName)

DEFAULT_CONDITIONS: tuple[ConditionName, ...] = CONDITION_NAMES[:6]
"""Conditions of multi-condition training: all but codecs and clipping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationOptions(Options):
    """Options of augmentation.

    Parameters
    ----------
    conditions : sequence of str
        The conditions, each of which makes one version of every recording; by default ``"clean"``
        (the recording itself), ``"telephone"``, ``"babble"``, ``"noise"``, ``"reverberation"`` and
        ``"gain"``. There are ``"codec"`` and ``"clipping"``, too.
    seed : int, default=0
        Seed of everything random: a version depends on it, on the samples of the recording and on
        the condition, and on nothing else.
    talkers : sequence of paths, or Talkers, optional
        Recordings of the voices that babble is made of, or the speech of a model's own; by default,
        synthetic voices.

    Raises
    ------
    InvalidInputError
        If a condition is unknown or repeated, there is none, or the seed is negative.

    Examples
    --------
    >>> AugmentationOptions(conditions=["clean", "telefone"])
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: there is no condition 'telefone'; did you mean 'telephone'?
    """

    conditions: Sequence[ConditionName] = anything(
        DEFAULT_CONDITIONS, f"Versions of every recording: {', '.join(CONDITION_NAMES)}."
    )
    seed: int = whole(0, "Seed of augmentation.", least=0)
    talkers: Sequence[str | os.PathLike[str]] | Talkers | None = anything(
        None, "Recordings of the voices of babble (default: synthetic voices)."
    )

    def __post_init__(self) -> None:
        """Check the options."""
        self.check_fields()
        names = sequence("conditions", self.conditions)
        for place, name in enumerate(names):
            if not isinstance(name, str) or name not in CONDITION_NAMES:
                hint = name_hint(name, CONDITION_NAMES) if isinstance(name, str) else ""
                hint = hint or f"; the conditions are {', '.join(CONDITION_NAMES)}"
                raise InvalidInputError(f"there is no condition {name!r}{hint}")
            if name in names[:place]:
                raise InvalidInputError(f"the condition {name!r} is given twice; give it once")
        if not names:
            raise InvalidInputError(
                f"conditions must be one or more of {', '.join(CONDITION_NAMES)}, found none"
            )
        object.__setattr__(self, "conditions", names)
        if self.talkers is not None and not hasattr(self.talkers, "samples"):
            talkers = tuple(os.fspath(path) for path in sequence("talkers", self.talkers))
            object.__setattr__(self, "talkers", talkers or None)

    def to_dict(self) -> dict[str, Any]:
        """Return the conditions and the seed, as JSON can hold them; no paths of talkers."""
        return {"conditions": list(self.conditions), "seed": self.seed}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> AugmentationOptions:
        """Return the options that `to_dict` described.

        Raises
        ------
        InvalidInputError
            If an option is unknown or out of its range.
        """
        return cls.of(None, given)


AS_RECORDED = AugmentationOptions(conditions=("clean",))
"""Every recording as it is, where None means that nothing was chosen."""

AnyAugmentation = AugmentationOptions | str | Sequence[str] | Mapping[str, Any] | None
"""Options, "default", "none", names of conditions (in one string, with commas), or a dict."""


def augmentation_option(default: str = "default: none") -> Any:
    """Declare the option of augmentation, which several functions and commands have; see above."""
    return anything(
        None,
        "Use every recording in several conditions: 'default' (clean, telephone, babble, noise, "
        "reverberation, gain), 'none', or some of these, codec and clipping, separated by commas "
        f"({default}).",
        kind=str,
        flags=("augment",),
    )


def as_augmentation(given: AnyAugmentation) -> AugmentationOptions | None:
    """Return augmentation options in any of the forms in which they are given.

    Parameters
    ----------
    given : AugmentationOptions, str, sequence of str, mapping or None
        Options as they are; ``"default"``; ``"none"`` or None; names of conditions, in one string
        separated by commas or in a sequence; or what `AugmentationOptions.to_dict` returned.

    Returns
    -------
    AugmentationOptions or None
        None for no augmentation.

    Raises
    ------
    InvalidInputError
        If a condition is unknown, or an option is out of its range.

    Examples
    --------
    >>> as_augmentation("clean, noise").conditions
    ('clean', 'noise')
    >>> as_augmentation("none") is None
    True
    """
    if given is None or isinstance(given, AugmentationOptions):
        return given
    if isinstance(given, Mapping):
        return AugmentationOptions.of(None, given)
    if isinstance(given, str):
        word = given.strip().lower()
        if word == "none":
            return None
        if word == "default":
            return AugmentationOptions()
        names = [name.strip() for name in word.split(",")]
        return AugmentationOptions(conditions=tuple(names))  # type: ignore[arg-type] # checked there
    if not isinstance(given, Sequence):
        raise wrong_type(given, "AugmentationOptions(...), 'default', 'none' or conditions")
    return AugmentationOptions(conditions=tuple(given))  # type: ignore[arg-type] # checked there
