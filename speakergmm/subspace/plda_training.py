"""Training of Gaussian PLDA by expectation-maximisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.em import EMResult, EMState, EMStep, UpdateReport
from speakergmm.mixtures.resumable_em import run_resumable_em
from speakergmm.options import Options, one_of, real, whole, yes_no
from speakergmm.run_context import RunContext
from speakergmm.subspace.discriminant_analysis import check_invertible
from speakergmm.subspace.labelled_embeddings import SpeakerGroups, check_embeddings
from speakergmm.subspace.plda_expectation import SpeakerExpectations, SpeakerSums
from speakergmm.subspace.plda_model import Plda

NoiseCovariance = Literal["full", "diagonal"]

# Smallest variance between speakers from which training starts, in variances within: expectation-
# maximisation never leaves 0.
_LEAST_START = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PldaOptions(Options):
    """Options of training PLDA.

    Parameters
    ----------
    rank : int, optional
        Dimensions of the speaker subspace. By default all that the data allow: the two-covariance
        model where there are more speakers than dimensions.
    noise : {"full", "diagonal"}, default="full"
        Covariance of the sessions of a speaker; a diagonal one is that of Prince and Elder (2007).
    minimum_divergence : bool, default=True
        Let each update also make the factors of the speakers standard normal, which takes fewer
        iterations.
    max_iter : int, default=50
        Largest number of updates.
    tol : float, default=0.0001
        Training ends when the log-likelihood per embedding, in nats, changes by no more than this.
    """

    rank: int | None = whole(None, "Dimensions of the speaker subspace.", optional=True)
    noise: NoiseCovariance = one_of(
        "full", get_args(NoiseCovariance), "Covariance of the sessions of a speaker."
    )
    minimum_divergence: bool = yes_no(
        True, "Make the factors of the speakers standard normal in each update."
    )
    max_iter: int = whole(50, "Largest number of iterations.")
    tol: float = real(
        1e-4, "Change of the log-likelihood per embedding at which training ends.", least=0
    )


def fit_plda(
    X: ArrayLike,
    speakers: ArrayLike,
    options: PldaOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> EMResult[Plda]:
    """Train Gaussian PLDA on embeddings of speakers.

    Parameters
    ----------
    X : array, shape (N, D)
        Embeddings of sessions, as a rule centred and of one length.
    speakers : array, shape (N,)
        Names of their speakers, S of them, some of several sessions.
    options : PldaOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Where the expectations of the speakers are summed; it changes nothing but the time.
    run : RunContext, optional
        Its ``callback`` is called as ``callback(number, iteration)`` after each new iteration, and
        from its ``checkpoint`` the same call resumes after an interruption, to the same result.
    **changes
        Options by keyword.

    Returns
    -------
    EMResult
        The model, the history of log-likelihoods per embedding, and the reason why training ended.

    Raises
    ------
    InsufficientDataError
        If no speaker has a second session, there is one speaker only, or the sessions of a speaker
        do not vary in all dimensions.
    InvalidInputError
        If arrays do not agree or are not finite, or the rank is larger than the data allow.
    IncompatibleModelError
        If the checkpoint was written with other embeddings or options; they are named.

    Notes
    -----
    The update of loadings, mean and noise is the regression of the embeddings on the factors, and
    minimum divergence updates the prior of the factors, which is then made standard again: an
    expectation-maximisation with expanded parameters, whose likelihood never falls [1]_ [2]_. With
    as many factors as dimensions it trains the two-covariance model [3]_.

    References
    ----------
    .. [1] Kenny, "Bayesian speaker verification with heavy-tailed priors", Odyssey 2010.
    .. [2] Liu, Rubin, Wu, "Parameter expansion to accelerate EM", Biometrika 85 (1998) 755-770.
    .. [3] Brümmer, "EM for probabilistic LDA", Agnitio Research (2010).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> speakers = np.repeat(np.arange(500), 4)
    >>> X = 2.0 * rng.normal(size=(500, 1))[speakers] + rng.normal(size=(2000, 1))
    >>> plda = fit_plda(X, speakers).model
    >>> plda.between.round(1), plda.within.round(1)
    (array([[4.1]]), array([[1.]]))
    """
    options = PldaOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    embeddings = check_embeddings(X)
    groups = SpeakerGroups.of(speakers, len(embeddings))
    start = _start(embeddings, groups, options)
    sums = SpeakerSums.of(embeddings, groups)

    def accumulate(plda: Plda) -> SpeakerExpectations:
        return sums.expect(plda, engine)

    def update(found: SpeakerExpectations, _: Plda) -> tuple[Plda, UpdateReport]:
        return update_plda(found, sums, options), UpdateReport()

    def fingerprint() -> dict[str, Any]:
        """Return what a checkpoint must share with this call."""
        names = PldaOptions.declarations()
        return {
            **{name: getattr(options, name) for name in names},
            "embeddings": embeddings,
            "speakers": groups.places,
        }

    step = EMStep(accumulate=accumulate, update=update, max_iter=options.max_iter, tol=options.tol)
    return run_resumable_em(start, step, EMState[Plda], fingerprint=fingerprint, run=run)


def update_plda(found: SpeakerExpectations, sums: SpeakerSums, options: PldaOptions) -> Plda:
    """Return the model of the largest expected log-likelihood.

    Parameters
    ----------
    found : SpeakerExpectations
        Expectations under the model before.
    sums : SpeakerSums
        Of the same embeddings.
    options : PldaOptions
        `noise` and `minimum_divergence` are used.
    """
    n = found.n_frames
    # Regression of the embeddings, about the centre of all, on [y, 1].
    design = np.block(
        [
            [found.session_products, found.session_factors[:, None]],
            [found.session_factors[None], np.full((1, 1), n)],
        ]
    )
    cross = np.hstack([found.cross, np.zeros((len(found.cross), 1))])
    slopes = np.linalg.solve(design, cross.T).T
    within = (sums.scatter - slopes @ cross.T) / n
    within = (within + within.T) / 2
    if options.noise == "diagonal":
        within = np.diag(within.diagonal())
    loadings, mean = slopes[:, :-1], sums.centre + slopes[:, -1]
    if options.minimum_divergence:
        centre = found.factors / found.n_speakers
        spread = found.products / found.n_speakers - np.outer(centre, centre)
        mean, loadings = standardise_factors(mean, loadings, centre, spread)
    return Plda(mean, loadings, within)


def standardise_factors(
    mean: NDArray[np.float64],
    loadings: NDArray[np.float64],
    centre: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and loadings whose factors are standard normal, with the same embeddings.

    Parameters
    ----------
    mean : array, shape (D,)
    loadings : array, shape (D, R)
    centre : array, shape (R,)
        Mean of the factors.
    spread : array, shape (R, R)
        Covariance of the factors.
    """
    root = np.asarray(np.linalg.cholesky(spread), np.float64)
    return mean + loadings @ centre, loadings @ root


def _start(embeddings: NDArray[np.float64], groups: SpeakerGroups, options: PldaOptions) -> Plda:
    """Return the model of the moments within and between speakers."""
    groups.need_several_speakers("PLDA")
    groups.need_several_sessions("PLDA")
    n_dimensions = embeddings.shape[1]
    most = min(n_dimensions, groups.n_speakers - 1)
    rank = most if options.rank is None else options.rank
    if rank > most:
        raise InvalidInputError(
            f"rank must be at most {most} for {groups.n_speakers} speakers of embeddings of "
            f"{n_dimensions} dimensions, found {rank}"
        )
    deviations = groups.deviations(embeddings)
    within = deviations.T @ deviations / groups.freedom
    if options.noise == "diagonal":
        within = np.diag(within.diagonal())
        if not within.diagonal().all():
            place = int(np.argmin(within.diagonal()))
            raise InsufficientDataError(
                f"PLDA: dimension {place} is the same in all sessions of a speaker; leave it out"
            )
    else:
        check_invertible(within, "PLDA", groups)
    # The covariance of the speakers' means has a part of that within.
    means = groups.means(embeddings)
    mean = embeddings.mean(axis=0)
    of_means = np.cov(means.T, bias=True).reshape(within.shape)
    root = np.asarray(np.linalg.cholesky(within), np.float64)
    whitened = np.linalg.solve(root, np.linalg.solve(root, of_means).T)
    values, vectors = np.linalg.eigh((whitened + whitened.T) / 2)
    variances = values[::-1][:rank] - (1 / groups.counts).mean()
    loadings = root @ (vectors[:, ::-1][:, :rank] * np.sqrt(np.maximum(variances, _LEAST_START)))
    return Plda(mean, loadings, within)
