"""Total variability: i-vectors, and the extractor that makes them of statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.em import EMResult
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.run_context import RunContext
from speakergmm.subspace.background_binding import (
    check_mixture,
    check_rank,
    check_second_order,
    mixture_digest,
)
from speakergmm.subspace.factor_options import TotalVariabilityOptions
from speakergmm.subspace.factor_posteriors import FactorPosteriors, factor_posteriors
from speakergmm.subspace.factor_sums import BLOCK_SESSIONS
from speakergmm.subspace.factor_training import random_loadings, train_factors, without_factors
from speakergmm.subspace.factor_updates import FactorUpdate
from speakergmm.subspace.factors import Factors, PreparedFactors
from speakergmm.subspace.packed import packed_layout
from speakergmm.subspace.session_statistics import (
    SessionShard,
    check_session_statistics,
    session_shards,
)

Array = NDArray[np.float64]

# Number of sessions whose sums are made by one worker; the sums are as large as the model.
_SHARD_SESSIONS = 1024


@dataclass(frozen=True, eq=False, repr=False)
class TotalVariability(records.Filed):
    """An extractor of i-vectors: factor analysis in which every session has factors of its own.

    Parameters
    ----------
    background_digest : str
        Digest of the background mixture whose statistics it takes; see `mixture_digest`.
    factors : Factors
        Loadings of R factors, all of them those of the speaker, without a residual.

    Raises
    ------
    InvalidInputError
        If the model has factors of sessions, or a residual.

    Notes
    -----
    The supervector of a session is modelled as ``means + T w``, with a standard normal w [1]_ [2]_.
    Its posterior mean is the i-vector.

    References
    ----------
    .. [1] Dehak, Kenny, Dehak, Dumouchel, Ouellet, "Front-End Factor Analysis for Speaker
       Verification", IEEE Transactions on Audio, Speech, and Language Processing 19 (2011) 788-798.
    .. [2] Glembek, Burget, Matějka, Karafiát, Kenny, "Simplification and Optimization of I-Vector
       Extraction", ICASSP 2011.
    """

    file_kind: ClassVar[str] = "i-vector extractor"

    background_digest: str
    factors: Factors

    def __post_init__(self) -> None:
        """Check that the model is one of total variability."""
        if not self.factors.is_tied:
            raise InvalidInputError(
                f"an i-vector extractor has no factors of sessions and no residual, found "
                f"{self.factors!r}"
            )

    def __repr__(self) -> str:
        n_components, n_features, dimension = self.factors.loadings.shape
        return (
            f"TotalVariability({n_components} components, {n_features} features, "
            f"dimension {dimension})"
        )

    @cached_property
    def _prepared(self) -> PreparedFactors:
        return PreparedFactors(self.factors)

    @property
    def dimension(self) -> int:
        """Dimension of i-vectors, R."""
        return self.factors.n_speaker

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines i-vectors."""
        return records.digest(self.file_kind, self.background_digest, self.factors)

    def check_background(self, mixture: Mixture) -> None:
        """Raise an error if the extractor was made for another background mixture.

        Raises
        ------
        IncompatibleModelError
            If it was; the message names both.
        """
        check_mixture(self.background_digest, mixture, "i-vector extractor")

    def transform(
        self, occupancy: ArrayLike, first_order: ArrayLike, *, engine: EngineLike = None
    ) -> Array:
        """Return the i-vectors of N sessions.

        Parameters
        ----------
        occupancy : array, shape (N, K)
            Zeroth-order statistics under the background mixture, in frames.
        first_order : array, shape (N, K, D)
            Sums of posterior times feature, about zero.
        engine : int, executor, Dask client or Engine, optional
            Where the work is done; a number is one of threads.

        Returns
        -------
        array, shape (N, R)
            Posterior means of the factors, less their prior mean.

        Raises
        ------
        IncompatibleModelError, InsufficientDataError, InvalidInputError
            As in `check_session_statistics`.
        """
        means = [found.means for found in self._posteriors(occupancy, first_order, engine)]
        vectors = np.concatenate(means)
        return vectors if (prior := self.factors.prior_mean) is None else vectors - prior

    def posteriors(
        self, occupancy: ArrayLike, first_order: ArrayLike, *, engine: EngineLike = None
    ) -> tuple[Array, Array]:
        """Return i-vectors (N, R) and their posterior covariances (N, R, R); see `transform`."""
        found = list(self._posteriors(occupancy, first_order, engine, covariances=True))
        layout = packed_layout(self.dimension)
        covariances = [
            layout.unpack(each.covariances) for each in found if each.covariances is not None
        ]
        vectors = np.concatenate([each.means for each in found])
        prior = self.factors.prior_mean
        return vectors if prior is None else vectors - prior, np.concatenate(covariances)

    def _posteriors(
        self,
        occupancy: ArrayLike,
        first_order: ArrayLike,
        engine: EngineLike,
        *,
        covariances: bool = False,
    ) -> Iterator[FactorPosteriors]:
        """Return the posterior distributions of blocks of sessions."""
        shape = self.factors.means.shape
        counts, sums = check_session_statistics(occupancy, first_order, shape)
        prepared = self._prepared

        def of_block(block: SessionShard) -> FactorPosteriors:
            return factor_posteriors(
                prepared, block.occupancy, block.first_order, covariances=covariances
            )

        blocks = SessionShard(counts, sums, None).blocks(BLOCK_SESSIONS)
        return Engine.of(engine).map_threads(of_block, blocks)


def fit_total_variability(
    mixture: Mixture,
    occupancy: ArrayLike,
    first_order: ArrayLike,
    options: TotalVariabilityOptions | None = None,
    *,
    second_order: ArrayLike | None = None,
    start: TotalVariability | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> EMResult[TotalVariability]:
    """Train an extractor of i-vectors.

    Parameters
    ----------
    mixture : Mixture
        The background mixture, of any kind of covariances; or an object that contains one.
    occupancy : array, shape (N, K)
        Zeroth-order statistics of N sessions under the mixture, in frames.
    first_order : array, shape (N, K, D)
        Sums of posterior times feature, about zero.
    options : TotalVariabilityOptions, optional
        `dimension`, `max_iter`, `tol`, `minimum_divergence`, `seed` and others.
    second_order : array, optional
        Second-order statistics, summed over all sessions, in the shape of the mixture's
        covariances; needed, and used, if covariances are updated.
    start : TotalVariability, optional
        An extractor of the same mixture, from which training goes on in place of random loadings;
        `dimension`, `prior_offset` and `seed` are not used then.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.
    run : RunContext, optional
        Its `callback`, `checkpoint`, `checkpoint_seconds` and `progress` are used.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    EMResult
        The extractor (`model`) and the history; objectives are log-likelihoods per frame relative
        to the mixture's, whose means do not move, given the posteriors of its components.

    Raises
    ------
    IncompatibleModelError
        If the statistics or the start do not fit the mixture, or the checkpoint is of another
        training.
    InsufficientDataError
        If there are no more sessions than factors, or a session has no frames.
    InvalidInputError
        If an option is out of range, or statistics are not finite.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> rng = np.random.default_rng(0)
    >>> ubm = DiagonalMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    >>> counts = np.full((200, 1), 50.0)
    >>> sums = 50.0 * rng.normal(size=(200, 1, 1)) * [0.6, 0.8] + rng.normal(0, 7, (200, 1, 2))
    >>> result = fit_total_variability(ubm, counts, sums, dimension=1)
    >>> np.abs(result.model.factors.loadings[0].T).round(1)
    array([[0.6, 0.8]])
    """
    options = TotalVariabilityOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    mixture = mixture_of(mixture)
    counts, sums = check_session_statistics(occupancy, first_order, mixture.means.shape)
    first = _start(mixture, options, start)
    if first.n_speaker >= len(counts):
        raise InsufficientDataError(
            f"{first.n_speaker} factors need more sessions than factors, found {len(counts)}"
        )
    update = FactorUpdate(
        means=options.update_means,
        covariances=options.update_covariances,
        variance_floor=options.variance_floor,
        minimum_divergence=options.minimum_divergence,
    )
    result = train_factors(
        first,
        mixture,
        session_shards(counts, sums, None, _SHARD_SESSIONS),
        update,
        options,
        second_order=check_second_order(second_order, mixture) if update.covariances else None,
        engine=engine,
        run=run,
    )
    model = TotalVariability(mixture_digest(mixture), result.model)
    return EMResult(model, result.history, result.convergence)


def _start(
    mixture: Mixture, options: TotalVariabilityOptions, start: TotalVariability | None
) -> Factors:
    """Return the model from which training starts: a given one, or random loadings."""
    if start is not None:
        start.check_background(mixture)
        return start.factors
    check_rank("dimension", options.dimension, mixture)
    base = without_factors(mixture)
    loadings = random_loadings(base, options.dimension, np.random.default_rng(options.seed))
    if not options.prior_offset:
        return replace(base, loadings=loadings, n_speaker=options.dimension)
    prior_mean = np.zeros(options.dimension)
    prior_mean[0] = options.prior_offset
    loadings[:, :, 0] = base.means / options.prior_offset
    return replace(
        base,
        means=np.zeros_like(base.means),
        loadings=loadings,
        n_speaker=options.dimension,
        prior_mean=prior_mean,
    )
