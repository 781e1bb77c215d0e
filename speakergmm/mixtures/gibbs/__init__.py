"""Dirichlet-process mixtures by collapsed Gibbs sampling: the data say how many clusters there are.

`sampling` is the entrance; `prior` the conjugate priors and marginal likelihoods, `state` a
partition whose factors are kept up to date, `kernels` its compiled sweeps, `chain` one chain,
`samples`, `partitions` and `diagnostics` what is made of several.
"""

from speakergmm.mixtures.gibbs.chain import GammaPrior
from speakergmm.mixtures.gibbs.normal_inverse_wishart import NormalInverseWishart
from speakergmm.mixtures.gibbs.samples import DirichletProcessSamples
from speakergmm.mixtures.gibbs.sampling import GibbsSweep, sample_dirichlet_process

__all__ = [
    "DirichletProcessSamples",
    "GammaPrior",
    "GibbsSweep",
    "NormalInverseWishart",
    "sample_dirichlet_process",
]
