"""Training of a mixture from frames: moments, start, expectation-maximisation."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.checkpoints import DEFAULT_SECONDS, Resumable, open_checkpoint
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.accumulate import FramesPass, check_frame_count
from speakergmm.gaussians.covariances import Precision
from speakergmm.gaussians.em import (
    EMResult,
    EMState,
    EMStep,
    Iteration,
    em_result,
    iteration_callback,
    run_training_loop,
)
from speakergmm.gaussians.frame_sources import (
    FrameSource,
    check_frame_weights,
    check_rereadable,
    frame_moments,
    read_blocks,
)
from speakergmm.gaussians.prepare import check_precision
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.training_steps import TrainingSteps
from speakergmm.mixtures.fingerprint import frames_fingerprint
from speakergmm.mixtures.maximum_likelihood import (
    MaximumLikelihoodOptions,
    average_frame_weight,
    update_maximum_likelihood,
)
from speakergmm.mixtures.mixture import AnyMixture, DiagonalMixture, Mixture, mixture_of
from speakergmm.mixtures.starts.initialisation import (
    initialise_kmeans,
    initialise_random,
    initialise_splitting,
)
from speakergmm.moments import Moments
from speakergmm.parallel import effective_jobs
from speakergmm.ranges import whole_number
from speakergmm.records import parts

Initialisation = Literal["kmeans", "splitting", "random"]

# The start is found on this many random frames per component (and not on fewer than the floor).
_START_FRAMES_PER_COMPONENT = 128
_START_FRAMES = 16384


def fit_mixture(
    X: FrameSource,
    *,
    n_components: int,
    init: Initialisation | DiagonalMixture = "kmeans",
    max_iter: int = 30,
    tol: float = 1e-3,
    variance_floor: float = 1e-3,
    min_occupancy: float = 1.0,
    precision: Precision = "float32",
    seed: int = 0,
    n_jobs: int = 1,
    callback: Callable[[int, Iteration], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = DEFAULT_SECONDS,
) -> EMResult[DiagonalMixture]:
    """Train a diagonal Gaussian mixture by maximum likelihood.

    Parameters
    ----------
    X : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames. A list of utterances, or a callable that reads them anew from disk each time it
        is called, is the same data as one array of all frames; no more than a few blocks are
        held at a time. It is read once per iteration and up to three times before.
    n_components : int
        K, at most T.
    init : {"kmeans", "splitting", "random"} or DiagonalMixture, default="kmeans"
        The start: clusters of a random part of the frames, doubling from one Gaussian, means at
        random frames, or a mixture that is given (of K components, in feature units).
    max_iter : int, default=30
        Most updates.
    tol : float, default=1e-3
        Training ends when the log-likelihood per frame changes by no more.
    variance_floor : float, default=1e-3
        Smallest variance, as a part of the variance of all frames in that feature; of a feature
        that is the same in all frames, this number itself, in squared feature units.
    min_occupancy : float, default=1.0
        Occupancy, in frames, below which a component is dead and revived elsewhere.
    precision : {"float32", "float64"}, default="float32"
        Of densities within a block; sums over blocks are float64. A step that float32 can't serve,
        as components are far narrower than the data, is made in float64.
    seed : int, default=0
        Same seed, same result, whatever `n_jobs` and however the frames are cut into blocks.
    n_jobs : int, default=1
        Threads; -1 for all cores.
    callback : callable, optional
        Called as ``callback(number, iteration)`` after each iteration.
    checkpoint, checkpoint_seconds
        As in `train_from`. The start is found anew, which takes the same time again.

    Returns
    -------
    EMResult
        The mixture in feature units, the history, and why training ended.

    Raises
    ------
    InsufficientDataError
        If there are fewer frames than components.
    InvalidInputError
        If an option is out of range, frames are no finite matrix of D columns (the first bad
        row and column are named), or the source can be read only once.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-5, 1, (500, 1)), rng.normal(5, 1, (500, 1))])
    >>> result = fit_mixture(X, n_components=2)
    >>> result.convergence, np.sort(result.model.means[:, 0]).round()
    ('converged', array([-5.,  5.]))
    """
    whole_number("n_components", n_components)
    whole_number("seed", seed, least=0)
    check_precision(precision)
    effective_jobs(n_jobs)
    options = MaximumLikelihoodOptions(variance_floor=variance_floor, min_occupancy=min_occupancy)
    check_rereadable(X)
    moments = frame_moments(X)
    if moments.n_frames < n_components:
        raise InsufficientDataError(
            f"{n_components} components need at least as many frames, found {moments.n_frames}"
        )
    standardisation = Standardisation.from_moments(moments.mean, moments.variance)
    if not isinstance(init, str):
        init = mixture_of(init, kind=DiagonalMixture)
        if init.means.shape != (n_components, len(moments.mean)):
            raise InvalidInputError(
                f"init must have {n_components} components of {len(moments.mean)} features, found "
                f"means of shape {init.means.shape}"
            )
        start = init
    else:
        rng = np.random.default_rng(seed)
        n_sample = max(_START_FRAMES_PER_COMPONENT * n_components, _START_FRAMES)
        sample = _draw_frames(X, moments, standardisation, n_sample, rng)
        found = _find_start(init, sample, n_components, options, rng, n_jobs)
        start = standardisation.model_from_standard(found)
    return train_from(
        X,
        start,
        max_iter=max_iter,
        tol=tol,
        options=options,
        precision=precision,
        n_jobs=n_jobs,
        callback=callback,
        final_update=False,
        moments=moments,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
    )


def train_from(
    source: FrameSource,
    start: AnyMixture,
    *,
    sample_weight: ArrayLike | None = None,
    max_iter: int = 100,
    tol: float = 1e-3,
    options: MaximumLikelihoodOptions | None = None,
    precision: Precision = "float32",
    n_jobs: int = 1,
    callback: Callable[[int, Iteration], None] | None = None,
    final_update: bool = True,
    previous: float | None = None,
    moments: Moments | None = None,
    checkpoint: str | os.PathLike[str] | Resumable | None = None,
    checkpoint_seconds: float = DEFAULT_SECONDS,
) -> EMResult[AnyMixture]:
    """Train a mixture of any kind by maximum likelihood, from a start that is given.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames; read once per iteration, and once before where no `moments` are passed.
    start : Mixture
        In feature units.
    sample_weight : array, shape (T,), optional
        Weight of each frame of the source, in their order; finite and >= 0.
    max_iter : int, default=100
        Most updates.
    tol : float, default=1e-3
        Training ends when the log-likelihood per frame changes by no more.
    options : MaximumLikelihoodOptions, optional
        Floors, revival and regularisation.
    precision : {"float32", "float64"}, default="float32"
        Of densities within a block; sums over blocks are float64. A step that float32 can't serve,
        as components are far narrower than the data, is made in float64.
    n_jobs : int, default=1
        Threads; -1 for all cores. The result does not depend on it.
    callback, final_update, previous
        As in `expectation_maximisation`.
    moments : Moments, optional
        Of the same source and weights, if it has been made.
    checkpoint : path, optional
        A file to which the state is written as training goes on, and from which the same call goes
        on where it was interrupted, by an exception or by a kill, to exactly the same result. A
        training that has ended removes it; `callback` hears of new iterations only. A stream is
        read once more for it. (Or a `Resumable` that is opened and closed elsewhere.)
    checkpoint_seconds : float, default=5
        Least time between two writings, >= 0; more where writing would otherwise take over 1 % of
        the time. At 0 every update is written.

    Returns
    -------
    EMResult
        The mixture in feature units, the history, and why training ended.

    Raises
    ------
    InsufficientDataError
        If there is no frame with a weight.
    CollapsedComponentError
        If a component loses its variance and the options refuse that.
    InvalidInputError
        If an option is out of range, frames are no finite matrix of D columns, weights are not
        one for each frame, or the source can be read only once, or does not give as many frames
        each time.
    IncompatibleModelError
        If the checkpoint is that of other frames, weights or options; they are named.
    ModelFormatError
        If the checkpoint is something else, or damaged.
    SpeakerGmmError
        If a checkpoint can't be written there.

    Warns
    -----
    CheckpointWarning
        If a checkpoint can't be written later, as on a full disk. Training goes on.
    """
    check_precision(precision)
    effective_jobs(n_jobs)
    start = mixture_of(start)
    check_rereadable(source)
    weights = check_frame_weights(sample_weight)
    if moments is None:
        moments = frame_moments(source, weights)
    if len(moments.mean) != start.n_features:
        raise InvalidInputError(
            f"a start of {start.n_features} features needs frames of as many, found "
            f"{len(moments.mean)}"
        )
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=start.gaussians.kind.is_isotropic
    )
    options = options or MaximumLikelihoodOptions()
    update = partial(
        update_maximum_likelihood,
        options=replace(options, reg_covar=options.reg_covar / standardisation.scale**2),
        data_variance=moments.variance / standardisation.scale**2,
        frame_weight=average_frame_weight(weights),
    )
    frames = FramesPass.of_training(source, weights, moments, precision=precision, n_jobs=n_jobs)
    steps: TrainingSteps[AnyMixture, MixtureStatistics] = TrainingSteps(
        frames, update, standardisation=standardisation
    )
    loop: dict[str, Any] = {
        "max_iter": max_iter,
        "tol": tol,
        "final_update": final_update,
        "previous": previous,
    }
    step = EMStep(accumulate=steps.accumulate, update=steps.update, rounding=steps.rounding, **loop)
    begin = standardisation.model_to_standard(start)

    def fingerprint() -> dict[str, Any]:
        return {
            **frames_fingerprint(source, moments, weights),
            **parts(options),
            **loop,
            "precision": precision,
            "covariance_type": start.covariance_type,
            "n_components": start.n_components,
            "start": begin,
        }

    with open_checkpoint(
        checkpoint, EMState[Mixture], fingerprint=fingerprint, seconds=checkpoint_seconds
    ) as file:
        result = em_result(
            run_training_loop(
                file.state or EMState(begin, begin, ()),
                step,
                checkpoint=file.record,
                callback=iteration_callback(callback),
            )
        )
    return replace(result, model=standardisation.model_from_standard(result.model))


def _draw_frames(
    source: FrameSource,
    moments: Moments,
    standardisation: Standardisation,
    n_sample: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Standardised random frames, in their order; the same ones however the source is cut."""
    n_sample = min(n_sample, moments.n_frames)
    chosen = np.sort(rng.choice(moments.n_frames, size=n_sample, replace=False))
    sample = np.empty((n_sample, len(moments.mean)), np.float32)
    first_frame = filled = 0
    for block in read_blocks(source):
        stop = int(np.searchsorted(chosen, first_frame + len(block)))
        rows = block[chosen[filled:stop] - first_frame]
        standardisation.apply(rows, sample[filled:stop])
        first_frame += len(block)
        filled = stop
    check_frame_count(moments.n_frames, first_frame)
    return sample


def _find_start(
    init: str,
    sample: NDArray[np.float32],
    n_components: int,
    options: MaximumLikelihoodOptions,
    rng: np.random.Generator,
    n_jobs: int,
) -> DiagonalMixture:
    if init == "kmeans":
        return initialise_kmeans(
            sample, n_components=n_components, rng=rng, options=options, n_jobs=n_jobs
        )
    if init == "splitting":
        return initialise_splitting(
            sample, n_components=n_components, options=options, n_jobs=n_jobs
        )
    if init == "random":
        return initialise_random(sample, n_components=n_components, rng=rng)
    raise InvalidInputError(
        f"init must be 'kmeans', 'splitting', 'random' or a DiagonalMixture, found {init!r}"
    )
