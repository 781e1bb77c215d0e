"""Joint factor analysis and inter-session variability: speakers apart from their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.gaussians.em import EMResult
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.run_context import RunContext
from speakergmm.subspace.background_binding import check_mixture, check_rank, mixture_digest
from speakergmm.subspace.factor_options import JointFactorOptions, SessionVariabilityOptions
from speakergmm.subspace.factor_posteriors import factor_posteriors
from speakergmm.subspace.factor_training import random_loadings, train_factors, without_factors
from speakergmm.subspace.factor_updates import FactorUpdate
from speakergmm.subspace.factors import Factors, PreparedFactors
from speakergmm.subspace.labelled_embeddings import SpeakerGroups
from speakergmm.subspace.session_posteriors import speaker_posterior
from speakergmm.subspace.session_statistics import (
    SessionShard,
    check_session_statistics,
    session_shards,
)

Array = NDArray[np.float64]

# Number of sessions whose sums are made by one worker, where speakers are taken one by one.
_SHARD_SESSIONS = 64
# Updates of the speaker's factors alone, from which training starts.
_EIGENVOICE_ITERATIONS = 5
# Numbers of first-order statistics that are compensated at a time: some megabytes.
_BLOCK_NUMBERS = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class JointFactors(records.Filed):
    """A model of speakers and of their sessions: joint factor analysis, or a part of it.

    Parameters
    ----------
    background_digest : str
        Digest of the background mixture whose statistics it takes; see `mixture_digest`.
    factors : Factors
        Without a prior mean.

    Notes
    -----
    The supervector of session r of speaker s is ``means + V y_s + D z_s + U x_sr`` [1]_.
    Inter-session variability [2]_ has no V, and the D of relevance MAP. A speaker is enrolled by
    the offset ``V y + D z``; the offset ``U x`` is taken from the statistics of a test, and what is
    left is scored linearly [3]_.

    References
    ----------
    .. [1] Kenny, Boulianne, Ouellet, Dumouchel, "Joint Factor Analysis versus Eigenchannels in
       Speaker Recognition", IEEE Transactions on Audio, Speech, and Language Processing 15 (2007)
       1435-1447.
    .. [2] Vogt, Sridharan, "Explicit Modelling of Session Variability for Speaker Verification",
       Computer Speech and Language 22 (2008) 17-38.
    .. [3] Glembek, Burget, Dehak, Brümmer, Kenny, "Comparison of Scoring Methods used in Speaker
       Recognition with Joint Factor Analysis", ICASSP 2009, section 3.5.
    """

    file_kind: ClassVar[str] = "joint factor analysis"

    background_digest: str
    factors: Factors

    def __post_init__(self) -> None:
        """Check that the speakers' factors have the mean zero."""
        if self.factors.prior_mean is not None:
            raise InvalidInputError("joint factor analysis has no prior mean of factors")

    def __repr__(self) -> str:
        return f"JointFactors({self.factors!r})"

    @cached_property
    def _prepared(self) -> PreparedFactors:
        return PreparedFactors(self.factors)

    @cached_property
    def _of_session(self) -> PreparedFactors:
        return PreparedFactors(self.factors.of_session())

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines offsets and scores."""
        return records.digest(self.file_kind, self.background_digest, self.factors)

    def check_background(self, mixture: Mixture) -> None:
        """Raise an error if the model was made for another background mixture.

        Raises
        ------
        IncompatibleModelError
            If it was; the message names both.
        """
        check_mixture(self.background_digest, mixture, self.file_kind)

    def enroll(self, occupancy: ArrayLike, first_order: ArrayLike) -> Array:
        """Return the offset of a speaker's means, without that of the sessions.

        Parameters
        ----------
        occupancy : array, shape (S, K)
            Zeroth-order statistics of the speaker's S sessions under the background mixture.
        first_order : array, shape (S, K, D)
            Sums of posterior times feature, about zero.

        Returns
        -------
        array, shape (K, D)
            Posterior mean of ``V y + D z`` given all sessions, in feature units.

        Raises
        ------
        IncompatibleModelError, InsufficientDataError, InvalidInputError
            As in `check_session_statistics`.
        """
        counts, sums = self._checked(occupancy, first_order)
        prepared = self._prepared
        found = speaker_posterior(prepared, counts.astype(np.float64), sums.astype(np.float64))
        offset = self.factors.speaker_loadings @ found.means[0, : self.factors.n_speaker]
        if self.factors.residual is not None and found.residual is not None:
            moved = self.factors.residual * found.residual.means
            offset = offset + prepared.whitening.colour(moved[:, :, None])[:, :, 0]
        return np.asarray(offset)

    def compensate(self, occupancy: ArrayLike, first_order: ArrayLike) -> Array:
        """Return first-order statistics of N sessions without the sessions' offsets.

        Parameters
        ----------
        occupancy : array, shape (N, K)
        first_order : array, shape (N, K, D)
            About zero.

        Returns
        -------
        array, shape (N, K, D)
            ``first_order - occupancy * U x``, about zero, with the x of each session as the speaker
            of the background would have it.

        Raises
        ------
        IncompatibleModelError, InsufficientDataError, InvalidInputError
            As in `check_session_statistics`.
        """
        counts, sums = self._checked(occupancy, first_order)
        prepared = self._of_session
        return np.concatenate(
            [self._compensated(prepared, each) for each in self._blocks(counts, sums)]
        )

    def scores(self, offsets: ArrayLike, occupancy: ArrayLike, first_order: ArrayLike) -> Array:
        """Score tests against speakers: linear scoring of what sessions do not explain.

        Parameters
        ----------
        offsets : array, shape (M, K, D)
            Offsets of M speakers, as `enroll` returns them.
        occupancy : array, shape (N, K)
            Zeroth-order statistics of N tests.
        first_order : array, shape (N, K, D)
            First-order statistics, about zero.

        Returns
        -------
        array, shape (M, N)
            Scores per frame, natural logarithm; see `speakergmm.speakers.linear_scoring`.

        Raises
        ------
        IncompatibleModelError, InsufficientDataError, InvalidInputError
            As in `check_session_statistics`, or if offsets are of another shape.
        """
        counts, sums = self._checked(occupancy, first_order)
        models = np.asarray(offsets, np.float64)
        if models.ndim != 3 or models.shape[1:] != self.factors.means.shape:
            raise IncompatibleModelError(
                f"offsets must be of shape (M, {self.factors.means.shape[0]}, "
                f"{self.factors.means.shape[1]}), found {models.shape}"
            )
        prepared = self._of_session
        columns = np.ascontiguousarray(models.transpose(1, 2, 0))
        slopes = prepared.whitening.weigh(columns).reshape(-1, len(models))
        scores = []
        for block in self._blocks(counts, sums):
            left = self._compensated(prepared, block)
            left -= block.occupancy[:, :, None] * self.factors.means
            totals = block.occupancy.sum(axis=1)
            scores.append((left.reshape(len(left), -1) @ slopes).T / totals)
        return np.concatenate(scores, axis=1)

    def _checked(self, occupancy: ArrayLike, first_order: ArrayLike) -> tuple[Any, Any]:
        return check_session_statistics(occupancy, first_order, self.factors.means.shape)

    def _blocks(self, counts: NDArray[Any], sums: NDArray[Any]) -> list[SessionShard]:
        size = max(1, _BLOCK_NUMBERS // max(1, self.factors.means.size))
        return SessionShard(counts, sums, None).blocks(size)

    def _compensated(self, prepared: PreparedFactors, block: SessionShard) -> Array:
        """Return the statistics of a block without the offsets of its sessions."""
        found = factor_posteriors(prepared, block.occupancy, block.first_order, covariances=False)
        offsets = np.tensordot(found.means, prepared.factors.loadings, (1, 2))
        return np.asarray(block.first_order - block.occupancy[:, :, None] * offsets)


def fit_joint_factors(
    mixture: Mixture,
    occupancy: ArrayLike,
    first_order: ArrayLike,
    speakers: Sequence[Any] | NDArray[Any],
    options: JointFactorOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> EMResult[JointFactors]:
    """Train joint factor analysis.

    Parameters
    ----------
    mixture : Mixture
        The background mixture, of any kind of covariances; or an object that contains one.
    occupancy : array, shape (N, K)
        Zeroth-order statistics of N sessions under the mixture, in frames.
    first_order : array, shape (N, K, D)
        Sums of posterior times feature, about zero.
    speakers : sequence of length N
        The speaker of each session.
    options : JointFactorOptions, optional
        `speaker_dimension`, `session_dimension`, `with_residual`, `max_iter` and others.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.
    run : RunContext, optional
        Its `callback`, `checkpoint`, `checkpoint_seconds` and `progress` are used.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    EMResult
        The model and the history; objectives are log-likelihoods per frame relative to the
        mixture's, given the posteriors of its components.

    Raises
    ------
    IncompatibleModelError
        If the statistics do not fit the mixture, or the checkpoint is of another training.
    InsufficientDataError
        If there are too few speakers, or sessions of a speaker, for the factors; or a session has
        no frames.
    InvalidInputError
        If an option is out of range, statistics are not finite, or nothing is to be trained.

    Notes
    -----
    All of V, U and D are updated together from their joint posterior, so that the likelihood never
    falls; Kenny et al. (2007) train them one after the other. Training starts from some updates of
    V alone, which an interrupted training repeats.
    """
    options = JointFactorOptions.of(options, changes)
    if not (options.speaker_dimension or options.session_dimension or options.with_residual):
        raise InvalidInputError(
            "joint factor analysis needs factors: give speaker_dimension, session_dimension or "
            "with_residual=True"
        )
    return _fit(mixture, occupancy, first_order, speakers, options, engine=engine, run=run)


def fit_session_variability(
    mixture: Mixture,
    occupancy: ArrayLike,
    first_order: ArrayLike,
    speakers: Sequence[Any] | NDArray[Any],
    options: SessionVariabilityOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> EMResult[JointFactors]:
    """Train inter-session variability: relevance MAP of speakers, with factors of the sessions.

    Parameters
    ----------
    mixture, occupancy, first_order, speakers, engine, run, **changes
        As in `fit_joint_factors`.
    options : SessionVariabilityOptions, optional
        `dimension`, `relevance_factor`, `max_iter` and others.

    Returns
    -------
    EMResult
        As of `fit_joint_factors`.

    Raises
    ------
    IncompatibleModelError, InsufficientDataError, InvalidInputError
        As in `fit_joint_factors`.

    Notes
    -----
    The model of Vogt and Sridharan (2008). With `dimension` 0 a speaker's means are those of
    `speakergmm.mixtures.adapt_means`.
    """
    options = SessionVariabilityOptions.of(options, changes)
    return _fit(mixture, occupancy, first_order, speakers, options.joint, engine=engine, run=run)


def _fit(
    mixture: Mixture,
    occupancy: ArrayLike,
    first_order: ArrayLike,
    speakers: Sequence[Any] | NDArray[Any],
    options: JointFactorOptions,
    *,
    engine: EngineLike,
    run: RunContext | None,
) -> EMResult[JointFactors]:
    """Train a model of given factors."""
    engine, run = Engine.of(engine), RunContext.checked(run)
    mixture = mixture_of(mixture)
    counts, sums = check_session_statistics(occupancy, first_order, mixture.means.shape)
    groups = SpeakerGroups.of(speakers, len(counts), what="session")
    _check_ranks(options, mixture, groups)
    shards = session_shards(counts, sums, groups, _SHARD_SESSIONS)
    start = _start(mixture, shards, options, engine)
    update = FactorUpdate(
        residual=options.with_residual and options.update_residual,
        minimum_divergence=options.minimum_divergence,
    )
    result = train_factors(start, mixture, shards, update, options, engine=engine, run=run)
    model = JointFactors(mixture_digest(mixture), result.model)
    return EMResult(model, result.history, result.convergence)


def _start(
    mixture: Mixture, shards: Sequence[SessionShard], options: JointFactorOptions, engine: Engine
) -> Factors:
    """Return the model from which training starts: eigenvoices, and random factors of sessions."""
    rng = np.random.default_rng(options.seed)
    base = without_factors(mixture)
    residual = None
    if options.with_residual:
        residual = np.full(mixture.means.shape, options.relevance_factor**-0.5)
    voices = random_loadings(base, options.speaker_dimension, rng)
    start = replace(base, loadings=voices, n_speaker=options.speaker_dimension)
    if options.speaker_dimension and (options.session_dimension or options.with_residual):
        # Factors of sessions that are random as well would take the speakers' part, and give it
        # back slowly.
        alone = replace(options, max_iter=_EIGENVOICE_ITERATIONS)
        start = train_factors(
            start, mixture, shards, FactorUpdate(), alone, engine=engine, run=RunContext()
        ).model
    sessions = random_loadings(base, options.session_dimension, rng)
    loadings = np.concatenate([start.loadings, sessions], axis=2)
    return replace(start, loadings=loadings, residual=residual)


def _check_ranks(options: JointFactorOptions, mixture: Mixture, groups: SpeakerGroups) -> None:
    """Raise an error if the data do not allow as many factors."""
    for name in ("speaker_dimension", "session_dimension"):
        check_rank(name, getattr(options, name), mixture)
    if options.speaker_dimension and options.speaker_dimension >= groups.n_speakers:
        raise InsufficientDataError(
            f"{options.speaker_dimension} factors of speakers need more speakers than factors, "
            f"found {groups.n_speakers}"
        )
    if options.session_dimension > groups.freedom:
        raise InsufficientDataError(
            f"{options.session_dimension} factors of sessions need as many sessions beyond the "
            f"first of each speaker, found {groups.freedom}"
        )
