"""All figures of a scored trials list in one go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.bootstrap import Figures, bootstrap_intervals, speaker_clusters
from speakergmm.metrics.identification import ClosedSetIdentification, identification_from_trials
from speakergmm.metrics.resampling import Interval
from speakergmm.metrics.scores import UNKNOWN, Scores, check_scores
from speakergmm.metrics.sorted_trials import DetCurve, OperatingPoint, SortedTrials


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the result table.

    Attributes
    ----------
    name : str
        For programs, such as ``eer_linear``, ``min_dcf_0.01``, ``identification_top1``.
    title : str
        For people; names the convention.
    value : float
        A fraction (EER, accuracy) or a normalised cost (minDCF).
    is_rate : bool
        Whether the value reads as a percentage.
    interval : Interval or None
        Over speakers; None where not asked for, or where speakers are too few.
    point : OperatingPoint or None
        The threshold of these data that goes with it; None for identification.
    """

    name: str
    title: str
    value: float
    is_rate: bool
    interval: Interval | None
    point: OperatingPoint | None

    def format_value(self) -> str:
        """Write the value as people read it, percent or cost."""
        return _format(self.value, self.is_rate)

    def format_interval(self) -> str:
        """Write the interval as people read it; empty where there is none."""
        if self.interval is None:
            return ""
        low = _format(self.interval.low, self.is_rate).removesuffix(" %")
        return f"{low} to {_format(self.interval.high, self.is_rate)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        point = {} if self.point is None else self.point.to_dict()
        interval = self.interval and self.interval.ends()
        return {"title": self.title, "value": self.value, "interval": interval} | point


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Every figure of a trials list.

    Attributes
    ----------
    metrics : tuple of Metric
        The result table.
    curve : DetCurve
        Corners of the DET curve.
    identification : ClosedSetIdentification or None
        None where no recording was compared with its own model and another.
    n_target, n_nontarget : int
        Trials.
    n_models, n_paths : int
        Models, and test recordings.
    n_speakers : int
        Speakers told from the target trials; the unit of resampling.
    n_bootstrap, seed : int
        Replicates and seed of the intervals.
    confidence : float
        Nominal coverage of the intervals.
    """

    metrics: tuple[Metric, ...]
    curve: DetCurve
    identification: ClosedSetIdentification | None
    n_target: int
    n_nontarget: int
    n_models: int
    n_paths: int
    n_speakers: int
    n_bootstrap: int
    seed: int
    confidence: float

    def __getitem__(self, name: str) -> Metric:
        """Find a measure by its name."""
        known = {measure.name: measure for measure in self.metrics}
        if name not in known:
            raise KeyError(f"no measure {name!r}; there are {', '.join(known)}")
        return known[name]

    @property
    def n_trials(self) -> int:
        """All trials."""
        return self.n_target + self.n_nontarget

    def to_dict(self, *, curve: bool = False) -> dict[str, Any]:
        """Plain values for JSON.

        Parameters
        ----------
        curve : bool, default=False
            Add the DET curve's corners, up to two for each trial of the rarer kind.

        Returns
        -------
        dict
            Strings, numbers, None, lists and dicts only; no infinities.
        """
        result: dict[str, Any] = {
            "counts": {
                "trials": self.n_trials,
                "target": self.n_target,
                "nontarget": self.n_nontarget,
                "models": self.n_models,
                "test_recordings": self.n_paths,
                "speakers": self.n_speakers,
            },
            "metrics": {measure.name: measure.to_dict() for measure in self.metrics},
            "thresholds": "chosen on these very trials; accept when score >= threshold",
            "intervals": {
                "confidence": self.confidence,
                "method": "percentile bootstrap over speakers",
                "replicates": self.n_bootstrap,
                "seed": self.seed,
            },
            "identification": None,
        }
        if self.identification is not None:
            found = self.identification
            result["identification"] = {
                "tests": found.n_tests,
                "skipped": found.n_skipped,
                "candidates": list(found.n_candidates),
                "confusions": [
                    {"true": each.true, "chosen": each.chosen, "count": each.count}
                    for each in found.confusions()
                ],
            }
        if curve:
            # The last corner rejects all: no number stands for its threshold in JSON.
            thresholds = self.curve.thresholds.tolist()
            result["det"] = {
                "thresholds": [value if math.isfinite(value) else None for value in thresholds],
                "p_miss": self.curve.p_miss.tolist(),
                "p_fa": self.curve.p_fa.tolist(),
            }
        return result


def evaluate(
    scores: Scores,
    *,
    p_target: Sequence[float] = (0.01, 0.05),
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    top_k: Sequence[int] = (1, 5),
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Measure detection and identification on scored trials.

    Parameters
    ----------
    scores : Scores
        Trials, all labelled.
    p_target : sequence of float, default=(0.01, 0.05)
        Priors for minDCF.
    c_miss, c_fa : float, default=1.0
        Costs for minDCF.
    top_k : sequence of int, default=(1, 5)
        Depths of closed-set identification among the models each recording was compared with.
    n_bootstrap : int, default=1000
        Replicates of the bootstrap over speakers; 0 for no intervals.
    confidence : float, default=0.95
        Nominal coverage of the intervals.
    seed : int, default=0
        Of the bootstrap.

    Returns
    -------
    Evaluation
        No decision threshold is invented: thresholds are those of the operating points on these
        very trials.

    Raises
    ------
    InvalidInputError
        If a trial has no label, one kind of trial is missing, or an option lies outside its range.

    Examples
    --------
    >>> scores = Scores(
    ...     ["ann", "bob", "ann", "bob"],
    ...     ["a.wav", "a.wav", "b.wav", "b.wav"],
    ...     [1.5, -0.5, 0.0, 2.0],
    ...     ["target", "nontarget", "nontarget", "target"],
    ... )
    >>> result = evaluate(scores, n_bootstrap=0)
    >>> result["eer_linear"].format_value(), result["identification_top1"].format_value()
    ('0.00 %', '100.00 %')
    """
    check_scores(scores, "evaluate")
    _check_trials(scores)
    figures = Figures(p_target, c_miss, c_fa, top_k)
    trials = SortedTrials.of(scores)
    identification = identification_from_trials(scores)
    how: dict[str, Any] = {"n_bootstrap": n_bootstrap, "confidence": confidence, "seed": seed}
    intervals: dict[str, Interval | None] = {}
    if n_bootstrap:
        intervals = bootstrap_intervals(
            scores, identification=identification, **how, **vars(figures)
        )
    points = {
        "eer_linear": trials.equal_error_rate(method="linear"),
        "eer_rocch": trials.equal_error_rate(method="rocch"),
        **{name: trials.min_dcf(**cost) for name, cost in figures.costs.items()},
    }
    metrics = [
        Metric(name, p.convention, p.value, name not in figures.costs, intervals.get(name), p)
        for name, p in points.items()
    ]
    if identification is not None:
        for name, k in figures.depths.items():
            title, rate = f"Closed-set identification, top {k}", identification.accuracy(top_k=k)
            metrics.append(Metric(name, title, rate, True, intervals.get(name), None))
    return Evaluation(
        metrics=tuple(metrics),
        curve=trials.curve,
        identification=identification,
        n_target=len(trials.target),
        n_nontarget=len(trials.nontarget),
        n_models=len(scores.model_names),
        n_paths=len(scores.path_names),
        n_speakers=speaker_clusters(scores).n_speakers,
        **how,
    )


def _check_trials(scores: Scores) -> None:
    """Refuse trials that have no label, or stand twice."""
    unlabelled = int((scores.labels == UNKNOWN).sum())
    if unlabelled:
        raise InvalidInputError(
            f"scores: {unlabelled} of {len(scores)} trials have no label; "
            "an evaluation needs target or nontarget for each"
        )
    _, first = np.unique(scores.pair_index, return_index=True)
    if len(first) < len(scores):
        again = np.ones(len(scores), dtype=bool)
        again[first] = False
        row = int(np.argmax(again))
        raise InvalidInputError(
            f"trial {row + 1} (model {scores.models[row]!r}, path {scores.paths[row]!r}) was "
            f"listed before; {again.sum()} such trials would count twice: list each once"
        )


def _format(value: float, is_rate: bool) -> str:
    return f"{100 * value:.2f} %" if is_rate else f"{value:.4f}"
