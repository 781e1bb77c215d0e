"""Mixtures that draw their number of components: Dirichlet processes, collapsed Gibbs sampling.

Frames are of clusters, clusters have Gaussians drawn from a conjugate prior, and a Dirichlet
process says how likely each way of dividing the frames into clusters is. Weights, means and
covariances are integrated out, so that a chain walks over partitions alone: Rasmussen (2000), "The
infinite Gaussian mixture model"; Neal (2000), "Markov chain sampling methods for Dirichlet process
mixture models", algorithm 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import methodcaller
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.frame_sources import check_finite_frames, frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.mixtures.gibbs.chain import Chain, GammaPrior, Start, start_chain
from speakergmm.mixtures.gibbs.normal_inverse_wishart import GibbsCovariance, NormalInverseWishart
from speakergmm.mixtures.gibbs.samples import DirichletProcessSamples
from speakergmm.parallel import threaded_map
from speakergmm.progress import track
from speakergmm.ranges import choice, number, refused, whole_number

# Between two looks at the callback and the keyboard a chain moves about so many frames.
_FRAMES_IN_A_ROUND = 20_000
_STARTS = ("single", "singletons", "random", "sequential")


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
    *,
    covariance_type: GibbsCovariance = "full",
    concentration: float | tuple[float, float] | GammaPrior = (2.0, 4.0),
    prior: NormalInverseWishart | None = None,
    within_fraction: float = 0.2,
    n_sweeps: int = 500,
    burn_in: int | None = None,
    n_chains: int = 4,
    n_kept: int = 50,
    init: Start = 20,
    seed: int = 0,
    n_jobs: int = 1,
    callback: Callable[[GibbsSweep], None] | None = None,
    description: str | None = None,
) -> DirichletProcessSamples:
    """Draw partitions of frames into clusters from the posterior of a Dirichlet-process mixture.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames, in any units; they are standardised inside.
    covariance_type : {"full", "diag"}, default="full"
        Covariances of the clusters.
    concentration : float, pair of floats, or GammaPrior; default=(2.0, 4.0)
        Of the Dirichlet process: the expected number of clusters before any data is about
        `concentration` log T. A pair (shape, rate) is a Gamma prior; the concentration is then
        drawn after each sweep (Escobar & West 1995, whose prior is the default).
    prior : NormalInverseWishart, optional
        Of a cluster's mean and covariance, in feature units; by default
        `NormalInverseWishart.from_data`, which moves and stretches with the data.
    within_fraction : float, default=0.2
        The share of the data's covariance that the default prior expects within clusters, the
        rest being between their means.
    n_sweeps : int, default=500
        Sweeps over all frames of each chain, the burn-in included.
    burn_in : int, optional
        Sweeps to leave out in front; half of them by default.
    n_chains : int, default=4
        Independent chains; convergence can be judged with two or more.
    n_kept : int, default=50
        Partitions of each chain to keep, evenly spaced after the burn-in (all if there are fewer).
    init : {"single", "singletons", "random", "sequential"} or int, default=20
        Where chains start: all frames in one cluster; each in its own; a partition drawn from the
        Dirichlet process; frames added one by one, each to a cluster drawn given those before; or
        as many clusters as the number says, each frame joining the nearest of so many frames
        drawn at random (of all frames where there are fewer). Sweeps merge clusters more readily
        than they split them, so starts with too many arrive sooner, but each costs time.
    seed : int, default=0
        Same seed, same chains, whatever `n_jobs` is.
    n_jobs : int, default=1
        Chains that run at once, on threads; -1 for all cores.
    callback : callable, optional
        Receives a `GibbsSweep` for each sweep, in an order that depends on nothing but the
        arguments; what it raises ends the sampling.
    description : str, optional
        Text of a progress bar on standard error; without it there is none.

    Returns
    -------
    DirichletProcessSamples

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix or an option lies outside its range.
    InsufficientDataError
        If there is no frame.

    Notes
    -----
    A sweep takes time in the order of T K D^2 (full) or T K D (diagonal), less where clusters are
    far apart. Frames move one at a time, so a chain may stay for long in a partition that needs
    several clusters to change at once; look at `r_hat` of the result before trusting it. A kept
    partition takes 4 bytes a frame.

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
    frames = check_finite_frames(X)
    if len(frames) == 0:
        raise InsufficientDataError("sampling needs frames, found none")
    choice("covariance_type", covariance_type, get_args(GibbsCovariance))
    number("within_fraction", within_fraction, above=0, below=1)
    whole_number("n_sweeps", n_sweeps)
    whole_number("seed", seed, least=0)
    burn_in = n_sweeps // 2 if burn_in is None else burn_in
    alpha = _checked_concentration(concentration)
    _check_options(n_sweeps, burn_in, n_chains, n_kept, init)
    if prior is None:
        prior = NormalInverseWishart.from_data(
            frames, covariance_type=covariance_type, within_fraction=within_fraction
        )
    elif prior.covariance_type != covariance_type or prior.n_features != frames.shape[1]:
        raise InvalidInputError(
            f"the prior is of {prior.n_features} features and {prior.covariance_type!r} "
            f"covariances; expected {frames.shape[1]} and {covariance_type!r}"
        )
    moments = frame_moments(frames)
    centre = Standardisation.from_moments(moments.mean, moments.variance).centre
    standardisation = Standardisation(centre, moments.deviation())
    z = standardisation.applied(frames)
    standard_prior = prior.rescale(standardisation.centre, standardisation.scale)
    steps = np.linspace(burn_in, n_sweeps - 1, min(n_kept, n_sweeps - burn_in))
    kept_sweeps = np.unique(steps.round().astype(np.int64))
    chains = [
        start_chain(
            z,
            standard_prior,
            start=init,
            concentration=alpha,
            keep=frozenset(kept_sweeps.tolist()),
            burn_in=burn_in,
            seed=chain_seed,
        )
        for chain_seed in np.random.SeedSequence(seed).spawn(n_chains)
    ]
    rounds: Iterable[int] = _rounds(n_sweeps, len(frames))
    if description is not None:
        rounds = track(rounds, description=description)
    for n_next in rounds:
        # Chains share nothing but the frames, so threads can't change what they do.
        for _ in threaded_map(methodcaller("advance", n_next), chains, n_jobs=n_jobs):
            pass
        if callback is not None:
            _report(chains, n_next, standardisation.log_volume, callback)
    best = max(chains, key=lambda chain: chain.best_log_probability)
    assert best.best is not None
    log_probability = np.array([chain.log_probabilities for chain in chains])
    return DirichletProcessSamples(
        n_clusters=np.array([chain.n_clusters for chain in chains]),
        concentration=np.array([chain.concentrations for chain in chains]),
        log_probability=log_probability - len(frames) * standardisation.log_volume,
        burn_in=burn_in,
        labels=np.array([chain.kept for chain in chains]),
        kept_sweeps=kept_sweeps,
        best_labels=best.best.astype(np.int64),
        prior=prior,
        frames=z,
        standardisation=standardisation,
    )


def _rounds(n_sweeps: int, n_frames: int) -> list[int]:
    size = max(1, _FRAMES_IN_A_ROUND // n_frames)
    return [min(size, n_sweeps - first) for first in range(0, n_sweeps, size)]


def _report(
    chains: list[Chain], n_last: int, log_volume: float, callback: Callable[[GibbsSweep], None]
) -> None:
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


def _checked_concentration(
    concentration: float | tuple[float, float] | GammaPrior,
) -> float | GammaPrior:
    if isinstance(concentration, GammaPrior):
        return concentration
    if not isinstance(concentration, tuple | list):
        return number("concentration", concentration, above=0)
    if len(concentration) != 2:
        raise refused("concentration", "a number or a pair (shape, rate)", concentration)
    return GammaPrior(*concentration)


def _check_options(n_sweeps: int, burn_in: int, n_chains: int, n_kept: int, init: Start) -> None:
    whole_number("n_chains", n_chains)
    whole_number("n_kept", n_kept)
    whole_number("burn_in", burn_in, least=0, most=n_sweeps - 1)
    if isinstance(init, str) and init not in _STARTS:
        raise refused("init", f"one of {', '.join(_STARTS)} or a number of clusters", init)
    if not isinstance(init, str):
        whole_number("init", init)
