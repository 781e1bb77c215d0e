"""How far the boundaries of an alignment lie from those of a reference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.resampling import Interval, draw_multiplicities, percentile_interval
from speakergmm.ranges import number, whole_number
from speakergmm.words import clean

# Boundaries times replicates held at once, in cells of 8 bytes.
_CELLS = 2_000_000
# Two ends are one boundary where they are nearer than a sample of any audio.
_SAME_TIME = 1e-6


class TimedLabel(NamedTuple):
    """A label and the stretch of time that it holds for.

    Attributes
    ----------
    start, end : float
        Seconds.
    label : str
        A word, a phone or a state.
    confidence : float
        Probability that this was said, between 0 and 1; NaN where nobody said.
    posterior : float
        How sure an alignment is of the place, given that this was said, between 0 and 1; NaN where
        it is not known.
    """

    start: float
    end: float
    label: str
    confidence: float = math.nan
    posterior: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryErrors:
    """Every boundary's error.

    Attributes
    ----------
    errors : array of float, shape (N,)
        Seconds by which the boundary found lies after that of the reference.
    left, right : tuple of str
        The labels that meet at each boundary; the first of ``silence`` where one of them is none.
    utterances : tuple of str
        Utterance of each boundary.
    """

    errors: NDArray[np.float64]
    left: tuple[str, ...]
    right: tuple[str, ...]
    utterances: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.errors)


@dataclass(frozen=True, slots=True)
class BoundaryMetric:
    """One figure of boundary errors.

    Attributes
    ----------
    name : str
        ``median_absolute``, ``p90_absolute``, ``mean_absolute``, ``mean_signed``,
        ``median_signed``, or ``within_0.02`` and the like.
    value : float
        Seconds, or a share between 0 and 1.
    interval : Interval or None
        By resampling; None where not asked for or with fewer than two clusters.
    """

    name: str
    value: float
    interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"value": self.value, "interval": self.interval and self.interval.ends()}


def boundary_errors(
    reference: Mapping[str, Sequence[TimedLabel]],
    hypothesis: Mapping[str, Sequence[TimedLabel]],
    *,
    silence: Sequence[str] = ("SIL", "sil", "sp", ""),
) -> BoundaryErrors:
    """Compare the boundaries of alignments whose labels, silence aside, are the same.

    Parameters
    ----------
    reference, hypothesis : mapping of str to sequence of TimedLabel
        By utterance; each in order of time. Every utterance of `hypothesis` must be in
        `reference`; what `reference` has more is left out.
    silence : sequence of str
        Labels of silence, which either side may put where it likes.

    Returns
    -------
    BoundaryErrors
        Where two labels follow each other without silence on both sides, their common boundary
        counts once; otherwise the end of the first and the start of the second count each. The
        outer edges of a recording count only where one side has silence there: otherwise any
        alignment has them right.

    Raises
    ------
    InvalidInputError
        If the labels of an utterance differ, or the reference lacks it; the first difference is
        named.

    Examples
    --------
    >>> truth = {"u": [TimedLabel(0.0, 0.5, "sil"), TimedLabel(0.5, 0.6, "a"),
    ...                TimedLabel(0.6, 0.9, "b")]}
    >>> found = {"u": [TimedLabel(0.0, 0.51, "sil"), TimedLabel(0.51, 0.58, "a"),
    ...                TimedLabel(0.58, 0.9, "b")]}
    >>> boundary_errors(truth, found).errors.round(3).tolist()
    [0.01, -0.02]
    """
    names = tuple(silence)
    if isinstance(silence, str) or not names:
        raise InvalidInputError(f"silence must be a list of labels, got {silence!r}")
    rows: list[tuple[float, str, str, str]] = []
    for utterance, found in hypothesis.items():
        if utterance not in reference:
            raise InvalidInputError(f"the reference has no utterance {utterance!r}")
        errors = _utterance_errors(utterance, reference[utterance], found, names)
        rows += [(*error, utterance) for error in errors]
    return _boundaries(rows)


def summarise_boundaries(
    found: BoundaryErrors,
    *,
    within: Sequence[float] = (0.01, 0.02, 0.05),
    clusters: Mapping[str, str] | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, BoundaryMetric]:
    """Summarise boundary errors, with intervals by bootstrap over utterances or speakers.

    Parameters
    ----------
    found : BoundaryErrors
        At least one.
    within : sequence of float
        Seconds; the share of boundaries no farther from the reference's is given for each.
    clusters : mapping of str to str, optional
        What is resampled: the speaker of each utterance. By default each utterance is one.
    n_bootstrap : int, default=1000
        Replicates; 0 for no intervals.
    confidence : float, default=0.95
        Nominal coverage of the percentile intervals.
    seed : int, default=0
        Of the drawing.

    Returns
    -------
    dict of str to BoundaryMetric
        Quantiles are the smallest errors that at least that share of boundaries doesn't exceed.

    Raises
    ------
    InvalidInputError
        If there are no boundaries, an utterance has no cluster, or an option is out of range.
    """
    if not len(found):
        raise InvalidInputError("there is no boundary to summarise")
    whole_number("n_bootstrap", n_bootstrap, least=0)
    number("confidence", confidence, above=0, below=1)
    # A measured error that is 10 ms but for rounding lies within 10 ms.
    signed = found.errors.round(9)
    values = _figures(signed, np.ones((1, len(signed))), within)
    intervals: dict[str, Interval | None] = dict.fromkeys(values)
    members = _cluster_of(found.utterances, clusters)
    n_clusters = int(members.max()) + 1
    if n_bootstrap and n_clusters > 1:
        drawn = draw_multiplicities(n_clusters, n_bootstrap=n_bootstrap, seed=seed)
        step = max(1, _CELLS // len(signed))
        parts = [
            _figures(signed, drawn[first : first + step, members].astype(np.float64), within)
            for first in range(0, n_bootstrap, step)
        ]
        for name in values:
            replicates = np.concatenate([part[name] for part in parts])
            intervals[name] = percentile_interval(replicates, confidence=confidence)
    return {
        name: BoundaryMetric(name, float(value[0]), intervals[name])
        for name, value in values.items()
    }


def boundaries_by_class(
    found: BoundaryErrors, classes: Mapping[str, str]
) -> dict[tuple[str, str], BoundaryErrors]:
    """Group boundaries by the classes of the phones that meet there.

    Parameters
    ----------
    found : BoundaryErrors
    classes : mapping of str to str
        Class of each label, such as vowel or stop; labels that are missing are their own class.

    Returns
    -------
    dict of (str, str) to BoundaryErrors
        Sorted, the largest group first.
    """
    groups: dict[tuple[str, str], list[tuple[float, str, str, str]]] = {}
    columns = (found.errors.tolist(), found.left, found.right, found.utterances)
    for row in zip(*columns, strict=True):
        _, before, after, _ = row
        pair = (classes.get(before, before), classes.get(after, after))
        groups.setdefault(pair, []).append(row)
    return {
        pair: _boundaries(rows)
        for pair, rows in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def _boundaries(rows: Sequence[tuple[float, str, str, str]]) -> BoundaryErrors:
    """Gather boundaries of error, labels on both sides and utterance."""
    errors, left, right, utterances = zip(*rows, strict=True) if rows else ((), (), (), ())
    return BoundaryErrors(np.array(errors, dtype=np.float64), left, right, utterances)


def _utterance_errors(
    utterance: str,
    reference: Sequence[TimedLabel],
    hypothesis: Sequence[TimedLabel],
    silence: tuple[str, ...],
) -> list[tuple[float, str, str]]:
    """Return error and the labels on both sides, for each boundary of an utterance."""
    truth, found = (
        [item for item in items if item.label not in silence] for items in (reference, hypothesis)
    )
    labels, others = ([clean(item.label) for item in items] for items in (truth, found))
    for place, (one, other) in enumerate(zip(labels, others, strict=False), start=1):
        if one != other:
            raise InvalidInputError(
                f"utterance {utterance!r}: label {place} is {other!r}, the reference has {one!r}; "
                "boundaries are compared where all labels are the same"
            )
    if len(labels) != len(others):
        raise InvalidInputError(
            f"utterance {utterance!r} has {len(others)} labels besides silence, the reference "
            f"{len(labels)}; boundaries are compared where all labels are the same"
        )
    if not labels:
        return []
    times = np.array([[item[:2] for item in items] for items in (truth, found)])
    outer = np.array([(items[0].start, items[-1].end) for items in (reference, hypothesis)])
    starts, ends = (times[1] - times[0]).T.tolist()
    from_edge, to_edge = (np.abs(times[:, [0, -1], [0, 1]] - outer) < _SAME_TIME).all(axis=0)
    touching = (np.abs(times[:, 1:, 0] - times[:, :-1, 1]) < _SAME_TIME).all(axis=0)
    errors = [] if from_edge else [(starts[0], silence[0], labels[0])]
    for place, touches in enumerate(touching.tolist()):
        one, two = labels[place : place + 2]
        if touches:
            errors.append((ends[place], one, two))
        else:
            errors += [(ends[place], one, silence[0]), (starts[place + 1], silence[0], two)]
    return errors if to_edge else [*errors, (ends[-1], labels[-1], silence[0])]


def _cluster_of(
    utterances: tuple[str, ...], clusters: Mapping[str, str] | None
) -> NDArray[np.int64]:
    """Return the number of each boundary's cluster, from 0 in order of appearance."""
    if clusters is not None:
        for utterance in utterances:
            if utterance not in clusters:
                raise InvalidInputError(f"utterance {utterance!r} belongs to no cluster")
        utterances = tuple(clusters[utterance] for utterance in utterances)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(utterances))}
    return np.array([numbers[name] for name in utterances], dtype=np.int64)


def _figures(
    signed: NDArray[np.float64], weights: NDArray[np.float64], within: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """Compute every figure for R weightings of the boundaries, shape (R, N)."""
    absolute = np.abs(signed)
    total = weights.sum(axis=1)
    result = {
        "median_absolute": _quantile(absolute, weights, 0.5),
        "p90_absolute": _quantile(absolute, weights, 0.9),
        "mean_absolute": weights @ absolute / total,
        "mean_signed": weights @ signed / total,
        "median_signed": _quantile(signed, weights, 0.5),
    }
    for limit in within:
        result[f"within_{limit:g}"] = weights @ (absolute <= limit) / total
    return result


def _quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Find the smallest value that a share of the weight doesn't exceed, for each row."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[:, order], axis=1)
    # Whole numbers are summed: what rounding could hide is half a boundary.
    reached = cumulative >= share * cumulative[:, -1:] - 1e-6
    return np.asarray(values[order][np.argmax(reached, axis=1)])
