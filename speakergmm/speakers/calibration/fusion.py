"""Fusion: the scores of several systems on the same trials become one log-likelihood ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Scores, in_order_of
from speakergmm.speakers.calibration.calibration_options import CalibrationOptions
from speakergmm.speakers.calibration.score_maps import LogisticMap, fit_logistic_map


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """A weighted sum of the scores of several systems, fitted by `fit_fusion`.

    Parameters
    ----------
    score_map : LogisticMap
        Of the first system's scores, with those of the others in the place of measures.
    """

    score_map: LogisticMap

    @property
    def n_systems(self) -> int:
        """Number of systems."""
        return 1 + len(self.score_map.measure_centres)

    def fuse(self, scores: Sequence[Scores]) -> Scores:
        """Return natural log-likelihood ratios of trials, in the order of the first system's.

        Parameters
        ----------
        scores : sequence of Scores
            Of the same trials, by the systems of `fit_fusion` in their order. Labels and conditions
            are those of the first.

        Raises
        ------
        InvalidInputError
            If the number of systems is another, or their trials differ.
        """
        if len(scores) != self.n_systems:
            raise InvalidInputError(
                f"the fusion takes scores of {self.n_systems} systems, found {len(scores)}"
            )
        first, others = _columns(scores)
        return replace(scores[0], scores=self.score_map(first, others))


def fit_fusion(scores: Sequence[Scores], options: CalibrationOptions | None = None) -> Fusion:
    """Fit weights of the scores of several systems on trials whose labels are known.

    Parameters
    ----------
    scores : sequence of Scores
        Labelled scores of the same trials by two or more systems, in any order of trials.
    options : CalibrationOptions, optional
        Prior and shrinkage of the regression.

    Returns
    -------
    Fusion

    Raises
    ------
    InvalidInputError
        If there are fewer than two systems, or their trials or labels differ, or there are no
        trials of one kind.

    Notes
    -----
    Linear logistic regression, weighted by the prior, as in [1]_ and as `fit_calibration` fits one
    score. What is fused can be calibrated like any other score, say by measures of quality.

    References
    ----------
    .. [1] Brümmer et al., "Fusion of Heterogeneous Speaker Recognition Systems in the STBU
       Submission for the NIST Speaker Recognition Evaluation 2006", IEEE Transactions on Audio,
       Speech, and Language Processing 15 (2007) 2072-2084.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> models, paths = np.repeat(["ann", "bob"], 50), [f"{n}.wav" for n in range(100)]
    >>> labels = np.tile(["target", "nontarget"], 50)
    >>> means = np.where(labels == "target", 1.0, -1.0)
    >>> a, b = (Scores(models, paths, rng.normal(means), labels) for _ in range(2))
    >>> fused = fit_fusion([a, b]).fuse([a, b])
    >>> from speakergmm.metrics import evaluate
    >>> [f"{evaluate(each, n_bootstrap=0)['eer_linear'].value:.2f}" for each in (a, b, fused)]
    ['0.20', '0.20', '0.14']
    """
    if len(scores) < 2:
        raise InvalidInputError(f"fusion takes scores of two systems or more, found {len(scores)}")
    first, others = _columns(scores)
    is_target = scores[0].is_target
    if is_target.all() or not is_target.any():
        kind = "target" if is_target.all() else "nontarget"
        raise InvalidInputError(f"fusion learns from trials of both kinds; all are {kind} trials")
    options = CalibrationOptions.of(options, {"measures_scale": False})
    return Fusion(fit_logistic_map(first, others, is_target, options))


def _columns(scores: Sequence[Scores]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first system's scores (N,) and those of the others (N, S - 1), trial by trial."""
    found = [np.asarray(scores[0].scores, np.float64)]
    found += [np.asarray(in_order_of(scores[0], each).scores, np.float64) for each in scores[1:]]
    for number, column in enumerate(found):
        if not np.isfinite(column).all():
            raise InvalidInputError(
                f"system {number + 1}: {int((~np.isfinite(column)).sum())} scores are not finite"
            )
    return found[0], np.column_stack(found[1:])
