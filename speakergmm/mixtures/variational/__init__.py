"""Variational inference of Gaussian mixtures: a distribution over mixtures instead of one.

`train_variational` fits a `VariationalPosterior` under a `VariationalPrior`; `update_variational`
is one step of it, with the formulas of `posterior_from_statistics`; `evidence_lower_bound` is what
the steps raise, and `predictive_log_density` the density of new frames. The precisions have Wishart
distributions (`WishartFactors`), the weights a Dirichlet distribution or a stick-breaking process.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.mixtures.mixture_options import VariationalOptions as VariationalOptions
    from speakergmm.mixtures.variational.bound import evidence_lower_bound as evidence_lower_bound
    from speakergmm.mixtures.variational.bound import expected_log_joint as expected_log_joint
    from speakergmm.mixtures.variational.bound import parameter_divergence as parameter_divergence
    from speakergmm.mixtures.variational.bound import (
        responsibility_entropy as responsibility_entropy,
    )
    from speakergmm.mixtures.variational.closed_form import (
        posterior_from_moments as posterior_from_moments,
    )
    from speakergmm.mixtures.variational.closed_form import (
        posterior_from_statistics as posterior_from_statistics,
    )
    from speakergmm.mixtures.variational.closed_form import prior_as_posterior as prior_as_posterior
    from speakergmm.mixtures.variational.default_prior import (
        default_prior_covariance as default_prior_covariance,
    )
    from speakergmm.mixtures.variational.posterior import (
        VariationalPosterior as VariationalPosterior,
    )
    from speakergmm.mixtures.variational.predictive import (
        predictive_log_density as predictive_log_density,
    )
    from speakergmm.mixtures.variational.update import update_variational as update_variational
    from speakergmm.mixtures.variational.variational_prior import (
        VariationalPrior as VariationalPrior,
    )
    from speakergmm.mixtures.variational.variational_training import (
        VariationalResult as VariationalResult,
    )
    from speakergmm.mixtures.variational.variational_training import (
        train_variational as train_variational,
    )
    from speakergmm.mixtures.variational.weights import expected_log_weights as expected_log_weights
    from speakergmm.mixtures.variational.weights import expected_weights as expected_weights
    from speakergmm.mixtures.variational.weights import (
        posterior_concentrations as posterior_concentrations,
    )
    from speakergmm.mixtures.variational.weights import weight_divergence as weight_divergence
    from speakergmm.mixtures.variational.wishart import WishartFactors as WishartFactors

__getattr__, __dir__ = lazy_names(__name__)
