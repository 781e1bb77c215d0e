"""Evaluation of scored trials: all metrics with intervals, as a table and as JSON."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.bootstrap import bootstrap_intervals, speaker_clusters
from speakergmm.metrics.evaluation_options import EvaluationOptions
from speakergmm.metrics.identification import ClosedSetIdentification, identification_from_trials
from speakergmm.metrics.likelihood_ratios import cllr_of_trials
from speakergmm.metrics.pool_adjacent_violators import PavCalibration
from speakergmm.metrics.resampling import Interval, wilson_interval
from speakergmm.metrics.scores import UNKNOWN, Scores, check_scores
from speakergmm.metrics.sorted_trials import DetCurve, OperatingPoint, SortedTrials


@dataclass(frozen=True, slots=True)
class Metric:
    """The value of one metric, a row of the table of results.

    Attributes
    ----------
    name : str
        Name for programs, such as ``eer_linear``, ``min_dcf_0.01``, ``identification_top1``.
    title : str
        Name for people, with the convention.
    value : float
        A fraction between 0 and 1 (EER, accuracy), a normalised cost (minDCF) or bits (Cllr).
    is_rate : bool
        Whether the value is a fraction, which is written as a percentage.
    interval : Interval or None
        Confidence interval; None if it was not asked for, or if there are too few speakers.
    point : OperatingPoint or None
        Threshold on these data at which the value is reached; None for identification.
    """

    name: str
    title: str
    value: float
    is_rate: bool
    interval: Interval | None
    point: OperatingPoint | None

    def format_value(self) -> str:
        """Return the value as text, a percentage or a cost."""
        return _format(self.value, self.is_rate)

    def format_interval(self) -> str:
        """Return the interval as text; empty if there is none."""
        if self.interval is None:
            return ""
        low = _format(self.interval.low, self.is_rate).removesuffix(" %")
        return f"{low} to {_format(self.interval.high, self.is_rate)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        point = {} if self.point is None else self.point.to_dict()
        interval = self.interval and self.interval.ends()
        value, ends = (_finite(each) for each in (self.value, interval))
        return {"title": self.title, "value": value, "interval": ends} | point


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """The evaluation of a list of trials.

    Attributes
    ----------
    metrics : tuple of Metric
        The table of results.
    curve : DetCurve
        Corners of the DET curve.
    identification : ClosedSetIdentification or None
        None if no recording was compared with the model of its speaker and with another one.
    n_target, n_nontarget : int
        Number of target and of nontarget trials.
    n_models, n_paths : int
        Number of models and of test recordings.
    n_speakers : int
        Number of speakers, inferred from the target trials; they are resampled.
    n_bootstrap, seed : int
        Number of bootstrap replicates, and seed of the resampling.
    confidence : float
        Nominal coverage of the intervals.
    resampling : str
        Method of the resampling; see `EvaluationOptions`.
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
    resampling: str = "two-level"

    def __repr__(self) -> str:
        metrics = ", ".join(f"{metric.name}={metric.format_value()}" for metric in self.metrics)
        return f"Evaluation({self.n_trials} trials, {metrics})"

    def __getitem__(self, name: str) -> Metric:
        """Return the metric of a name."""
        known = {metric.name: metric for metric in self.metrics}
        if name not in known:
            raise KeyError(f"there is no metric {name!r}; there are {', '.join(known)}")
        return known[name]

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return self.n_target + self.n_nontarget

    @property
    def resampling_words(self) -> str:
        """The units that the bootstrap draws, in words."""
        within = self.resampling == "two-level"
        return "over speakers and their recordings" if within else "over speakers"

    def to_dict(self, *, curve: bool = False) -> dict[str, Any]:
        """Return the evaluation as JSON can hold it.

        Parameters
        ----------
        curve : bool, default=False
            Add the corners of the DET curve, up to two per trial of the rarer kind.

        Returns
        -------
        dict
            It contains only strings, finite numbers, None, lists and dicts.
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
            "metrics": {metric.name: metric.to_dict() for metric in self.metrics},
            "thresholds": "chosen on these very trials; accept when score >= threshold",
            "intervals": {
                "confidence": self.confidence,
                "method": f"percentile bootstrap, {self.resampling_words}",
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
            # The last corner rejects all trials; JSON has no number for its infinite threshold.
            thresholds = self.curve.thresholds.tolist()
            result["det"] = {
                "thresholds": [value if math.isfinite(value) else None for value in thresholds],
                "p_miss": self.curve.p_miss.tolist(),
                "p_fa": self.curve.p_fa.tolist(),
            }
        return result


def evaluate(
    scores: Scores, options: EvaluationOptions | None = None, **changes: Any
) -> Evaluation:
    """Measure detection and identification on scored trials.

    Parameters
    ----------
    scores : Scores
        Trials, all of them labelled, each listed once.
    options : EvaluationOptions, optional
    **changes
        Fields of `EvaluationOptions`, in place of those of `options`: ``p_target``, ``c_miss``,
        ``c_fa``, ``top_k``, ``llr``, ``threshold``, ``n_bootstrap``, ``confidence``, ``seed``,
        ``resampling``.

    Returns
    -------
    Evaluation
        The thresholds in it are those of the operating points on these trials; no decision
        threshold is proposed.

    Raises
    ------
    InvalidInputError
        If a trial is not labelled or is listed twice, there are no target or no nontarget trials,
        or an option is out of range.

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
    options = EvaluationOptions.of(options, changes)
    check_trials(scores)
    trials = SortedTrials.of(scores)
    identification = identification_from_trials(scores)
    intervals = bootstrap_intervals(scores, options, identification=identification)
    # Detection: equal error rates and minimum costs with their operating points.
    points = {
        "eer_linear": trials.equal_error_rate(method="linear"),
        "eer_rocch": trials.equal_error_rate(method="rocch"),
        **{name: trials.min_dcf(**cost) for name, cost in options.costs.items()},
    }
    metrics = [
        Metric(name, p.convention, p.value, name not in options.costs, intervals.get(name), p)
        for name, p in points.items()
    ]
    metrics += _decided(trials, options, intervals)
    # Closed-set identification, if recordings were compared with several models.
    if identification is not None:
        for name, k in options.depths.items():
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
        n_bootstrap=options.n_bootstrap,
        seed=options.seed,
        confidence=options.confidence,
        resampling=options.resampling,
    )


def _decided(
    trials: SortedTrials, options: EvaluationOptions, intervals: dict[str, Interval | None]
) -> list[Metric]:
    """Return the metrics of LLRs, and those of thresholds that were set beforehand."""
    found = []
    for name, cost in options.actual_costs.items():
        p = trials.actual_dcf(threshold=options.thresholds[name], **cost)
        found.append(Metric(name, p.convention, p.value, False, intervals.get(name), p))
    if options.llr:
        actual = cllr_of_trials(trials.target, trials.nontarget)
        least = PavCalibration.of(trials).cllr
        for name, title, value in (
            ("cllr", "Cllr, bits", actual),
            ("min_cllr", "minCllr (PAV), bits", least),
            ("calibration_loss", "calibration loss, Cllr - minCllr, bits", actual - least),
        ):
            found.append(Metric(name, title, value, False, intervals.get(name), None))
    if options.threshold is not None:
        p = trials.actual_dcf(threshold=options.threshold)
        counts = len(trials.target), len(trials.nontarget)
        for name, title, value, count in (
            ("miss_rate", "misses at the threshold", p.p_miss, counts[0]),
            ("false_alarm_rate", "false alarms at the threshold", p.p_fa, counts[1]),
        ):
            interval = intervals.get(name)
            if interval is not None and value in (0, 1):  # no resampling draws what never occurred
                interval = wilson_interval(
                    round(value * count), count, confidence=options.confidence
                )
            found.append(Metric(name, title, value, True, interval, p))
    return found


def check_trials(scores: Scores) -> None:
    """Raise an error if a trial has no label or is listed twice."""
    unlabelled = int((scores.labels == UNKNOWN).sum())
    if unlabelled:
        raise InvalidInputError(
            f"scores: {unlabelled} of {len(scores)} trials have no label; "
            "an evaluation needs target or nontarget for every trial"
        )
    _, first = np.unique(scores.pair_index, return_index=True)
    if len(first) < len(scores):
        again = np.ones(len(scores), dtype=bool)
        again[first] = False
        row = int(np.argmax(again))
        raise InvalidInputError(
            f"trial {row + 1} (model {scores.models[row]!r}, path {scores.paths[row]!r}) is "
            f"listed twice; rows that repeat a trial would count twice ({again.sum()} of "
            f"{len(scores)}): list each once"
        )


def _finite(value: Any) -> Any:
    """Return a number or a list of numbers as JSON can hold them: infinity becomes None."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if value is None or math.isfinite(value) else None


def _format(value: float, is_rate: bool) -> str:
    return f"{100 * value:.2f} %" if is_rate else f"{value:.4f}"
