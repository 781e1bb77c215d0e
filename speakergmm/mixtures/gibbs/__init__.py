"""Dirichlet-process mixtures by collapsed Gibbs sampling: the data decide the number of clusters.

`sample_dirichlet_process` runs several chains and returns `DirichletProcessSamples`. Clusters have
the conjugate prior `NormalInverseWishart`, and their concentration may have a `GammaPrior`. A
`Chain` changes its `PartitionState` by compiled sweeps. `least_squares_partition` and
`coclustering` summarise the partitions that the chains have visited, and `r_hat` and
`effective_sample_size` measure whether the chains agree.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.mixtures.gibbs.chain import Chain as Chain
    from speakergmm.mixtures.gibbs.chain import draw_concentration as draw_concentration
    from speakergmm.mixtures.gibbs.chain import initial_labels as initial_labels
    from speakergmm.mixtures.gibbs.chain_diagnostics import (
        effective_sample_size as effective_sample_size,
    )
    from speakergmm.mixtures.gibbs.chain_diagnostics import r_hat as r_hat
    from speakergmm.mixtures.gibbs.gamma_prior import GammaPrior as GammaPrior
    from speakergmm.mixtures.gibbs.normal_inverse_wishart import (
        NormalInverseWishart as NormalInverseWishart,
    )
    from speakergmm.mixtures.gibbs.partition_state import PartitionState as PartitionState
    from speakergmm.mixtures.gibbs.partition_state import make_tables as make_tables
    from speakergmm.mixtures.gibbs.partitions import coclustering as coclustering
    from speakergmm.mixtures.gibbs.partitions import (
        least_squares_partition as least_squares_partition,
    )
    from speakergmm.mixtures.gibbs.partitions import log_partition_prior as log_partition_prior
    from speakergmm.mixtures.gibbs.partitions import name_by_appearance as name_by_appearance
    from speakergmm.mixtures.gibbs.partitions import name_by_size as name_by_size
    from speakergmm.mixtures.gibbs.partitions import split_by_label as split_by_label
    from speakergmm.mixtures.gibbs.samples import DirichletProcessSamples as DirichletProcessSamples
    from speakergmm.mixtures.gibbs.sampling import GibbsSweep as GibbsSweep
    from speakergmm.mixtures.gibbs.sampling import (
        sample_dirichlet_process as sample_dirichlet_process,
    )
    from speakergmm.mixtures.gibbs.sampling_options import (
        DirichletProcessOptions as DirichletProcessOptions,
    )

__getattr__, __dir__ = lazy_names(__name__)
