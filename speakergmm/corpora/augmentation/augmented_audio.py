"""A recording in a condition: the same samples, seed and condition give the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio.reading import check_rate
from speakergmm.audio.sample_arrays import as_float_samples, as_samples, checked_samples
from speakergmm.corpora.augmentation.augmentation_options import AugmentationOptions
from speakergmm.corpora.augmentation.condition import Condition, Samples, in_pieces
from speakergmm.corpora.augmentation.condition_table import make_condition


def augmented(
    audio: NDArray[Any] | Iterable[NDArray[Any]],
    rate: int,
    condition: str | Condition,
    options: AugmentationOptions | None = None,
    *,
    name: str | None = None,
    **changes: Any,
) -> Iterator[Samples]:
    """Yield a recording as it is in a condition, in pieces and constant memory.

    Parameters
    ----------
    audio : array of shape (n,), or iterable of such arrays
        Mono samples at once or in blocks, full scale at 1.
    rate : int
        Their sampling rate in Hz.
    condition : str or Condition
        A condition, or the name of one.
    options : AugmentationOptions, optional
        Its ``seed`` and ``talkers``.
    name : str, optional
        What tells this recording from others; by default `content_name` of its first 30 seconds,
        so that neither paths nor ids matter.
    **changes
        Single options of `AugmentationOptions` by name.

    Yields
    ------
    array of float32, shape (n,)
        Consecutive samples, together as many as there were, at the same rate and within -1..1. In
        the condition "clean" they are those of `audio`, in its blocks.

    Raises
    ------
    InvalidInputError
        If there is no such condition, the rate is not a positive whole number, or samples are not
        finite, not one-dimensional or not in units of full scale.

    Notes
    -----
    The generator is NumPy's default one, seeded by the seed and by the SHA-256 of `name` and of the
    condition's kind, on every machine and in every process alike.

    Examples
    --------
    >>> samples = np.random.default_rng(0).normal(scale=0.1, size=8000)
    >>> (quieter,) = augmented(samples, 8000, "gain", seed=3)
    >>> (again,) = augmented([samples[:100], samples[100:]], 8000, "gain", seed=3)
    >>> len(quieter), bool((quieter == again).all())
    (8000, True)
    """
    chosen = AugmentationOptions.of(options, changes)
    check_rate(rate)
    if isinstance(condition, str):
        condition = make_condition(condition, chosen)
    return _augmented(audio, int(rate), condition, chosen.seed, name)


def content_name(samples: Samples) -> str:
    """Return the name of a recording by its first samples: a SHA-256, as hexadecimal digits.

    The samples are rounded to 16 bits, so that they are the same whatever file they come from.
    """
    rounded = np.clip(np.rint(samples * np.float32(32768.0)), -32768, 32767).astype("<i2")
    return hashlib.sha256(rounded.tobytes()).hexdigest()


def _augmented(
    audio: NDArray[Any] | Iterable[NDArray[Any]],
    rate: int,
    condition: Condition,
    seed: int,
    name: str | None,
) -> Iterator[Samples]:
    kind = type(condition).__name__.lower()
    given = [audio] if isinstance(audio, np.ndarray) else audio
    blocks = (as_float_samples(checked_samples(as_samples(block))) for block in given)
    if kind == "clean":
        yield from blocks
        return
    pieces = in_pieces(blocks, rate)
    if name is None:
        first = next(pieces, np.empty(0, np.float32))
        name = content_name(first)
        pieces = chain([first] if len(first) else [], pieces)
    yield from condition.stream(pieces, rate, _generator(seed, name, kind))


def _generator(seed: int, name: str, kind: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{kind}\n{name}".encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])
