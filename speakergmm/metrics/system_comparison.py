"""Paired comparison of two systems on the same trials: both are resampled by the same draws."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.bootstrap import bootstrap_replicates
from speakergmm.metrics.evaluation_options import EvaluationOptions
from speakergmm.metrics.resampling import Interval, percentile_interval
from speakergmm.metrics.scores import Scores, check_scores
from speakergmm.metrics.trial_evaluation import Metric, check_trials, evaluate


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A metric of two systems and its difference.

    Attributes
    ----------
    a, b : Metric
        The metric of each system.
    interval : Interval or None
        Paired bootstrap interval of ``b.value - a.value``.
    p_value : float or None
        Two-sided: twice the share of replicates in which the difference has the rarer sign, or is
        zero. None where there is no interval.
    ratio_interval : Interval or None
        Paired bootstrap interval of `ratio`.
    """

    a: Metric
    b: Metric
    interval: Interval | None
    p_value: float | None
    ratio_interval: Interval | None

    @property
    def difference(self) -> float:
        """Value of the second system minus that of the first; negative if the second is better."""
        return self.b.value - self.a.value

    @property
    def ratio(self) -> float:
        """Value of the second system by that of the first; NaN if the first is 0."""
        return self.b.value / self.a.value if self.a.value else float("nan")

    def format_ratio(self) -> str:
        """Return the ratio as text, with its interval if there is one; empty if not finite."""
        if not np.isfinite(self.ratio):
            return ""
        ends = _finite_ends(self.ratio_interval)
        return f"{self.ratio:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        values = {"a": self.a.value, "b": self.b.value, "difference": self.difference}
        values["ratio"] = self.ratio
        finite = {name: value if np.isfinite(value) else None for name, value in values.items()}
        named = {"interval": self.interval, "ratio_interval": self.ratio_interval}
        intervals = {name: _finite_ends(interval) for name, interval in named.items()}
        return {"title": self.a.title} | finite | intervals | {"p_value": self.p_value}


def compare_systems(
    scores_a: Scores, scores_b: Scores, options: EvaluationOptions | None = None, **changes: Any
) -> dict[str, MetricDifference]:
    """Compare two systems on the same trials.

    Parameters
    ----------
    scores_a, scores_b : Scores
        Labelled scores of the same trials, in any order.
    options : EvaluationOptions, optional
    **changes
        Fields of `EvaluationOptions`, in place of those of `options`.

    Returns
    -------
    dict of str to MetricDifference
        Detection metrics by name.

    Raises
    ------
    InvalidInputError
        If the trials or their labels differ, or as by `evaluate`.

    Notes
    -----
    Trials of a speaker are not independent, so that McNemar's test of trials would claim too much;
    here speakers and recordings are resampled, for both systems by the same draws.

    References
    ----------
    .. [1] Bisani, Ney, "Bootstrap Estimates for Confidence Intervals in ASR Performance
       Evaluation", ICASSP 2004 (paired draws; probability of improvement).

    Examples
    --------
    >>> trials = ["ann", "bob"], ["a.wav", "a.wav"]
    >>> labels = ["target", "nontarget"]
    >>> a, b = Scores(*trials, [1.0, 2.0], labels), Scores(*trials, [2.0, 1.0], labels)
    >>> compare_systems(a, b, n_bootstrap=0)["eer_linear"].difference
    -1.0
    """
    options = EvaluationOptions.of(options, changes)
    check_scores(scores_a, "compare_systems")
    check_scores(scores_b, "compare_systems")
    check_trials(scores_a)
    check_trials(scores_b)
    scores_b = in_order_of(scores_a, scores_b)
    a, b = evaluate(scores_a, options, n_bootstrap=0), evaluate(scores_b, options, n_bootstrap=0)
    drawn = (
        [{}, {}]
        if not options.n_bootstrap
        else [bootstrap_replicates(each, options) for each in (scores_a, scores_b)]
    )
    found = {}
    for metric in a.metrics:
        if metric.name in options.depths:
            continue
        interval, p_value, ratio = None, None, None
        if metric.name in drawn[0]:
            with np.errstate(invalid="ignore", divide="ignore"):
                change = drawn[1][metric.name] - drawn[0][metric.name]
                quotient = drawn[1][metric.name] / drawn[0][metric.name]
            interval = percentile_interval(change, confidence=options.confidence)
            p_value = None if interval is None else _p_value(change)
            ratio = percentile_interval(quotient, confidence=options.confidence)
        found[metric.name] = MetricDifference(metric, b[metric.name], interval, p_value, ratio)
    return found


def _finite_ends(interval: Interval | None) -> list[float] | None:
    """Return the ends of an interval, or None if there is none or an end is not finite."""
    ends = None if interval is None else interval.ends()
    return ends if ends is not None and np.isfinite(ends).all() else None


def _p_value(change: NDArray[np.float64]) -> float:
    good = change[~np.isnan(change)]
    rarer = min(int((good <= 0).sum()), int((good >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + len(good)))


def in_order_of(scores_a: Scores, scores_b: Scores) -> Scores:
    """Return the second system's scores in the order of the first system's trials.

    Parameters
    ----------
    scores_a, scores_b : Scores

    Returns
    -------
    Scores

    Raises
    ------
    InvalidInputError
        If trials or labels differ.
    """
    check_scores(scores_a, "in_order_of")
    check_scores(scores_b, "in_order_of")
    places = {
        trial: row for row, trial in enumerate(zip(scores_b.models, scores_b.paths, strict=True))
    }
    trials = list(zip(scores_a.models, scores_a.paths, strict=True))
    missing = [trial for trial in trials if trial not in places]
    if missing or len(scores_a) != len(scores_b):
        more = f", such as model {missing[0][0]!r}, path {missing[0][1]!r}" if missing else ""
        raise InvalidInputError(
            f"two systems are to have the same trials; the first has {len(scores_a)}, the "
            f"second {len(scores_b)}, and {len(missing)} of the first are not in the second{more}"
        )
    ordered = scores_b.select(np.array([places[trial] for trial in trials]))
    differs = ordered.labels != scores_a.labels
    if differs.any():
        row = int(np.argmax(differs))
        raise InvalidInputError(
            f"the labels of {int(differs.sum())} trials differ between the systems, such as model "
            f"{scores_a.models[row]!r}, path {scores_a.paths[row]!r}"
        )
    return ordered
