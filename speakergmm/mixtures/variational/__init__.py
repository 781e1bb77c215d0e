"""Variational inference of Gaussian mixtures: a distribution over mixtures instead of one.

`prior` and `posterior` are its two ends, `update` the step between them with the formulas of
`closed_form`, `bound` the evidence lower bound, `training` the whole fit, `predictive` the density
of new frames; `wishart` and `weights` are the distributions of precisions and weights that the
others are made of.
"""

from speakergmm.mixtures.variational.bound import evidence_lower_bound
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.predictive import predictive_log_density
from speakergmm.mixtures.variational.update import update_variational
from speakergmm.mixtures.variational.variational_prior import VariationalPrior
from speakergmm.mixtures.variational.variational_training import (
    VariationalResult,
    train_variational,
)

__all__ = [
    "VariationalPosterior",
    "VariationalPrior",
    "VariationalResult",
    "evidence_lower_bound",
    "predictive_log_density",
    "train_variational",
    "update_variational",
]
