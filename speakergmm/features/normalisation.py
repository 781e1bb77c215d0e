"""Mean and variance normalisation over an utterance, a speaker or a sliding window.

If speech is detected, statistics are those of the speech frames, since pauses are not
characteristic of the voice and their length must not matter. They are applied to all frames.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import InvalidInputError
from speakergmm.features.blocks import range_sums
from speakergmm.moments import Moments, divisor
from speakergmm.ranges import choice, refused, whole_number

Scope = Literal["none", "utterance", "speaker", "window"]

# Features are float32 numbers of up to some hundreds: smaller deviations are due to rounding.
# Features that do not vary are centred but not divided, since division by almost 0 would make an
# outlier of the first frame that differs.
_LEAST_DEVIATION = 1e-5


@dataclass(frozen=True, slots=True)
class FeatureNormalisation:
    """Cepstral mean and variance normalisation over a speaker, an utterance or a window.

    Parameters
    ----------
    scope : {"none", "utterance", "speaker", "window"}
        Frames over which means and variances are taken. An utterance without a speaker is a speaker
        of its own.
    variance : bool
        Divide by the standard deviation as well.
    window : int
        Length in frames of the sliding window of scope "window".

    Raises
    ------
    InvalidInputError
        If the scope is unknown, `variance` is not a bool, or `window` is less than 1.

    Examples
    --------
    >>> normalisation = FeatureNormalisation("utterance")
    >>> normalisation(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    scope: Scope = "speaker"
    variance: bool = True
    window: int = 300

    def __post_init__(self) -> None:
        """Raise an error if a field is out of its range."""
        choice("normalisation", self.scope, get_args(Scope))
        if not isinstance(self.variance, bool):
            raise refused("variance", "true or false", self.variance)
        whole_number("window", self.window)

    @property
    def needs_moments(self) -> bool:
        """True if statistics of the whole scope are needed before the first frame is normalised."""
        return self.scope in ("utterance", "speaker")

    def group(self, utterance: Utterance) -> str:
        """Return the name of the group of utterances that are normalised together."""
        if self.scope == "speaker" and utterance.speaker is not None:
            return f"speaker {utterance.speaker}"
        return f"utterance {utterance.id}"

    def __call__(
        self,
        values: NDArray[np.floating[Any]],
        *,
        speech: NDArray[np.bool_] | None = None,
        moments: Moments | None = None,
    ) -> NDArray[np.float32]:
        """Normalise consecutive frames.

        Parameters
        ----------
        values : array, shape (T, D)
            Features; their precision is that of the computation.
        speech : array of bool, shape (T,), optional
            Frames from which statistics are taken; by default all.
        moments : Moments, optional
            Statistics to use, such as those of all utterances of a speaker; by default those of
            `values`. Not used with a window.

        Returns
        -------
        array of float32, shape (T, D)
            Normalised features; a feature that does not vary is centred only.
        """
        if self.scope == "none":
            return values.astype(np.float32, copy=False)
        if self.scope == "window":
            return normalise_sliding(values, speech, window=self.window, variance=self.variance)
        if moments is None:
            moments = Moments.of(values if speech is None else values[speech])
        centred = values - moments.mean.astype(values.dtype)
        if self.variance:
            centred /= moments.deviation(least=_LEAST_DEVIATION).astype(values.dtype)
        return centred.astype(np.float32, copy=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that affect the result, as JSON can hold them."""
        fields = {"scope": self.scope, "variance": self.variance}
        return fields | {"window": self.window} if self.scope == "window" else fields


def window_bounds(
    values: NDArray[Any], speech: NDArray[np.bool_], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first frame, and the one after the last, of the window of each frame.

    Parameters
    ----------
    values : array, shape (T, D)
        Features.
    speech : array of bool, shape (T,)
        Frames of speech.
    window : int
        Length of the window in frames.

    Returns
    -------
    first, last : arrays of int, shape (T,)
        Bounds of the window, which is centred on the frame; near the ends it is shifted inwards to
        keep its length, unless the recording is shorter.

    Raises
    ------
    InvalidInputError
        If shapes disagree or `window` is less than 1.

    Examples
    --------
    >>> first, last = window_bounds(np.zeros((6, 2)), np.ones(6, bool), 3)
    >>> first.tolist(), last.tolist()
    ([0, 0, 1, 2, 3, 3], [3, 3, 4, 5, 6, 6])
    """
    if values.ndim != 2 or speech.shape != values.shape[:1] or window < 1:
        raise InvalidInputError(
            "sliding windows need values (T, D), speech (T,) and window >= 1, found "
            f"{values.shape}, {speech.shape} and {window}"
        )
    n_frames = len(values)
    first = np.arange(n_frames) - window // 2
    first = np.clip(first, 0, max(n_frames - window, 0))
    return first, np.minimum(first + window, n_frames)


def normalise_sliding(
    values: NDArray[np.floating[Any]],
    speech: NDArray[np.bool_] | None = None,
    *,
    window: int,
    variance: bool,
) -> NDArray[np.float32]:
    """Normalise each frame by the speech frames in a window around it.

    Parameters
    ----------
    values : array, shape (T, D)
        Features.
    speech : array of bool, shape (T,), optional
        Frames from which statistics are taken, by default all; if a window has none of them, all
        its frames are used.
    window : int
        Length of the window in frames, see `window_bounds`; a frame depends on `window` frames on
        each side.
    variance : bool
        Whether to divide by the standard deviation, unless it is 0.

    Returns
    -------
    array of float32, shape (T, D)
        Normalised features, a new array.

    Raises
    ------
    InvalidInputError
        If shapes disagree or `window` is less than 1.
    """
    if speech is None:
        speech = np.ones(len(values), np.bool_)
    first, last = window_bounds(values, speech, window)
    if len(values) == 0:
        return values.copy()
    mask = speech[:, None]
    spoken = range_sums(mask, first, last)
    # The mean is subtracted first, so that running sums in float64 keep all digits of float32.
    offset = values.mean(axis=0, dtype=np.float64)
    block = values - offset
    none = spoken == 0
    count = np.where(none, (last - first)[:, None], spoken)

    def window_mean(block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return means over the speech frames of each window, or over all if it has none."""
        sums = range_sums(block * mask, first, last)
        if none.any():
            sums = np.where(none, range_sums(block, first, last), sums)
        return np.asarray(sums / count)

    mean = window_mean(block)
    centred = block - mean
    if variance:
        square = window_mean(block**2) - mean**2
        centred /= divisor(np.sqrt(np.maximum(square, 0.0)), least=_LEAST_DEVIATION)
    return np.asarray(centred, dtype=np.float32)
