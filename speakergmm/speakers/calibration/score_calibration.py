"""A calibration: scores and measures of recordings become bounded log-likelihood ratios."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.errors import CannotPromiseError, InsufficientDataError, InvalidInputError
from speakergmm.metrics.scores import as_scores
from speakergmm.ranges import switch
from speakergmm.speakers.calibration.calibration_evidence import CalibrationEvidence
from speakergmm.speakers.calibration.calibration_options import CalibrationOptions
from speakergmm.speakers.calibration.calibration_trials import CalibrationTrials
from speakergmm.speakers.calibration.llr_bounds import llr_bounds
from speakergmm.speakers.calibration.map_fitting import cross_validated_llrs, fit_score_map
from speakergmm.speakers.calibration.measure_kinds import MeasureRanges
from speakergmm.speakers.calibration.promises import (
    Promise,
    bayes_threshold,
    check_threshold,
    promise_at,
    threshold_for_rate,
)
from speakergmm.speakers.calibration.score_maps import LogisticMap, ScoreMap


@dataclass(frozen=True, slots=True, eq=False)
class Calibration(records.Filed):
    """The map from raw scores to log-likelihood ratios, and the evidence that it rests on.

    Parameters
    ----------
    options : CalibrationOptions
        Options of the fit.
    score_map : ScoreMap
        From scores and measures to ratios.
    ranges : MeasureRanges
        The measures that it uses, and their ranges in the trials of the calibration.
    bounds : tuple of float
        Least and largest log-likelihood ratio that the trials support.
    evidence : CalibrationEvidence
        Cross-validated ratios of the trials.
    watched : MeasureRanges, optional
        Ranges of measures that do not enter the ratios, but tell which recordings are unlike.
    """

    file_kind: ClassVar[str] = "score calibration"

    options: CalibrationOptions
    score_map: ScoreMap
    ranges: MeasureRanges
    bounds: tuple[float, float]
    evidence: CalibrationEvidence
    watched: MeasureRanges | None = None

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not -np.inf < low <= 0 <= high < np.inf:
            raise InvalidInputError(
                f"bounds must be finite and on both sides of 0, found {low}, {high}"
            )

    def __repr__(self) -> str:
        low, high = self.bounds
        return (
            f"Calibration({self.options.method}, {len(self.speakers)} speakers, ratios "
            f"{low:.2f} to {high:.2f}, measures {', '.join(self.measure_names) or 'none'})"
        )

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines ratios and promises."""
        return records.digest(self.file_kind, self)

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Names of the measures that `llr` needs."""
        return self.ranges.names

    @property
    def watched_names(self) -> tuple[str, ...]:
        """Names of the measures that `unlike` needs besides those of `llr`."""
        return () if self.watched is None else self.watched.names

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers of the calibration trials, sorted."""
        return self.evidence.speakers

    def llr(
        self,
        scores: ArrayLike,
        measures: Mapping[str, ArrayLike] | None = None,
        *,
        bounded: bool = True,
    ) -> NDArray[np.float64]:
        """Return the natural log-likelihood ratios of scores.

        Parameters
        ----------
        scores : array_like of float, shape (N,)
            Raw scores; infinite ones have the ratio of a bound.
        measures : mapping of str to array_like, optional
            A value for each trial, or one for all, of each of `measure_names`; others are ignored.
            Values beyond the range seen count as its end.
        bounded : bool, default=True
            Whether the ratios are limited to `bounds`.

        Returns
        -------
        array, shape (N,)

        Raises
        ------
        InvalidInputError
            If a score is NaN, or a measure is missing or not finite.
        """
        scores = as_scores(scores, "scores")
        llrs = self.score_map(scores, self.ranges.transformed(measures, len(scores)))
        return np.clip(llrs, *self.bounds) if switch("bounded", bounded) else llrs

    def unlike(self, measures: Mapping[str, ArrayLike]) -> tuple[str, ...]:
        """Return the reasons for which a recording is unlike those of the calibration.

        Parameters
        ----------
        measures : mapping of str to float
            Its measures: those of `measure_names` and, if they are known, of `watched_names`.

        Returns
        -------
        tuple of str
            Such as ``"bandwidth 3.4 kHz; calibration saw 7.2 to 8.0 kHz"``; empty if it is
            like them.

        Raises
        ------
        InvalidInputError
            If a measure is missing or not finite.

        Notes
        -----
        A measure is unlike if it lies outside the range that holds 99 % of the calibration trials
        by more than a quarter of its width, by more than a step that matters (half the speech,
        3 dB of noise, 6 dB of level, a fifth of the bandwidth), and beyond what other speakers are
        expected to have (see `MeasureRanges.seen`). Longer and cleaner recordings are never unlike,
        and no ratio of 30 dB or more of speech to noise is.
        """
        return self.ranges.unlike(measures) + (
            () if self.watched is None else self.watched.unlike(measures, known_only=True)
        )

    def promise(
        self,
        *,
        target_far: float | None = None,
        prior: float | None = None,
        c_miss: float = 1.0,
        c_fa: float = 1.0,
        confidence: float = 0.95,
    ) -> Promise:
        """Return a threshold and the error rates that it will have.

        Parameters
        ----------
        target_far : float, optional
            Rate of false accepts that is not to be exceeded.
        prior : float, optional
            Prior probability that a claim is true, in its place; with the costs it determines the
            threshold.
        c_miss, c_fa : float, default=1.0
            Costs of a miss and of a false accept, > 0; used with `prior`.
        confidence : float, default=0.95
            Nominal coverage of the ranges of the rates.

        Returns
        -------
        Promise

        Raises
        ------
        CannotPromiseError
            If the trials are too few for it, or the threshold lies beyond the ratios that they
            support.
        InvalidInputError
            Unless one of `target_far` and `prior` is given, or if an option is out of range.
        """
        if (target_far is None) == (prior is None):
            raise InvalidInputError("a promise needs either target_far or prior")
        if target_far is not None:
            threshold = threshold_for_rate(self.evidence, target_far)
            what = f"a false-accept rate of {100 * target_far:.3g} %"
        else:
            assert prior is not None
            threshold = bayes_threshold(prior, c_miss, c_fa)
            what = f"prior {prior:g} with these costs"
        low, high = self.bounds
        if not low <= threshold <= high:
            raise CannotPromiseError(
                f"{what} needs a threshold of {threshold:.2f}, beyond the log-likelihood ratios "
                f"that the trials support ({low:.2f} to {high:.2f}); calibrate on more trials"
            )
        if prior is not None:
            check_threshold(self.evidence, threshold)
        return promise_at(self.evidence, threshold, confidence=confidence)

    def info(self) -> dict[str, Any]:
        """Return a description of the calibration as JSON can hold it."""
        evidence, low_high = self.evidence, self.ranges.shown.tolist()
        linear = self.score_map if isinstance(self.score_map, LogisticMap) else None
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            "method": self.options.method,
            "slope": linear and linear.slope,
            "offset": linear and linear.offset,
            "bounds": list(self.bounds),
            "measures": dict(zip(self.ranges.names, low_high, strict=True)),
            "trials": {
                "target": round(float(evidence.counts[evidence.is_target].sum())),
                "nontarget": round(float(evidence.counts[~evidence.is_target].sum())),
                "speakers": len(evidence.speakers),
                "versions": evidence.n_versions,
            },
        }


def fit_calibration(
    trials: CalibrationTrials, options: CalibrationOptions | None = None, **changes: Any
) -> Calibration:
    """Fit a calibration on scored trials whose speakers are known.

    Parameters
    ----------
    trials : CalibrationTrials
        Of speakers who are neither those of the background model nor those of a cohort.
    options : CalibrationOptions, optional
    **changes
        Fields of `CalibrationOptions`, in place of those of `options`: ``method``,
        ``training_prior``, ``shrinkage``, ``measures_scale``, ``n_folds``, ``seed``.

    Returns
    -------
    Calibration
        With ratios bounded to what the trials support (see `llr_bounds`), and the ratios of the
        trials by calibrations that did not see their speakers (see `cross_validated_llrs`) as
        evidence.

    Raises
    ------
    InsufficientDataError
        If there are fewer than 4 speakers, or target trials score no higher than nontarget ones.
    InvalidInputError
        If an option is out of range.

    References
    ----------
    .. [1] Brümmer, de Villiers, "The BOSARIS Toolkit: Theory, Algorithms and Code for Surviving the
       New DCF", 2013, arXiv:1304.2865.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> speakers = [f"s{n}" for n in range(6)]
    >>> models, tests = np.repeat(speakers, 60), np.tile(speakers, 60)
    >>> scores = rng.normal(np.where(models == tests, 3.0, 0.0))
    >>> calibration = fit_calibration(CalibrationTrials(scores, models == tests, models, tests))
    >>> calibration.llr([0.0, 1.5, 3.0]).round(1).tolist()
    [-3.5, 0.2, 4.4]
    """
    options = CalibrationOptions.of(options, changes)
    of_speakers = trials.model_index, trials.test_index
    ranges = MeasureRanges.seen(trials.measures, *of_speakers)
    measures = ranges.transformed(trials.measures, len(trials))
    score_map = fit_score_map(trials.scores, measures, trials.is_target, options)
    if not score_map.rises:
        raise InsufficientDataError(
            f"calibration trials: the {trials.n_target} target trials score no higher than the "
            f"{trials.n_nontarget} nontarget trials; are the labels right, and is a higher score "
            "in favour of the claimed speaker?"
        )
    llrs = cross_validated_llrs(trials, options)
    bounds = llr_bounds(llrs[trials.is_target], llrs[~trials.is_target])
    evidence = CalibrationEvidence.of(trials, llrs, seed=options.seed)
    watched = MeasureRanges.seen(trials.watched, *of_speakers) if trials.watched else None
    return Calibration(options, score_map, ranges, bounds, evidence, watched)


def check_disjoint_speakers(
    calibration: Calibration,
    models: Iterable[str],
    tests: Iterable[str] = (),
    *,
    force: bool = False,
) -> tuple[str, ...]:
    """Check that evaluation has other speakers than the calibration.

    Parameters
    ----------
    calibration : Calibration
    models, tests : iterable of str
        Names of the speakers of models and of test recordings.
    force : bool, default=False
        Return the names of the speakers that are shared in place of raising an error.

    Returns
    -------
    tuple of str
        The shared speakers, sorted; empty unless `force` is set.

    Raises
    ------
    InvalidInputError
        If a speaker is shared, and `force` is not set.
    """
    shared = sorted({*models, *tests} & set(calibration.speakers))
    if shared and not switch("force", force):
        named = ", ".join(map(repr, shared[:3])) + (", ..." if len(shared) > 3 else "")
        raise InvalidInputError(
            f"the calibration was fitted on {len(shared)} of the speakers of the evaluation "
            f"({named}); its error rates would be too low: calibrate on other speakers, or force it"
        )
    return tuple(shared)
