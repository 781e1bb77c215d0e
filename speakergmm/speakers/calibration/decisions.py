"""Decisions and words: what a calibrated log-likelihood ratio says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isnan, log

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number
from speakergmm.speakers.calibration.promises import bayes_threshold

# Upper ends of the ranges of a likelihood ratio, and the support that it gives.
_SCALE = (
    (2.0, None),
    (10.0, "weak"),
    (100.0, "moderate"),
    (1_000.0, "moderately strong"),
    (10_000.0, "strong"),
    (1_000_000.0, "very strong"),
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A ratio, its words, and the decision if one was asked for.

    Parameters
    ----------
    llr : float
        Log-likelihood ratio, natural logarithm.
    verbal : str
        The ratio in words; see `verbal_scale`.
    threshold : float or None
        Ratio at and above which the claim is accepted.
    accepted : bool or None
        The decision; None without a threshold.
    prior, posterior : float or None
        Probability that the claim is true before and after the recording, if a prior was given.
    """

    llr: float
    verbal: str
    threshold: float | None = None
    accepted: bool | None = None
    prior: float | None = None
    posterior: float | None = None


def verbal_scale(llr: float) -> str:
    """Return a log-likelihood ratio in words.

    Parameters
    ----------
    llr : float
        Natural logarithm; infinite ratios are allowed.

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If it is NaN.

    References
    ----------
    .. [1] ENFSI, "Guideline for evaluative reporting in forensic science", 2015, section 2.4 and
       note 4 (ranges of the ratio and their words).

    Examples
    --------
    >>> verbal_scale(5.0)
    'moderately strong support for the same speaker'
    >>> verbal_scale(0.3)
    'no support for either side'
    """
    _check_ratio(llr)
    size = abs(llr)
    side = "the same speaker" if llr > 0 else "different speakers"
    for end, words in _SCALE:
        if size < log(end):
            return f"{words} support for {side}" if words else "no support for either side"
    return f"extremely strong support for {side}"


def _check_ratio(llr: float) -> None:
    if isnan(llr):
        raise InvalidInputError("a log-likelihood ratio must be a number, found nan")


def posterior(llr: float, prior: float) -> float:
    """Return the probability that a claim is true, given its ratio and its prior.

    Parameters
    ----------
    llr : float
        Log-likelihood ratio, natural logarithm.
    prior : float
        Between 0 and 1.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If the ratio is NaN, or the prior is out of range.

    Examples
    --------
    >>> round(posterior(4.595, 0.01), 3), posterior(float("inf"), 0.5)
    (0.5, 1.0)
    """
    _check_ratio(llr)
    odds = llr + log(number("prior", prior, above=0, below=1)) - log(1 - prior)
    return 1 / (1 + exp(-odds)) if odds > -700 else 0.0


def decide(
    llr: float,
    *,
    threshold: float | None = None,
    prior: float | None = None,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> Decision:
    """Return the words of a ratio, and a decision by a threshold or by a prior and costs.

    Parameters
    ----------
    llr : float
        Calibrated log-likelihood ratio, natural logarithm.
    threshold : float, optional
        Ratio at and above which the claim is accepted; with a prior as well, it takes the place of
        the one that follows from it.
    prior : float, optional
        Prior probability that the claim is true.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false accept, > 0.

    Returns
    -------
    Decision

    Raises
    ------
    InvalidInputError
        If the ratio or the threshold is NaN, or an option is out of range.

    Examples
    --------
    >>> decide(2.0, prior=0.5).accepted, decide(2.0, prior=0.01).accepted
    (True, False)
    """
    verbal = verbal_scale(llr)
    if threshold is None and prior is not None:
        threshold = bayes_threshold(prior, c_miss, c_fa)
    if threshold is not None and isnan(threshold):
        raise InvalidInputError("threshold must be a number, found nan")
    return Decision(
        float(llr),
        verbal,
        threshold,
        None if threshold is None else bool(llr >= threshold),
        prior,
        None if prior is None else posterior(llr, prior),
    )


@dataclass(frozen=True, slots=True)
class OpenSetDecision:
    """The decision who of several speakers talks, or none of them.

    Parameters
    ----------
    speaker : str or None
        The best speaker; None if nobody is accepted.
    ratio : float
        Log-likelihood ratio of the best speaker (or score, without calibration).
    margin : float or None
        Its distance from that of the next one; None if there is no other.
    threshold : float or None
        Ratio that the best speaker must reach; None if no decision was asked for.
    posteriors : dict of str to float
        Probability of each speaker, if a prior was given; the rest is that of somebody unknown.
    """

    speaker: str | None
    ratio: float
    margin: float | None
    threshold: float | None
    posteriors: dict[str, float]


def decide_open_set(
    ratios: Mapping[str, float],
    *,
    n_speakers: int | None = None,
    threshold: float | None = None,
    prior_known: float | None = None,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> OpenSetDecision:
    """Decide who of several speakers talks, or nobody of them.

    Parameters
    ----------
    ratios : mapping of str to float
        Calibrated log-likelihood ratios of the best speakers; without a prior, any scores.
    n_speakers : int, optional
        Number of all speakers, if more were compared than are given; each of the others counts as
        the last of these.
    threshold : float, optional
        Ratio that the best speaker must reach, in place of the one that follows from the prior.
    prior_known : float, optional
        Prior probability that one of them talks; they share it equally.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false accept, > 0.

    Returns
    -------
    OpenSetDecision

    Raises
    ------
    InvalidInputError
        If there is no speaker, a ratio is NaN, or an option is out of range.

    Examples
    --------
    >>> found = decide_open_set({"ana": 6.0, "bea": 1.0}, prior_known=0.5)
    >>> found.speaker, found.margin, round(found.posteriors["ana"], 3)
    ('ana', 5.0, 0.988)
    """
    if not ratios:
        raise InvalidInputError("there must be at least one speaker to decide on")
    for name, ratio in ratios.items():
        if isnan(ratio):
            raise InvalidInputError(f"the ratio of {name!r} must be a number, found nan")
    order = sorted(ratios, key=lambda name: (-ratios[name], name))
    n_speakers = max(n_speakers or 0, len(order))
    posteriors = {}
    if prior_known is not None:
        share = number("prior_known", prior_known, above=0, below=1) / n_speakers
        if threshold is None:
            threshold = bayes_threshold(share, c_miss, c_fa)
        posteriors = _posteriors(ratios, share, 1 - prior_known, n_speakers - len(order))
    best = ratios[order[0]]
    others = [ratios[name] for name in order[1:]]
    return OpenSetDecision(
        order[0] if threshold is None or best >= threshold else None,
        best,
        (0.0 if best == others[0] else best - others[0]) if others else None,
        threshold,
        posteriors,
    )


def _posteriors(
    ratios: Mapping[str, float], share: float, unknown: float, n_others: int
) -> dict[str, float]:
    """Return the probability of each speaker; others have the lowest of these ratios."""
    # Odds of each speaker to nobody, over the largest of them, so that none overflows.
    logs = {name: min(max(llr, -1e300), 1e300) + log(share) for name, llr in ratios.items()}
    top = max(log(unknown), *logs.values())
    total = exp(log(unknown) - top) + sum(exp(value - top) for value in logs.values())
    total += n_others * exp(min(logs.values()) - top)
    return {name: exp(value - top) / total for name, value in logs.items()}
