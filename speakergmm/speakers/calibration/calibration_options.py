"""Options of calibration and of the promises that it makes.

The commands derive their options from these classes at every start, so that nothing heavy is
imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from speakergmm.options import Options, one_of, real, whole, yes_no

CalibrationMethod = Literal["logistic", "pav"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions(Options):
    """Options of the calibration of scores.

    Parameters
    ----------
    method : {"logistic", "pav"}, default="logistic"
        Prior-weighted logistic regression, or pool adjacent violators, to whose ratios neither
        measures nor the next three options matter.
    training_prior : float, default=0.5
        Prior of a target trial by which the regression weighs the two kinds of trial; a small one
        fits the range of high ratios more closely.
    shrinkage : float, default=0.1
        Precision of the Gaussian prior of the coefficients of standardised scores and measures,
        > 0; the trials of the rarer kind weigh against it. Large values shrink all
        log-likelihood ratios towards 0.
    measures_scale : bool, default=True
        Whether measures change the slope of the scores as well as their offset.
    n_folds : int, default=10
        Number of groups of speakers in cross-validation, at least 4; with fewer speakers, each is a
        group.
    seed : int, default=0
        Seed of the assignment of speakers to groups, and of thinned evidence.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    method: CalibrationMethod = one_of(
        "logistic", get_args(CalibrationMethod), "Logistic regression, or isotonic steps (PAV)."
    )
    training_prior: float = real(
        0.5, "Prior of a target trial that weighs the calibration trials.", above=0, below=1
    )
    # Chosen on the dev lists of two corpora, where Cllr cross-validated by speaker is least from
    # 0.05 to 0.3. Cross-validation could not choose it where scores are separable.
    shrinkage: float = real(
        0.1, "Strength by which ratios are shrunk towards 1, in trials of the rarer kind.", above=0
    )
    # On the dev lists of two corpora, each in six conditions, Cllr is lower in nearly all of them.
    measures_scale: bool = yes_no(
        True, "Measures of quality change the slope of the scores, too, and not only the offset."
    )
    n_folds: int = whole(10, "Groups of speakers in cross-validation.", least=4)
    seed: int = whole(0, "Seed of the groups of speakers.", least=0)
