"""Collapsed Gibbs sampling of Dirichlet-process mixtures, whose number of components is random.

Frames belong to clusters, clusters have Gaussians drawn from a conjugate prior, and a Dirichlet
process is the prior of the partition of the frames into clusters. Weights, means and covariances
are integrated out, so that a chain walks over partitions alone: Rasmussen (2000), "The
infinite Gaussian mixture model"; Neal (2000), "Markov chain sampling methods for Dirichlet process
mixture models", algorithm 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.frame_sources import Frames, check_finite_frames
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.mixtures.gibbs.chain import Chain, start_chain
from speakergmm.mixtures.gibbs.gamma_prior import GammaPrior
from speakergmm.mixtures.gibbs.normal_inverse_wishart import NormalInverseWishart
from speakergmm.mixtures.gibbs.samples import DirichletProcessSamples
from speakergmm.mixtures.gibbs.sampling_options import DirichletProcessOptions
from speakergmm.progress import track
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext

# Number of frames that a chain moves between two looks at the callback and the keyboard.
_FRAMES_IN_A_ROUND = 20_000


@dataclass(frozen=True, slots=True)
class GibbsSweep:
    """One sweep of one chain, as a callback receives it.

    Parameters
    ----------
    chain, sweep : int
        Counted from 0.
    n_clusters : int
    concentration : float
    log_probability : float
        log p(frames, partition, concentration), in feature units.
    """

    chain: int
    sweep: int
    n_clusters: int
    concentration: float
    log_probability: float


def sample_dirichlet_process(
    X: ArrayLike,
    options: DirichletProcessOptions | None = None,
    *,
    prior: NormalInverseWishart | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> DirichletProcessSamples:
    """Draw partitions of frames into clusters from the posterior of a Dirichlet-process mixture.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames, in any units; they are standardised inside.
    options : DirichletProcessOptions, optional
        Options of the sampling: `covariance_type`, `concentration`, `n_sweeps`, `burn_in`,
        `n_chains`, `n_kept`, `init`, `seed` and others.
    prior : NormalInverseWishart, optional
        Prior of a cluster's mean and covariance, in feature units; by default
        `NormalInverseWishart.from_data`, which moves and stretches with the data.
    engine : int, executor, Dask client or Engine, optional
        Number of chains that run at once, on threads; -1 for all cores. The result does not
        depend on it.
    run : RunContext, optional
        Its `callback` receives a `GibbsSweep` for each sweep of each chain, in an order that
        depends on nothing but the arguments; an error that it raises ends the sampling. With
        `progress` there is a progress bar.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    DirichletProcessSamples
        The traces of all chains and the partitions that were kept.

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix, an option is out of range, or the prior is of another kind
        or other features.
    InsufficientDataError
        If there is no frame.

    Notes
    -----
    A sweep takes time in the order of T K D^2 (full) or T K D (diagonal), less where clusters are
    far apart. Frames move one at a time, so a chain may stay for long in a partition that needs
    several clusters to change at once; look at `r_hat` of the result before trusting it. A kept
    partition takes 4 bytes per frame.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(c, 0.5, (50, 2)) for c in (-5.0, 0.0, 5.0)])
    >>> samples = sample_dirichlet_process(X, n_sweeps=200, n_chains=2)
    >>> posterior = samples.n_clusters_posterior()
    >>> max(posterior, key=posterior.get)
    3
    >>> samples.to_mixture().means.round()[:, 0].tolist() in ([-5, 0, 5], [0, 5, -5], [5, -5, 0])
    True
    """
    options = DirichletProcessOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    frames = check_finite_frames(X)
    if len(frames) == 0:
        raise InsufficientDataError("sampling needs frames, found none")
    prior = _prior_for(frames, prior, options)
    # The chains see frames of mean 0 and variance 1, and the prior in these coordinates.
    moments = frame_moments(frames)
    centre = Standardisation.from_moments(moments.mean, moments.variance).centre
    standardisation = Standardisation(centre, moments.deviation())
    z = standardisation.applied(frames)
    kept_sweeps = _kept_sweeps(options)
    chains = _start_chains(z, prior.rescale(centre, standardisation.scale), kept_sweeps, options)
    _run_chains(chains, standardisation.log_volume, options, engine, run)
    # Of all the partitions that were visited, the most probable one.
    best = max(chains, key=lambda chain: chain.best_log_probability)
    assert best.best is not None
    log_probability = np.array([chain.log_probabilities for chain in chains])
    return DirichletProcessSamples(
        n_clusters=np.array([chain.n_clusters for chain in chains]),
        concentration=np.array([chain.concentrations for chain in chains]),
        log_probability=log_probability - len(frames) * standardisation.log_volume,
        burn_in=options.n_left_out,
        labels=np.array([chain.kept for chain in chains]),
        kept_sweeps=kept_sweeps,
        best_labels=best.best.astype(np.int64),
        prior=prior,
        frames=z,
        standardisation=standardisation,
    )


def _prior_for(
    frames: Frames, prior: NormalInverseWishart | None, options: DirichletProcessOptions
) -> NormalInverseWishart:
    """Return the prior of clusters in feature units: the given one, or one from the data."""
    kind, n_features = options.covariance_type, frames.shape[1]
    if prior is None:
        return NormalInverseWishart.from_data(
            frames, covariance_type=kind, within_fraction=options.within_fraction
        )
    if not isinstance(prior, NormalInverseWishart):
        raise wrong_type(prior, "NormalInverseWishart(...)", " for prior")
    if prior.covariance_type != kind or prior.n_features != n_features:
        raise InvalidInputError(
            f"the prior is of {prior.n_features} features and {prior.covariance_type!r} "
            f"covariances; expected {n_features} and {kind!r}"
        )
    return prior


def _kept_sweeps(options: DirichletProcessOptions) -> NDArray[np.int64]:
    """Return the numbers of the sweeps whose partitions are kept, evenly spaced."""
    first, n_sweeps = options.n_left_out, options.n_sweeps
    spaced = np.linspace(first, n_sweeps - 1, min(options.n_kept, n_sweeps - first))
    return np.unique(spaced.round().astype(np.int64))


def _start_chains(
    z: NDArray[np.float64],
    prior: NormalInverseWishart,
    kept_sweeps: NDArray[np.int64],
    options: DirichletProcessOptions,
) -> list[Chain]:
    """Return the chains before their first sweep, each with random numbers of its own."""
    concentration = options.concentration
    if isinstance(concentration, tuple | list):
        concentration = GammaPrior(*concentration)
    return [
        start_chain(
            z,
            prior,
            start=options.init,
            concentration=concentration,
            keep=frozenset(kept_sweeps.tolist()),
            burn_in=options.n_left_out,
            seed=seed,
        )
        for seed in np.random.SeedSequence(options.seed).spawn(options.n_chains)
    ]


def _run_chains(
    chains: list[Chain],
    log_volume: float,
    options: DirichletProcessOptions,
    engine: Engine,
    run: RunContext,
) -> None:
    """Advance all chains to their last sweep, in rounds between which the callback is called."""
    rounds: Iterable[int] = _rounds(options.n_sweeps, len(chains[0].partition.labels))
    if run.progress:
        rounds = track(rounds, description="Sampling partitions")
    for n_next in rounds:
        # Chains share nothing but the frames, so that threads cannot change what they do.
        for _ in engine.map_threads(methodcaller("advance", n_next), chains):
            pass
        if run.callback is not None:
            _report(chains, n_next, log_volume, run.callback)


def _rounds(n_sweeps: int, n_frames: int) -> list[int]:
    """Return the numbers of sweeps that chains take between two looks at the callback."""
    size = max(1, _FRAMES_IN_A_ROUND // n_frames)
    return [min(size, n_sweeps - first) for first in range(0, n_sweeps, size)]


def _report(
    chains: list[Chain], n_last: int, log_volume: float, callback: Callable[[GibbsSweep], None]
) -> None:
    """Call the callback with the last `n_last` sweeps of each chain."""
    for place, chain in enumerate(chains):
        volume = len(chain.partition.labels) * log_volume
        for sweep in range(len(chain.n_clusters) - n_last, len(chain.n_clusters)):
            callback(
                GibbsSweep(
                    place,
                    sweep,
                    chain.n_clusters[sweep],
                    chain.concentrations[sweep],
                    chain.log_probabilities[sweep] - volume,
                )
            )
