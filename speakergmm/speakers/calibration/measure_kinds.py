"""Measures of the quality of recordings: how each enters a calibration, and its words.

One table names the measures that are known. A measure of another name enters as it is; the name of
a known one may begin with ``enrolment_`` or ``test_``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import percentage

Side = Literal["low", "high", "both"]

# Part of the samples that may be clipped without notice, which keeps the logarithm finite.
_CLIPPED_FLOOR = 1e-4
# A range is that of all trials but these tails, since single recordings may be odd.
_TAIL = 0.005
# Part of other speakers whose average recording may lie beyond the limit on either side.
_BEYOND = 0.01


@dataclass(frozen=True, slots=True)
class MeasureKind:
    """The treatment of a measure.

    Attributes
    ----------
    title : str
        Name of the measure for people.
    transform : callable
        From the values to a scale on which differences matter alike.
    show : callable
        From a value to text with its unit.
    margin : float
        Distance from the range seen, on that scale, below which a recording is not unlike it.
    side : {"low", "high", "both"}
        Side of the range on which a recording is unlike those of the calibration; longer, cleaner
        recordings are no reason for a refusal.
    harmless : float
        Value, on that scale, above which differences do not matter.
    """

    title: str
    transform: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    show: Callable[[float], str]
    margin: float
    side: Side = "both"
    harmless: float = np.inf


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(values, 1e-3)))


def _log_clipped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(values, 0.0) + _CLIPPED_FLOOR))


def _same(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


MEASURE_KINDS: Mapping[str, MeasureKind] = {
    "speech_seconds": MeasureKind("speech", _log, "{:.2g} s".format, np.log(1.5), "low"),
    # More than 30 dB cannot be told apart in speech without pauses; see `measure_quality`.
    "snr_db": MeasureKind("signal-to-noise ratio", _same, "{:.0f} dB".format, 3.0, "low", 30.0),
    "bandwidth_hz": MeasureKind(
        "bandwidth", _log, lambda value: f"{value / 1000:.1f} kHz", np.log(1.2)
    ),
    "clipped": MeasureKind(
        "clipped samples", _log_clipped, lambda value: f"{percentage(value)} %", np.log(3.0), "high"
    ),
    "level_db": MeasureKind("level", _same, "{:.0f} dB".format, 6.0),
    "background_log_likelihood": MeasureKind(
        "log-likelihood per frame under the background model", _same, "{:.1f}".format, 0.5, "low"
    ),
    "channel_distance": MeasureKind("channel distance", _same, "{:.2g}".format, 0.0, "high"),
}
"""Measures by name."""


def kind_of_measure(name: str) -> MeasureKind:
    """Return the treatment of a measure; one of an unknown name enters as it is.

    Examples
    --------
    >>> kind_of_measure("test_bandwidth_hz").show(3400.0), kind_of_measure("test_jitter").title
    ('3.4 kHz', 'jitter')
    """
    bare = name.removeprefix("enrolment_").removeprefix("test_")
    known = MEASURE_KINDS.get(bare)
    return known or MeasureKind(bare.replace("_", " "), _same, "{:.3g}".format, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class MeasureRanges:
    """The measures that a calibration saw, and their ranges.

    Parameters
    ----------
    names : tuple of str
        Names of the measures.
    low, high : array of float, shape (J,)
        Ends of the range that holds all but the extreme half per cent on either side, on the scale
        of each measure's transform.
    shown : array of float, shape (J, 2)
        The same ends in the unit of the measure, for messages.
    limits : array of float, shape (J, 2), optional
        On that scale, the ends between which recordings of other speakers are expected; see `seen`.
    """

    names: tuple[str, ...]
    low: Annotated[NDArray[np.float64], "J"]
    high: Annotated[NDArray[np.float64], "J"]
    shown: Annotated[NDArray[np.float64], "J E"]
    limits: Annotated[NDArray[np.float64], "J E"] | None = None

    def __post_init__(self) -> None:
        n_measures = len(self.names)
        if not self.low.shape == self.high.shape == (n_measures,) or len(self.shown) != n_measures:
            raise InvalidInputError("ranges of measures must be one for each name")
        if not (np.isfinite(self.shown).all() and (self.low <= self.high).all()):
            raise InvalidInputError("ranges of measures must be finite and in order")
        if self.limits is not None and self.limits.shape != self.shown.shape:
            raise InvalidInputError("limits of measures must be two for each name")

    @classmethod
    def seen(
        cls,
        measures: Mapping[str, NDArray[np.float64]],
        models: NDArray[np.int32],
        tests: NDArray[np.int32],
    ) -> MeasureRanges:
        """Return the ranges of the measures of calibration trials.

        Parameters
        ----------
        measures : mapping of str to array, shape (N,)
            The measures of all trials by name.
        models, tests : array of int, shape (N,)
            Numbers of the speakers of model and test recording.

        Notes
        -----
        Rooms and devices differ from speaker to speaker, and a few speakers do not show them all.
        The mean measure of another speaker is expected within Student's quantile (1 % on either
        side) times the deviation of the n means seen, times the root of 1 + 1/n; that speaker's
        recordings lie about it as those seen lie about theirs, all but the extreme half per cent.
        """
        names = tuple(sorted(measures))
        shown = np.array(
            [np.quantile(measures[name], (_TAIL, 1 - _TAIL)) for name in names]
        ).reshape(-1, 2)
        ends = [kind_of_measure(n).transform(row) for n, row in zip(names, shown, strict=True)]
        low, high = np.array(ends).reshape(-1, 2).T
        limits = [
            _expected(
                kind_of_measure(name),
                measures[name],
                models if name.startswith("enrolment_") else tests,
            )
            for name in names
        ]
        return cls(
            names, low.copy(), high.copy(), shown, np.array(limits, np.float64).reshape(-1, 2)
        )

    def transformed(
        self, measures: Mapping[str, ArrayLike] | None, n_trials: int
    ) -> NDArray[np.float64]:
        """Return measures on the scales of their transforms, within the ranges that were seen.

        Parameters
        ----------
        measures : mapping of str to array_like, or None
            A value for each trial, or one for all; measures of other names are ignored.
        n_trials : int
            Number of trials, N.

        Returns
        -------
        array, shape (N, J)

        Raises
        ------
        InvalidInputError
            If a measure is missing, or not finite.
        """
        matrix = np.empty((n_trials, len(self.names)))
        for place, name in enumerate(self.names):
            values = self._values(name, measures)
            scaled = kind_of_measure(name).transform(values)
            matrix[:, place] = np.clip(scaled, self.low[place], self.high[place])
        return matrix

    def unlike(
        self, measures: Mapping[str, ArrayLike], *, known_only: bool = False
    ) -> tuple[str, ...]:
        """Return the reasons for which a recording is unlike those seen; see `Calibration`.

        A measure that is missing is an error, unless only those that are known count.
        """
        reasons = []
        for place, name in enumerate(self.names):
            if known_only and name not in measures:
                continue
            kind, value = kind_of_measure(name), self._values(name, measures)
            scaled = kind.transform(value)
            low, high = np.minimum((self.low[place], self.high[place]), kind.harmless)
            margin = max(kind.margin, (high - low) / 4)
            least, most = low - margin, high + margin
            if self.limits is not None:
                least, most = min(least, self.limits[place, 0]), max(most, self.limits[place, 1])
            below = kind.side != "high" and (scaled < least).any()
            above = kind.side != "low" and (scaled > most).any()
            if below or above:
                worst = value.min() if below else value.max()
                reasons.append(
                    f"{_title(name)} {kind.show(float(worst))}; calibration saw {self._seen(place)}"
                )
        return tuple(reasons)

    def described(self) -> tuple[str, ...]:
        """Return the measures and their ranges in words, such as ``"test speech 1.2 to 9 s"``."""
        return tuple(f"{_title(name)} {self._seen(n)}" for n, name in enumerate(self.names))

    def _seen(self, place: int) -> str:
        show = kind_of_measure(self.names[place]).show
        first, last = map(show, self.shown[place].tolist())
        unit = last.partition(" ")[1] + last.partition(" ")[2]
        return f"{first.removesuffix(unit)} to {last}"

    def _values(self, name: str, measures: Mapping[str, ArrayLike] | None) -> NDArray[np.float64]:
        """Return the finite values of a measure."""
        if measures is None or name not in measures:
            raise InvalidInputError(
                f"measure {name!r} is missing; the calibration needs {_listed(self.names)}"
            )
        values = np.asarray(measures[name], dtype=np.float64)
        if not np.isfinite(values).all():
            raise InvalidInputError(f"measure {name!r} must be finite, found {values!s:.60}")
        return values


def _expected(
    kind: MeasureKind, measured: NDArray[np.float64], speakers: NDArray[np.int32]
) -> tuple[float, float]:
    """Return the ends between which a measure of other speakers is expected; see `seen`."""
    from scipy.special import stdtrit

    values = np.minimum(kind.transform(measured), kind.harmless)
    _, of_trial, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    n_speakers = len(counts)
    if n_speakers < 2:
        return float(values.min()), float(values.max())
    means = np.bincount(of_trial, values) / counts
    reach = stdtrit(n_speakers - 1, 1 - _BEYOND) * means.std(ddof=1) * np.sqrt(1 + 1 / n_speakers)
    low, high = np.quantile(values - means[of_trial], (_TAIL, 1 - _TAIL))
    return float(means.mean() - reach + low), float(means.mean() + reach + high)


def _title(name: str) -> str:
    """Return the title of a measure, with the side of the trial that its name may begin with."""
    side = next((each for each in ("enrolment", "test") if name.startswith(f"{each}_")), "")
    return f"{side} {kind_of_measure(name).title}".strip()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
