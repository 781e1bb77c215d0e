"""Errors of the boundaries of an alignment, compared with those of a reference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.evaluation_options import BootstrapOptions
from speakergmm.metrics.resampling import Interval, draw_multiplicities, percentile_interval
from speakergmm.words import clean

# Largest number of boundaries times replicates in memory, of 8 bytes each.
_CELLS = 2_000_000
# Seconds below which two ends are one boundary: less than a sample at any sampling rate.
_SAME_TIME = 1e-6


class TimedLabel(NamedTuple):
    """A label and the interval of time to which it applies.

    Attributes
    ----------
    start, end : float
        Beginning and end, in seconds.
    label : str
        Name of a word, phone or state.
    confidence : float
        Probability that the label was spoken, between 0 and 1; NaN if it is unknown.
    posterior : float
        Average posterior probability of the label over its frames, given that it was spoken,
        between 0 and 1; NaN if it is unknown.
    """

    start: float
    end: float
    label: str
    confidence: float = math.nan
    posterior: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryErrors:
    """The errors of all boundaries.

    Attributes
    ----------
    errors : array of float, shape (N,)
        Time of each boundary minus that of the reference, in seconds.
    left, right : tuple of str
        Labels on both sides of each boundary; the first one of ``silence`` for silence and edges.
    utterances : tuple of str
        Name of the utterance of each boundary.
    """

    errors: NDArray[np.float64]
    left: tuple[str, ...]
    right: tuple[str, ...]
    utterances: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.errors)


@dataclass(frozen=True, slots=True)
class BoundaryMetric:
    """The value of one metric of boundary errors.

    Attributes
    ----------
    name : str
        ``median_absolute``, ``p90_absolute``, ``mean_absolute``, ``mean_signed``,
        ``median_signed``, or ``within_0.02`` and the like.
    value : float
        Seconds, or a fraction between 0 and 1.
    interval : Interval or None
        Confidence interval; None if it was not asked for, or with fewer than two clusters.
    """

    name: str
    value: float
    interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return the value and its interval as JSON can hold them."""
        return {"value": self.value, "interval": self.interval and self.interval.ends()}


def boundary_errors(
    reference: Mapping[str, Sequence[TimedLabel]],
    hypothesis: Mapping[str, Sequence[TimedLabel]],
    *,
    silence: Sequence[str] = ("SIL", "sil", "sp", ""),
) -> BoundaryErrors:
    """Compare the boundaries of alignments that have the same labels apart from silence.

    Parameters
    ----------
    reference, hypothesis : mapping of str to sequence of TimedLabel
        Labels of each utterance in order of time. Every utterance of `hypothesis` must be in
        `reference`; other utterances of `reference` are left out.
    silence : sequence of str
        Labels of silence, which may be anywhere on either side.

    Returns
    -------
    BoundaryErrors
        If two labels follow each other without silence in both alignments, their common boundary
        counts once; otherwise the end of the first and the start of the second count separately.
        The outer edges of a recording count only if one of the alignments has silence there:
        otherwise every alignment has them right.

    Raises
    ------
    InvalidInputError
        If the labels of an utterance differ (the message names the first difference), or the
        reference does not contain it.

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
        raise InvalidInputError(f"silence must be a list of labels, found {silence!r}")
    rows: list[tuple[float, str, str, str]] = []
    for utterance, found in hypothesis.items():
        if utterance not in reference:
            raise InvalidInputError(f"the reference has no utterance {utterance!r}")
        errors = _utterance_errors(utterance, reference[utterance], found, names)
        rows += [(*error, utterance) for error in errors]
    return _boundaries(rows)


def summarise_boundaries(
    found: BoundaryErrors,
    options: BootstrapOptions | None = None,
    *,
    within: Sequence[float] = (0.01, 0.02, 0.05),
    clusters: Mapping[str, str] | None = None,
    **changes: Any,
) -> dict[str, BoundaryMetric]:
    """Summarise boundary errors, with bootstrap intervals over utterances or speakers.

    Parameters
    ----------
    found : BoundaryErrors
        Errors of at least one boundary.
    options : BootstrapOptions, optional
    within : sequence of float
        Tolerances in seconds; the fraction of boundaries within each of them is computed.
    clusters : mapping of str to str, optional
        Unit of resampling of each utterance, such as its speaker. By default utterances are
        resampled.
    **changes
        Fields of `BootstrapOptions`, in place of those of `options`.

    Returns
    -------
    dict of str to BoundaryMetric
        By name. A quantile is the smallest error that at least that fraction of the boundaries
        does not exceed.

    Raises
    ------
    InvalidInputError
        If there are no boundaries, an utterance has no cluster, or an option is out of range.
    """
    options = BootstrapOptions.of(options, changes)
    if not len(found):
        raise InvalidInputError("there are no boundaries to summarise")
    # An error that differs from 10 ms only by rounding is within 10 ms.
    signed = found.errors.round(9)
    values = _metrics_of(signed, np.ones((1, len(signed))), within)
    intervals: dict[str, Interval | None] = dict.fromkeys(values)
    members = _cluster_of(found.utterances, clusters)
    n_clusters = int(members.max()) + 1
    if options.n_bootstrap and n_clusters > 1:
        drawn = draw_multiplicities(n_clusters, n_bootstrap=options.n_bootstrap, seed=options.seed)
        step = max(1, _CELLS // len(signed))
        parts = [
            _metrics_of(signed, drawn[first : first + step, members].astype(np.float64), within)
            for first in range(0, options.n_bootstrap, step)
        ]
        for name in values:
            replicates = np.concatenate([part[name] for part in parts])
            intervals[name] = percentile_interval(replicates, confidence=options.confidence)
    return {
        name: BoundaryMetric(name, float(value[0]), intervals[name])
        for name, value in values.items()
    }


def boundaries_by_class(
    found: BoundaryErrors, classes: Mapping[str, str]
) -> dict[tuple[str, str], BoundaryErrors]:
    """Group boundaries by the classes of the labels on both sides.

    Parameters
    ----------
    found : BoundaryErrors
    classes : mapping of str to str
        Class of each label, such as vowel or stop; a label without one is a class of its own.

    Returns
    -------
    dict of (str, str) to BoundaryErrors
        The largest group first, then by name.
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
    """Return rows of error, left label, right label and utterance as one object."""
    errors, left, right, utterances = zip(*rows, strict=True) if rows else ((), (), (), ())
    return BoundaryErrors(np.array(errors, dtype=np.float64), left, right, utterances)


def _utterance_errors(
    utterance: str,
    reference: Sequence[TimedLabel],
    hypothesis: Sequence[TimedLabel],
    silence: tuple[str, ...],
) -> list[tuple[float, str, str]]:
    """Return the error and the labels on both sides of each boundary of an utterance."""
    truth, found = (
        [item for item in items if item.label not in silence] for items in (reference, hypothesis)
    )
    labels, others = ([clean(item.label) for item in items] for items in (truth, found))
    for place, (one, other) in enumerate(zip(labels, others, strict=False), start=1):
        if one != other:
            raise InvalidInputError(
                f"utterance {utterance!r}: label {place} is {other!r}, in the reference it is "
                f"{one!r}; boundaries can be compared only if all labels are the same"
            )
    if len(labels) != len(others):
        raise InvalidInputError(
            f"utterance {utterance!r} has {len(others)} labels besides silence, the reference has "
            f"{len(labels)}; boundaries can be compared only if all labels are the same"
        )
    if not labels:
        return []
    # Axes: alignment (reference, hypothesis), label, start and end.
    times = np.array([[item[:2] for item in items] for items in (truth, found)])
    outer = np.array([(items[0].start, items[-1].end) for items in (reference, hypothesis)])
    starts, ends = (times[1] - times[0]).T.tolist()
    # Whether both alignments begin, and end, without silence; whether labels touch in both.
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
    """Return the number of the cluster of each boundary, from 0 in order of appearance."""
    if clusters is not None:
        for utterance in utterances:
            if utterance not in clusters:
                raise InvalidInputError(f"utterance {utterance!r} belongs to no cluster")
        utterances = tuple(clusters[utterance] for utterance in utterances)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(utterances))}
    return np.array([numbers[name] for name in utterances], dtype=np.int64)


def _metrics_of(
    signed: NDArray[np.float64], weights: NDArray[np.float64], within: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """Compute every metric for R weightings of the boundaries, of shape (R, N)."""
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
    """Return the weighted quantile of each row: the smallest value of at least that share."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[:, order], axis=1)
    # Sums of whole numbers: a difference of half a boundary is far above rounding.
    reached = cumulative >= share * cumulative[:, -1:] - 1e-6
    return np.asarray(values[order][np.argmax(reached, axis=1)])
