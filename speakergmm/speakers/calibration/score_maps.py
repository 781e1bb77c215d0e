"""Maps from scores and measures to log-likelihood ratios: logistic regression, isotonic steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.metrics import pav_calibration
from speakergmm.speakers.calibration.calibration_options import CalibrationOptions

Float = NDArray[np.float64]


class ScoreMap(ABC):
    """A map from scores and transformed measures to natural log-likelihood ratios."""

    # The record of a calibration contains which kind of map it is.
    record_has_kinds: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, scores: Float, measures: Float) -> Float:
        """Return the ratios, shape (N,), of scores (N,) and transformed measures (N, J)."""

    @property
    @abstractmethod
    def rises(self) -> bool:
        """True if a higher score has a higher ratio, at average measures."""


@dataclass(frozen=True, slots=True, eq=False)
class LogisticMap(ScoreMap):
    """A log-likelihood ratio that is linear in the score and the measures.

    Parameters
    ----------
    centre, scale : float
        Mean and deviation of the scores, both kinds of trial weighted the same.
    measure_centres, measure_scales : array, shape (J,)
        Mean and deviation of the transformed measures.
    coefficients : array, shape (P,)
        Of 1, the standardised score, and the J standardised measures; then of the products of score
        and measures, if measures change the slope.
    """

    centre: float
    scale: float
    measure_centres: Annotated[Float, "J"]
    measure_scales: Annotated[Float, "J"]
    coefficients: Annotated[Float, "P"]

    def __post_init__(self) -> None:
        n_measures, width = len(self.measure_centres), len(self.coefficients)
        if width not in (2 + n_measures, 2 + 2 * n_measures):
            raise InvalidInputError(f"{width} coefficients do not fit {n_measures} measures")
        numbers = (self.measure_centres, self.measure_scales, self.coefficients)
        finite = np.isfinite([self.centre, self.scale, *np.concatenate(numbers)]).all()
        if not finite or self.scale <= 0 or (self.measure_scales <= 0).any():
            raise InvalidInputError("coefficients must be finite, and scales above 0")

    @property
    def slope(self) -> float:
        """Change of the ratio per unit of the score, at average measures."""
        return float(self.coefficients[1]) / self.scale

    @property
    def offset(self) -> float:
        """Log-likelihood ratio of the score 0, at average measures."""
        return float(self.coefficients[0]) - self.slope * self.centre

    @property
    def rises(self) -> bool:
        """True if the slope is above 0."""
        return self.slope > 0

    def __call__(self, scores: Float, measures: Float) -> Float:
        """Return the ratios of scores and transformed measures; slopes are not negative."""
        z = (measures - self.measure_centres) / self.measure_scales
        n_measures = z.shape[1]
        offset = self.coefficients[0] + z @ self.coefficients[2 : 2 + n_measures]
        slope = self.coefficients[1] + z @ _padded(self.coefficients[2 + n_measures :], n_measures)
        scaled = (scores - self.centre) / self.scale
        with np.errstate(invalid="ignore"):  # a slope of 0 times an infinite score
            return np.asarray(offset + np.nan_to_num(np.maximum(slope, 0.0) * scaled, nan=0.0,
                                                     posinf=np.inf, neginf=-np.inf))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class StepMap(ScoreMap):
    """A log-likelihood ratio that rises in steps with the score, and knows no measures.

    Parameters
    ----------
    scores : array, shape (S,)
        Lowest score of each step, rising; lower scores belong to the first step.
    llrs : array, shape (S,)
        Log-likelihood ratio of each step, rising.
    """

    scores: Annotated[Float, "S"]
    llrs: Annotated[Float, "S"]

    def __post_init__(self) -> None:
        if self.scores.shape != self.llrs.shape or not len(self.scores):
            raise InvalidInputError("each step must have a score and a ratio")
        for values in (self.scores, self.llrs):
            if not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
                raise InvalidInputError("scores and ratios of steps must be finite and rise")

    @property
    def rises(self) -> bool:
        """True if there is more than one step."""
        return len(self.llrs) > 1

    def __call__(self, scores: Float, measures: Float) -> Float:
        """Return the ratios of scores, whatever the measures are."""
        step = np.searchsorted(self.scores, scores, side="right") - 1
        return np.asarray(self.llrs[np.maximum(step, 0)])


def fit_step_map(scores: Float, is_target: NDArray[np.bool_]) -> StepMap:
    """Fit steps of log-likelihood ratios by pooling adjacent violators.

    Parameters
    ----------
    scores : array, shape (N,)
        Finite.
    is_target : array of bool, shape (N,)
        Trials of both kinds.

    Returns
    -------
    StepMap

    Notes
    -----
    Isotonic regression of [1]_ on the trials and on one more of each kind, which misleads as far
    as possible: a target trial below all scores and a nontarget trial above them. Otherwise the
    ratios of the first and the last step would be 0 and infinite where scores do not overlap.

    References
    ----------
    .. [1] Brümmer, du Preez, "Application-Independent Evaluation of Speaker Detection", Computer
       Speech and Language 20 (2006) 230-275, section 7.
    """
    lowest, highest = scores.min(), scores.max()
    distance = max(highest - lowest, 1.0)
    steps = pav_calibration(
        np.append(scores[is_target], lowest - distance),
        np.append(scores[~is_target], highest + distance),
    )
    return StepMap(steps.scores, steps.llrs)


def _padded(values: Float, length: int) -> Float:
    return values if len(values) else np.zeros(length)


def fit_logistic_map(
    scores: Float,
    measures: Float,
    is_target: NDArray[np.bool_],
    options: CalibrationOptions,
) -> LogisticMap:
    """Fit a linear log-likelihood ratio by prior-weighted logistic regression with shrinkage.

    Parameters
    ----------
    scores : array, shape (N,)
    measures : array, shape (N, J)
        Transformed measures.
    is_target : array of bool, shape (N,)
        Trials of both kinds.
    options : CalibrationOptions

    Returns
    -------
    LogisticMap

    Raises
    ------
    InsufficientDataError
        If the regression does not end, which finite data do not cause.

    Notes
    -----
    The weighted cross-entropy of [1]_, in which each kind of trial has the weight of its prior,
    plus ``shrinkage / (2 n)`` times the squares of all coefficients but the constant one; n is the
    number of trials of the rarer kind. That is the mode under a Gaussian prior of precision
    `shrinkage`, as in [2]_: separable scores have finite ratios, and the prior fades as trials
    become many. Scores are standardised with both kinds weighted the same, so that neither unit nor
    proportions of the trials matter.

    References
    ----------
    .. [1] Brümmer, de Villiers, "The BOSARIS Toolkit: Theory, Algorithms and Code for Surviving the
       New DCF", 2013, arXiv:1304.2865.
    .. [2] Morrison, Poh, "Avoiding Overstating the Strength of Forensic Evidence: Shrunk Likelihood
       Ratios/Bayes Factors", Science & Justice 58 (2018) 200-218.
    """
    kinds = scores[is_target], scores[~is_target]
    centre = (kinds[0].mean() + kinds[1].mean()) / 2
    scale = float(np.sqrt(sum(np.mean((kind - centre) ** 2) for kind in kinds) / 2))
    centres = measures.mean(axis=0)
    scales = measures.std(axis=0)
    # Measures that do not vary: their coefficients are shrunk to exactly 0.
    scales = np.where(scales > 1e-9 * (1 + abs(centres)), scales, 1.0)
    z = (measures - centres) / scales
    z[:, measures.std(axis=0) <= 1e-9 * (1 + abs(centres))] = 0.0
    scaled = (scores - centre) / (scale or 1.0)
    products = [z * scaled[:, None]] if options.measures_scale else []
    design = np.column_stack([np.ones(len(scores)), scaled, z, *products])
    penalty = np.full(design.shape[1], options.shrinkage / min(map(len, kinds)))
    penalty[0] = 0.0
    found = _minimise(design, is_target, options.training_prior, penalty)
    return LogisticMap(float(centre), scale or 1.0, centres, scales, found)


def _minimise(design: Float, is_target: NDArray[np.bool_], prior: float, penalty: Float) -> Float:
    """Return the coefficients of the least penalised, prior-weighted cross-entropy."""
    from scipy.optimize import minimize
    from scipy.special import expit

    sign = np.where(is_target, 1.0, -1.0)
    n_target = int(is_target.sum())
    weights = np.where(is_target, prior / n_target, (1 - prior) / (len(sign) - n_target))
    prior_log_odds = np.log(prior / (1 - prior))

    def objective(coefficients: Float) -> tuple[float, Float]:
        margin = sign * (design @ coefficients + prior_log_odds)
        loss = weights @ np.logaddexp(0.0, -margin) + penalty @ coefficients**2 / 2
        slopes = -weights * sign * expit(-margin)
        return float(loss), np.asarray(slopes @ design + penalty * coefficients)

    def curvature(coefficients: Float) -> Float:
        log_odds = design @ coefficients + prior_log_odds
        spread = weights * expit(log_odds) * expit(-log_odds)
        return np.asarray((design * spread[:, None]).T @ design + np.diag(penalty))

    # Convex, with few unknowns: Newton's steps within a region of trust.
    start = np.zeros(design.shape[1])
    found = minimize(
        objective, start, jac=True, hess=curvature, method="trust-exact",
        options={"gtol": 1e-9, "maxiter": 200},
    )  # fmt: skip
    if not np.isfinite(found.x).all() or np.abs(found.jac).max() > 1e-5:
        raise InsufficientDataError(f"the calibration did not converge: {found.message}")
    return np.asarray(found.x)
