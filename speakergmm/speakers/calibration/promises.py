"""Promises: thresholds, and the error rates that other speakers can be expected to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, exp, floor, log, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import CannotPromiseError
from speakergmm.metrics import WorstGroup, wilson_interval, worst_groups
from speakergmm.ranges import number
from speakergmm.speakers.calibration.calibration_evidence import CalibrationEvidence

LEAST_ERRORS = 30
"""Errors that trials must be expected to contain before a rate of errors is promised."""

_LEAST_SPEAKERS = 5
_N_BOOTSTRAP = 400


@dataclass(frozen=True, slots=True)
class Promise:
    """A threshold, and the error rates of decisions by it.

    Parameters
    ----------
    threshold : float
        Log-likelihood ratio at and above which a claim is accepted.
    p_fa, p_miss : float
        Rates of false accepts and of misses in the trials of the calibration, whose ratios were
        cross-validated by speaker.
    p_fa_interval, p_miss_interval : tuple of float
        Range in which the rates of as many other speakers are expected.
    n_nontarget, n_target, n_speakers : int
        Numbers of trials and of speakers that the promise rests on.
    confidence : float
        Nominal coverage of the ranges.
    worst : tuple of WorstGroup
        The groups of trials with more misses and with more false accepts than others, as far as the
        trials tell; see `worst_groups`.
    """

    threshold: float
    p_fa: float
    p_fa_interval: tuple[float, float]
    p_miss: float
    p_miss_interval: tuple[float, float]
    n_nontarget: int
    n_target: int
    n_speakers: int
    confidence: float
    worst: tuple[WorstGroup, ...] = ()

    def holds_for(self, group: WorstGroup) -> bool:
        """Return whether the rate of a group lies in the range, or below it."""
        range_of = {"misses": self.p_miss_interval, "false accepts": self.p_fa_interval}
        return group.rate <= range_of[group.kind][1]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self) | {
            "p_fa_interval": list(self.p_fa_interval),
            "p_miss_interval": list(self.p_miss_interval),
            "worst": [{**each.to_dict(), "holds": self.holds_for(each)} for each in self.worst],
        }


@dataclass(frozen=True, slots=True)
class GroupRates:
    """Error rates of one group of trials at a threshold.

    Parameters
    ----------
    p_fa, p_miss : float or None
        None without trials of the kind.
    p_fa_interval, p_miss_interval : tuple of float or None
        As in `Promise`.
    n_nontarget, n_target : int
        Numbers of trials.
    """

    p_fa: float | None
    p_fa_interval: tuple[float, float] | None
    p_miss: float | None
    p_miss_interval: tuple[float, float] | None
    n_nontarget: int
    n_target: int


def threshold_for_rate(evidence: CalibrationEvidence, target_far: float) -> float:
    """Return the least threshold whose false-accept rate does not exceed a target.

    Parameters
    ----------
    evidence : CalibrationEvidence
    target_far : float
        Wanted rate of false accepts, between 0 and 1.

    Returns
    -------
    float
        A log-likelihood ratio, half-way between the last nontarget trial that is accepted and the
        first one that is not.

    Raises
    ------
    CannotPromiseError
        If there are fewer than `LEAST_ERRORS` / `target_far` nontarget trials, or too few speakers.

    References
    ----------
    .. [1] Doddington, Przybocki, Martin, Reynolds, "The NIST speaker recognition evaluation:
       Overview, methodology, systems, results, perspective", Speech Communication 31 (2000)
       225-254 (the rule of 30).
    """
    rate = number("target_far", target_far, above=0, below=1)
    counts = evidence.counts[~evidence.is_target]
    n_trials = round(counts.sum() / evidence.n_versions)
    needed = ceil(LEAST_ERRORS / rate - 1e-9)
    if n_trials < needed:
        raise CannotPromiseError(
            f"a false-accept rate of {100 * rate:.3g} % needs {needed:,} nontarget trials, of "
            f"which {LEAST_ERRORS} would be errors; the calibration has {n_trials:,}, which can "
            f"promise {_least_percentage(n_trials)}"
        )
    _check_speakers(evidence)
    llrs = evidence.nontarget
    order = np.argsort(-llrs, kind="stable")
    ordered, accepted = llrs[order], np.cumsum(counts[order])
    # Equal ratios are accepted together: the threshold lies between two different ones.
    n_allowed = int(np.searchsorted(accepted, rate * accepted[-1] * (1 + 1e-12), side="right"))
    first = ordered[n_allowed]
    higher = ordered[:n_allowed][ordered[:n_allowed] > first]
    return float((first + higher[-1]) / 2 if len(higher) else np.nextafter(first, np.inf))


def promise_at(
    evidence: CalibrationEvidence,
    threshold: float,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Promise:
    """Return the error rates at a threshold, with the ranges that other speakers will lie in.

    Parameters
    ----------
    evidence : CalibrationEvidence
    threshold : float
        Log-likelihood ratio.
    confidence : float, default=0.95
        Nominal coverage of the ranges.
    seed : int, default=0
        Seed of the resampling.

    Returns
    -------
    Promise

    Raises
    ------
    CannotPromiseError
        If there are too few speakers.
    InvalidInputError
        If the threshold is NaN, or the confidence is out of range.

    Notes
    -----
    Versions of a test recording count as one. The standard deviation of the log odds of a rate,
    times Student's quantile for the number of speakers (a percentile interval of few speakers is
    too narrow) and times the root of 2 (the rate of other speakers varies as much as this one), is
    half of the range. For misses, speakers are drawn with replacement, and of each drawn speaker's
    trials as many, with replacement (two levels). A nontarget trial has two speakers, and drawing
    both counts the variance of trials several times [1]_: for false accepts, each speaker in turn
    is left out, as model and as test (the jackknife). Of few errors, Wilson's interval of
    independent trials may be wider, and is then the range: no rate is promised to be 0.

    In simulations of 8 to 30 speakers with effects of speakers and recordings, ranges of nominally
    95 % held the true rate in 98 % of the draws or more, and the rate of as many other speakers in
    91 to 99 %.

    References
    ----------
    .. [1] Owen, "The Pigeonhole Bootstrap", Annals of Applied Statistics 1 (2007) 386-411.
    """
    _check_speakers(evidence)
    number("confidence", confidence, above=0, below=1)
    decided = evidence.decided(threshold)
    wrong = decided.wrong
    everything = np.ones(len(wrong), dtype=bool)
    rates = _rates(evidence, wrong, everything, confidence, seed)
    assert rates.p_fa is not None
    assert rates.p_miss is not None
    assert rates.p_fa_interval is not None
    assert rates.p_miss_interval is not None
    return Promise(
        float(threshold),
        rates.p_fa,
        rates.p_fa_interval,
        rates.p_miss,
        rates.p_miss_interval,
        rates.n_nontarget,
        rates.n_target,
        len(evidence.speakers),
        confidence,
        worst_groups(decided, evidence.columns),
    )


def rates_by_group(
    evidence: CalibrationEvidence,
    threshold: float,
    column: str,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Mapping[str, GroupRates]:
    """Return the error rates of each group of a column at a threshold.

    Parameters
    ----------
    evidence : CalibrationEvidence
    threshold : float
        Log-likelihood ratio.
    column : str
        Column of the trial list, such as ``"sex"``.
    confidence, seed
        As for `promise_at`.

    Returns
    -------
    dict of str to GroupRates

    Raises
    ------
    InvalidInputError
        If there is no such column, or the threshold is NaN.
    """
    wrong = evidence.decided(threshold).wrong
    return {
        name: _rates(evidence, wrong, rows, confidence, seed)
        for name, rows in evidence.groups(column).items()
    }


def check_threshold(evidence: CalibrationEvidence, threshold: float) -> None:
    """Raise an error if the trials are too few for the rates that calibrated ratios have there.

    Of calibrated ratios, no more than exp(-t) of the nontarget trials reach a threshold t, and no
    more than exp(t) of the target trials stay below: `LEAST_ERRORS` of the rarer errors are needed.

    Parameters
    ----------
    evidence : CalibrationEvidence
    threshold : float
        Log-likelihood ratio.

    Raises
    ------
    CannotPromiseError
        If there are fewer trials; the message says how many are needed.
    """
    needed = ceil(LEAST_ERRORS * exp(min(abs(threshold), 700.0)) - 1e-9)
    kind, rows = (
        ("nontarget", ~evidence.is_target) if threshold > 0 else ("target", evidence.is_target)
    )
    n_trials = round(evidence.counts[rows].sum() / evidence.n_versions)
    if n_trials < needed:
        raise CannotPromiseError(
            f"a threshold of {threshold:.2f} needs {needed:,} {kind} trials, of which up to "
            f"{LEAST_ERRORS} would be errors; the calibration has {n_trials:,}"
        )


def _least_percentage(n_trials: int) -> str:
    """Return the least rate that trials can promise, rounded up: it is not refused in turn."""
    if n_trials <= LEAST_ERRORS:
        return "no rate"
    percentage = 100 * LEAST_ERRORS / n_trials
    step = 10.0 ** (floor(log10(percentage)) - 1)  # two digits
    return f"{ceil(percentage / step - 1e-9) * step:.3g} % or more"


def _check_speakers(evidence: CalibrationEvidence) -> None:
    n_speakers = len(evidence.speakers)
    if n_speakers < _LEAST_SPEAKERS:
        raise CannotPromiseError(
            f"error rates of other speakers need trials of at least {_LEAST_SPEAKERS} speakers; "
            f"the calibration has {n_speakers}"
        )


def _rates(
    evidence: CalibrationEvidence,
    wrong: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    confidence: float,
    seed: int,
) -> GroupRates:
    """Return the error rates of some trials, and their ranges."""
    found: list[Any] = []
    for target in (False, True):
        chosen = np.flatnonzero(rows & (evidence.is_target == target))
        counts = evidence.counts[chosen]
        # Versions of one recording are no further recordings.
        n_trials = max(1, round(counts.sum() / evidence.n_versions)) if len(counts) else 0
        if not n_trials:
            found += [None, None, 0]
            continue
        rate = float(counts @ wrong[chosen] / counts.sum())
        spread = (
            _spread_over_replicates(evidence, wrong, chosen, seed)
            if target
            else _spread_without_each(evidence, wrong, chosen)
        )
        found += [rate, _interval(rate, n_trials, spread, evidence, confidence), n_trials]
    p_fa, fa_interval, n_nontarget, p_miss, miss_interval, n_target = found
    return GroupRates(p_fa, fa_interval, p_miss, miss_interval, n_nontarget, n_target)


def _interval(
    rate: float,
    n_trials: int,
    spread: float,
    evidence: CalibrationEvidence,
    confidence: float,
) -> tuple[float, float]:
    from scipy.special import stdtrit

    independent = wilson_interval(round(rate * n_trials), n_trials, confidence=confidence)
    centre = _log_odds(rate, n_trials)
    half = stdtrit(len(evidence.speakers) - 1, 0.5 + confidence / 2) * spread * sqrt(2)
    low, high = (1 / (1 + exp(-min(max(centre + side * half, -700.0), 700.0))) for side in (-1, 1))
    return min(low, independent.low, rate), max(high, independent.high, rate)


def _log_odds(rate: Any, n_trials: Any) -> Any:
    """Return the log odds of rates, of which half a trial more of both kinds is counted."""
    errors = rate * n_trials
    return np.log((errors + 0.5) / (n_trials - errors + 0.5))


def _spread_over_replicates(
    evidence: CalibrationEvidence,
    wrong: NDArray[np.bool_],
    chosen: NDArray[np.intp],
    seed: int,
) -> float:
    """Return the standard deviation of the log odds of misses over replicates of two levels."""
    n_speakers = len(evidence.speakers)
    counts, models = evidence.counts[chosen], evidence.models[chosen]
    n_of = np.bincount(models, counts, n_speakers)
    errors_of = np.bincount(models, counts * wrong[chosen], n_speakers)
    tried = n_of > 0
    n_of, errors_of = n_of[tried], errors_of[tried]
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=_N_BOOTSTRAP)
    times = drawn[:, tried]
    # Within a speaker, trials are drawn with replacement: the errors are binomial.
    within = rng.binomial(np.rint(n_of).astype(np.int64), errors_of / n_of, size=times.shape)
    totals, errors = times @ n_of, (times * within).sum(axis=1)
    kept = totals > 0
    return float(np.std(_log_odds(errors[kept] / totals[kept], n_of.sum())))


def _spread_without_each(
    evidence: CalibrationEvidence, wrong: NDArray[np.bool_], chosen: NDArray[np.intp]
) -> float:
    """Return the jackknife's standard deviation of the log odds of false accepts."""
    n_speakers = len(evidence.speakers)
    counts = evidence.counts[chosen]
    totals, errors = (
        values.sum()
        - np.bincount(evidence.models[chosen], values, n_speakers)
        - np.bincount(evidence.tests[chosen], values, n_speakers)
        for values in (counts, counts * wrong[chosen])
    )
    kept = totals > 0  # one speaker may take part in all trials
    log_odds = _log_odds(errors[kept] / totals[kept], totals[kept])
    return float(np.std(log_odds) * sqrt(max(int(kept.sum()) - 1, 0)))


def bayes_threshold(prior: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the log-likelihood ratio at which accepting and rejecting cost the same.

    Parameters
    ----------
    prior : float
        Prior probability that the claim is true, between 0 and 1.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false accept, > 0.

    Returns
    -------
    float

    Examples
    --------
    >>> bayes_threshold(0.5), round(bayes_threshold(0.01), 3)
    (0.0, 4.595)
    """
    prior = number("prior", prior, above=0, below=1)
    number("c_miss", c_miss, above=0)
    number("c_fa", c_fa, above=0)
    return log(c_fa * (1 - prior)) - log(c_miss * prior)
