"""The conditions by name."""

from __future__ import annotations

from collections.abc import Callable

from speakergmm.corpora.augmentation.augmentation_options import (
    AugmentationOptions,
    ConditionName,
)
from speakergmm.corpora.augmentation.babble import Babble
from speakergmm.corpora.augmentation.clipping import Clipping
from speakergmm.corpora.augmentation.codec import Codec
from speakergmm.corpora.augmentation.condition import Clean, Condition
from speakergmm.corpora.augmentation.gain import Gain
from speakergmm.corpora.augmentation.noise import Noise
from speakergmm.corpora.augmentation.reverberation import Reverberation
from speakergmm.corpora.augmentation.telephone import Telephone

_MAKERS: dict[ConditionName, Callable[[AugmentationOptions], Condition]] = {
    "clean": lambda options: Clean(),
    "telephone": lambda options: Telephone(),
    "babble": lambda options: Babble(recordings=options.talkers, pool_seed=options.seed),  # type: ignore[arg-type] # a tuple of strings
    "noise": lambda options: Noise(),
    "reverberation": lambda options: Reverberation(pool_seed=options.seed),
    "gain": lambda options: Gain(),
    "codec": lambda options: Codec(),
    "clipping": lambda options: Clipping(),
}


def make_condition(name: str, options: AugmentationOptions | None = None) -> Condition:
    """Return a condition by its name.

    Parameters
    ----------
    name : str
    options : AugmentationOptions, optional
        Talkers, and the seed of voices and rooms.

    Raises
    ------
    InvalidInputError
        If there is no such condition.

    Examples
    --------
    >>> make_condition("gain")
    Gain(gain_db=(-20.0, 3.0))
    """
    named = AugmentationOptions(conditions=(name,))  # type: ignore[arg-type] # checked there
    return _MAKERS[named.conditions[0]](options or named)
