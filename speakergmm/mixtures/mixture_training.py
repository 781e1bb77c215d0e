"""Training of diagonal and other mixtures by expectation-maximisation, from frames.

Training takes three steps: the moments of all frames, which fix the coordinates and the variance
floor; a start; and iterations of expectation-maximisation in standardised coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.accumulate import FramesPass, check_frame_count
from speakergmm.gaussians.e_step_m_step import TrainingSteps
from speakergmm.gaussians.em import EMResult, EMState, EMStep
from speakergmm.gaussians.frame_shards import read_shard
from speakergmm.gaussians.frame_sources import (
    Frames,
    FrameShard,
    FrameSource,
    check_frame_weights,
    check_rereadable,
    read_blocks,
    shards_of,
)
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.fingerprint import frames_fingerprint
from speakergmm.mixtures.maximum_likelihood import (
    added_variances,
    average_frame_weight,
    update_maximum_likelihood,
)
from speakergmm.mixtures.mixture import AnyMixture, DiagonalMixture, Mixture, mixture_of
from speakergmm.mixtures.mixture_options import EMOptions, MaximumLikelihoodOptions, MixtureOptions
from speakergmm.mixtures.resumable_em import run_resumable_em
from speakergmm.mixtures.starts.initialisation import (
    initialise_kmeans,
    initialise_random,
    initialise_splitting,
)
from speakergmm.moments import Moments
from speakergmm.run_context import RunContext

# The start is found on this many random frames per component, and on no fewer than the second
# number.
_START_FRAMES_PER_COMPONENT = 128
_START_FRAMES = 16384


def fit_mixture(
    X: FrameSource,
    options: MixtureOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> EMResult[DiagonalMixture]:
    """Train a diagonal Gaussian mixture by maximum likelihood.

    Parameters
    ----------
    X : array of shape (T, D), iterable or callable of such arrays, or frames in shards
        Frames. A list of utterances, or a callable that reads them anew from disk each time it
        is called, is the same data as one array of all frames; no more than a few blocks are
        held at a time. The frames are read once per iteration and up to three times before.
        Frames in shards, such as ``FeatureStore.open(path).speech``, are read by the workers.
    options : MixtureOptions, optional
        Options of the training: `n_components`, which is required, `init`, `max_iter`, `tol`,
        `variance_floor`, `min_occupancy`, `precision`, `seed` and others.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.
    run : RunContext, optional
        Its `callback` is called as ``callback(number, iteration)`` after each iteration; its
        `checkpoint` and `checkpoint_seconds` are used as in `train_from`. After an interruption
        the start is found anew, which takes the same time again. With `progress`, each pass over
        frames in shards shows its speed and the time that is left.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    EMResult
        The mixture in feature units (`model`), the history, and the reason why training ended.
        ``GaussianMixture.from_mixture(result.model).save(path)`` stores the mixture.

    Raises
    ------
    InsufficientDataError
        If there are fewer frames than components.
    InvalidInputError
        If an option is out of range, the frames are not a finite matrix of D columns (the first
        bad row and column are named), or the source can be read only once.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-5, 1, (500, 1)), rng.normal(5, 1, (500, 1))])
    >>> result = fit_mixture(X, n_components=2)
    >>> result.convergence, np.sort(result.model.means[:, 0]).round()
    ('converged', array([-5.,  5.]))
    """
    options = MixtureOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    check_rereadable(X)
    # The first pass over the frames: their number, mean and variance.
    moments = frame_moments(
        X, engine=engine, description=run.description("statistics of the frames")
    )
    if moments.n_frames < options.n_components:
        raise InsufficientDataError(
            f"{options.n_components} components need at least as many frames, found "
            f"{moments.n_frames}"
        )
    start = _start_of(X, moments, options, engine)
    return train_from(
        X, start, options, moments=moments, final_update=False, engine=engine, run=run
    )


def train_from(
    source: FrameSource,
    start: AnyMixture,
    options: EMOptions | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    moments: Moments | None = None,
    previous: float | None = None,
    final_update: bool = True,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> EMResult[AnyMixture]:
    """Train a mixture of any kind by maximum likelihood, from a given start.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames; read once per iteration, and once before if no `moments` are passed.
    start : Mixture
        The mixture from which training starts, in feature units.
    options : EMOptions, optional
        Options of the training: `max_iter`, `tol`, `precision`, and those of the update.
    sample_weight : array, shape (T,), optional
        Weight of each frame of the source, in their order; finite and >= 0.
    moments : Moments, optional
        Moments of the same frames and weights, if they are known already.
    previous, final_update
        As in `expectation_maximisation`.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.
    run : RunContext, optional
        Its `callback` is called as ``callback(number, iteration)`` after each new iteration. Its
        `checkpoint` is a file to which the state is written during training, and from which the
        same call resumes after an exception or a kill, to exactly the same result; a training
        that has ended removes it. (Or a `Resumable`, which is opened and closed elsewhere.) A
        stream is read once more for a checkpoint. `checkpoint_seconds` is the least time between
        two writings; more where writing would otherwise take over 1 % of the time; at 0 the state
        is written after every update. `progress` is used as in `fit_mixture`.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    EMResult
        The mixture in feature units, the history, and the reason why training ended.

    Raises
    ------
    InsufficientDataError
        If there is no frame with a weight.
    CollapsedComponentError
        If a component loses its variance, and the options refuse that.
    InvalidInputError
        If an option is out of range, the frames are not a finite matrix of D columns, there is not
        one weight for each frame, or the source can be read only once or yields another number of
        frames later.
    IncompatibleModelError
        If the checkpoint was written with other frames, weights or options; they are named.
    ModelFormatError
        If the checkpoint is another kind of file, or damaged.
    SpeakerGmmError
        If a checkpoint cannot be written there.

    Warns
    -----
    CheckpointWarning
        If a checkpoint cannot be written later, as on a full disk. Training goes on.
    """
    options = EMOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    start = mixture_of(start)
    check_rereadable(source)
    weights = check_frame_weights(sample_weight)
    if moments is None:
        shown = run.description("statistics of the frames")
        moments = frame_moments(source, weights, engine=engine, description=shown)
    if len(moments.mean) != start.n_features:
        raise InvalidInputError(
            f"frames must have the {start.n_features} features of the start, found "
            f"{len(moments.mean)}"
        )
    # All that follows happens in coordinates in which the data have mean 0 and variance near 1,
    # where float32 is safe; what the update adds to variances goes there too.
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=start.gaussians.kind.is_isotropic
    )
    added = added_variances(options.update, start.n_features) / standardisation.scale**2
    update = partial(
        update_maximum_likelihood,
        options=replace(options.update, reg_covar=added),
        data_variance=moments.variance / standardisation.scale**2,
        frame_weight=average_frame_weight(weights),
    )
    # One iteration: the E-step goes over all frames, the M-step updates their statistics.
    frames = FramesPass.of_training(
        source,
        weights,
        moments,
        precision=options.precision,
        engine=engine,
        description=run.description("pass over the frames"),
    )
    steps: TrainingSteps[AnyMixture, MixtureStatistics] = TrainingSteps(
        frames, update, standardisation=standardisation
    )
    loop: dict[str, Any] = {
        "max_iter": options.max_iter,
        "tol": options.tol,
        "final_update": final_update,
        "previous": previous,
    }
    step = EMStep(accumulate=steps.accumulate, update=steps.update, rounding=steps.rounding, **loop)
    standard_start = standardisation.model_to_standard(start)

    def fingerprint() -> dict[str, Any]:
        """Return what a checkpoint must share with this call."""
        names = MaximumLikelihoodOptions.declarations()
        return {
            **frames_fingerprint(source, moments, weights),
            **{name: getattr(options.update, name) for name in names},
            **loop,
            "precision": options.precision,
            "covariance_type": start.covariance_type,
            "n_components": start.n_components,
            "start": standard_start,
        }

    result = run_resumable_em(
        standard_start, step, EMState[Mixture], fingerprint=fingerprint, run=run
    )
    return replace(result, model=standardisation.model_from_standard(result.model))


def _start_of(
    source: FrameSource, moments: Moments, options: MixtureOptions, engine: Engine
) -> DiagonalMixture:
    """Return the start of a training, in feature units: the given one, or one that is found."""
    n_features = len(moments.mean)
    if not isinstance(options.init, str):
        start = mixture_of(options.init, kind=DiagonalMixture)
        if start.means.shape != (options.n_components, n_features):
            raise InvalidInputError(
                f"init must have {options.n_components} components of {n_features} features, "
                f"found means of shape {start.means.shape}"
            )
        return start
    # A start is found on a random part of the frames, in coordinates in which their features may
    # be compared.
    standardisation = Standardisation.from_moments(moments.mean, moments.variance)
    rng = np.random.default_rng(options.seed)
    n_sample = max(_START_FRAMES_PER_COMPONENT * options.n_components, _START_FRAMES)
    sample = _draw_frames(source, moments, standardisation, n_sample, rng, engine)
    added = added_variances(options.update, n_features) / standardisation.scale**2
    options = replace(options, update=replace(options.update, reg_covar=added))
    return standardisation.model_from_standard(_find_start(sample, options, rng, engine))


@dataclass(frozen=True, slots=True)
class _DrawFromShard:
    """A task: some frames of a shard, standardised."""

    standardisation: Standardisation

    def __call__(self, item: tuple[int, FrameShard, NDArray[np.intp]]) -> NDArray[np.float32]:
        number, shard, chosen = item
        n_features = len(self.standardisation.centre)
        if not chosen.size:
            return np.empty((0, n_features), np.float32)
        blocks = read_shard(shard, number, n_features=n_features)
        return _draw_rows(blocks, chosen, shard.n_frames, self.standardisation)


def _draw_frames(
    source: FrameSource,
    moments: Moments,
    standardisation: Standardisation,
    n_sample: int,
    rng: np.random.Generator,
    engine: Engine,
) -> NDArray[np.float32]:
    """Return random frames in their order, standardised; however the source is cut, the same."""
    n_sample = min(n_sample, moments.n_frames)
    chosen = np.sort(rng.choice(moments.n_frames, size=n_sample, replace=False))
    shards = shards_of(source)
    if shards is None:
        blocks = read_blocks(source, n_features=len(standardisation.centre))
        return _draw_rows(blocks, chosen, moments.n_frames, standardisation)
    firsts = np.cumsum([0, *(shard.n_frames for shard in shards)])
    places = np.split(chosen, np.searchsorted(chosen, firsts[1:-1]))
    items = [
        (number, shard, place - first)
        for number, (shard, place, first) in enumerate(
            zip(shards, places, firsts[:-1], strict=True)
        )
    ]
    return np.concatenate(list(engine.map(_DrawFromShard(standardisation), items)))


def _draw_rows(
    blocks: Iterable[Frames],
    chosen: NDArray[np.intp],
    n_frames: int,
    standardisation: Standardisation,
) -> NDArray[np.float32]:
    """Return the chosen rows of a stream of `n_frames` frames, in order, standardised."""
    sample = np.empty((len(chosen), len(standardisation.centre)), np.float32)
    first_frame = filled = 0
    for block in blocks:
        stop = int(np.searchsorted(chosen, first_frame + len(block)))
        rows = block[chosen[filled:stop] - first_frame]
        standardisation.apply(rows, sample[filled:stop])
        first_frame += len(block)
        filled = stop
    check_frame_count(n_frames, first_frame)
    return sample


def _find_start(
    sample: NDArray[np.float32],
    options: MixtureOptions,
    rng: np.random.Generator,
    engine: Engine,
) -> DiagonalMixture:
    """Return a start from standardised frames, by the method that the options name."""
    k, update = options.n_components, options.update
    if options.init == "random":
        return initialise_random(sample, n_components=k, rng=rng)
    if options.init == "splitting":
        return initialise_splitting(sample, n_components=k, options=update, engine=engine)
    return initialise_kmeans(sample, n_components=k, rng=rng, options=update, engine=engine)
