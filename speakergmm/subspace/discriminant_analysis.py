"""Linear analyses of embeddings: centring, whitening, discriminants, WCCN, nuisance directions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.discriminants import (
    LEAST_VARIANCE,
    find_discriminants,
    whitening_directions,
)
from speakergmm.options import Options, one_of, real, whole
from speakergmm.subspace.embedding_transforms import AffineTransform, NuisanceProjection
from speakergmm.subspace.labelled_embeddings import (
    EmbeddingWarning,
    SpeakerGroups,
    check_embeddings,
)

SpeakerWeighting = Literal["session", "speaker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhiteningOptions(Options):
    """Options of whitening.

    Parameters
    ----------
    n_dimensions : int, optional
        Principal directions that are kept; all in which the embeddings vary by default.
    """

    n_dimensions: int | None = whole(None, "Principal directions that are kept.", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminantOptions(Options):
    """Options of linear discriminant analysis.

    Parameters
    ----------
    n_dimensions : int, optional
        Discriminants that are kept; as many as there are by default.
    shrinkage : float, default=0
        Part of the covariance within speakers that is replaced by a multiple of the identity of
        the same trace; from 0 to 1.
    """

    n_dimensions: int | None = whole(None, "Discriminants that are kept.", optional=True)
    shrinkage: float = real(
        0.0, "Part of the covariance within speakers that becomes spherical.", least=0, most=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinClassOptions(Options):
    """Options of within-class covariance normalisation.

    Parameters
    ----------
    weighting : {"speaker", "session"}, default="speaker"
        Whether the covariances of all speakers count the same, as in Dehak et al. (2011), or each
        by its number of sessions, as in Hatch et al. (2006).
    shrinkage : float, default=0
        As in `DiscriminantOptions`.
    """

    weighting: SpeakerWeighting = one_of(
        "speaker", get_args(SpeakerWeighting), "What counts the same: speakers or sessions."
    )
    shrinkage: float = real(
        0.0, "Part of the covariance within speakers that becomes spherical.", least=0, most=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NuisanceOptions(Options):
    """Options of nuisance attribute projection.

    Parameters
    ----------
    n_directions : int
        Directions that are removed.
    """

    n_directions: int = whole(..., "Directions between sessions of a speaker that are removed.")


def fit_centring(X: ArrayLike) -> AffineTransform:
    """Return the transform that subtracts the mean of some embeddings.

    Parameters
    ----------
    X : array, shape (N, D)

    Raises
    ------
    InvalidInputError
        If they are not a finite matrix.

    Examples
    --------
    >>> fit_centring([[1.0], [3.0]]).transform([[3.0]])
    array([[1.]])
    """
    embeddings = check_embeddings(X)
    return AffineTransform(embeddings.mean(axis=0), np.eye(embeddings.shape[1]), "centring")


def fit_whitening(
    X: ArrayLike, options: WhiteningOptions | None = None, **changes: Any
) -> AffineTransform:
    """Return the transform that makes the covariance of some embeddings the identity.

    Parameters
    ----------
    X : array, shape (N, D)
    options : WhiteningOptions, optional
    **changes
        Options by keyword.

    Returns
    -------
    AffineTransform
        To principal directions, the largest variance first.

    Raises
    ------
    InvalidInputError
        If they are not a finite matrix, or vary in fewer directions than are to be kept.
    InsufficientDataError
        If they do not vary at all.

    Warns
    -----
    EmbeddingWarning
        If the embeddings do not vary in some directions, which are left out.
    """
    options = WhiteningOptions.of(options, changes)
    embeddings = check_embeddings(X)
    mean = embeddings.mean(axis=0)
    covariance = _product(embeddings - mean) / len(embeddings)
    basis = _whitening_basis(covariance, "whitening: the embeddings", options.n_dimensions)
    return AffineTransform(mean, basis, "whitening")


def fit_discriminants(
    X: ArrayLike,
    speakers: ArrayLike,
    options: DiscriminantOptions | None = None,
    **changes: Any,
) -> AffineTransform:
    """Return the linear discriminants between speakers (LDA).

    Parameters
    ----------
    X : array, shape (N, D)
        Embeddings of sessions.
    speakers : array, shape (N,)
        Names of their speakers.
    options : DiscriminantOptions, optional
    **changes
        Options by keyword.

    Returns
    -------
    AffineTransform
        After it the covariance within speakers (divided by N - S) is the identity, and that
        between them diagonal, the largest first: the directions of scikit-learn. At most one
        dimension less than there are speakers.

    Raises
    ------
    InvalidInputError
        If arrays do not agree or are not finite, or the data do not have so many discriminants.
    InsufficientDataError
        If there is one speaker only, or no speaker has a second session.

    Warns
    -----
    EmbeddingWarning
        If the speakers do not vary in some directions, as with fewer sessions than dimensions;
        the discriminants are looked for in the others, as scikit-learn does. With `shrinkage`
        none is left out.

    References
    ----------
    .. [1] Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.1.6.

    Examples
    --------
    >>> X = [[0.0, 1.0], [0.0, -1.0], [9.0, 1.0], [9.0, -1.0], [5.0, 2.0], [4.0, -2.0]]
    >>> fit_discriminants(X, ["a", "a", "b", "b", "c", "c"]).matrix.shape
    (2, 2)
    """
    options = DiscriminantOptions.of(options, changes)
    embeddings = check_embeddings(X)
    groups = SpeakerGroups.of(speakers, len(embeddings))
    groups.need_several_speakers("a discriminant analysis")
    groups.need_several_sessions("a discriminant analysis")
    mean = embeddings.mean(axis=0)
    within = _product(groups.deviations(embeddings)) / groups.freedom
    within = _shrunk(within, options.shrinkage)
    weighted = np.sqrt(groups.counts)[:, None] * (groups.means(embeddings) - mean)
    found = find_discriminants(within, weighted)
    _check_rank(found.n_directions, len(within), "discriminants: sessions of speakers")
    most = min(groups.n_speakers - 1, found.n_directions)
    n_kept = most if options.n_dimensions is None else options.n_dimensions
    if n_kept > most:
        raise InvalidInputError(
            f"n_dimensions must be at most {most}: {groups.n_speakers} speakers that vary in "
            f"{found.n_directions} directions have no more discriminants, found {n_kept}"
        )
    return AffineTransform(mean, found.matrix[:, :n_kept], "discriminants")


def fit_within_class_normalisation(
    X: ArrayLike, speakers: ArrayLike, options: WithinClassOptions | None = None, **changes: Any
) -> AffineTransform:
    """Return the transform after which the covariance within speakers is the identity (WCCN).

    Parameters
    ----------
    X : array, shape (N, D)
        Embeddings of sessions.
    speakers : array, shape (N,)
        Names of their speakers.
    options : WithinClassOptions, optional
    **changes
        Options by keyword.

    Returns
    -------
    AffineTransform
        Its matrix is the lower Cholesky factor of the inverse covariance, and it shifts nothing.

    Raises
    ------
    InvalidInputError
        If arrays do not agree or are not finite.
    InsufficientDataError
        If the covariance within speakers has no inverse; the message states the number of
        dimensions that the sessions allow.

    References
    ----------
    .. [1] Hatch, Kajarekar, Stolcke, "Within-class covariance normalization for SVM-based speaker
       recognition", Interspeech 2006.
    .. [2] Dehak, Kenny, Dehak, Dumouchel, Ouellet, "Front-end factor analysis for speaker
       verification", IEEE Transactions on Audio, Speech, and Language Processing 19 (2011)
       788-798, equation 16.

    Examples
    --------
    >>> fit_within_class_normalisation([[0.0], [4.0]], ["a", "a"]).matrix
    array([[0.5]])
    """
    options = WithinClassOptions.of(options, changes)
    embeddings = check_embeddings(X)
    groups = SpeakerGroups.of(speakers, len(embeddings))
    groups.need_several_sessions("within-class covariance normalisation")
    deviations = groups.deviations(embeddings)
    # A speaker of one session says nothing of what is within.
    if options.weighting == "speaker":
        n_several = int((groups.counts > 1).sum())
        deviations /= np.sqrt(groups.counts * n_several)[groups.places][:, None]
    else:
        deviations /= np.sqrt(groups.counts[groups.counts > 1].sum())
    covariance = _shrunk(_product(deviations), options.shrinkage)
    check_invertible(covariance, "within-class covariance normalisation", groups)
    inverse = np.linalg.inv(covariance)
    matrix = np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2), np.float64)
    return AffineTransform(np.zeros(len(matrix)), matrix, "WCCN")


def fit_nuisance_projection(
    X: ArrayLike, speakers: ArrayLike, options: NuisanceOptions | None = None, **changes: Any
) -> NuisanceProjection:
    """Return the projection that removes where sessions of a speaker differ most (NAP).

    Parameters
    ----------
    X : array, shape (N, D)
        Supervectors or embeddings of sessions.
    speakers : array, shape (N,)
        Names of their speakers.
    options : NuisanceOptions, optional
    **changes
        Options by keyword: `n_directions`.

    Returns
    -------
    NuisanceProjection

    Raises
    ------
    InvalidInputError
        If arrays do not agree or are not finite, or sessions differ in fewer directions.
    InsufficientDataError
        If no speaker has a second session.

    Notes
    -----
    The directions are those of the largest variance within speakers: the eigenvectors of the
    scatter of sessions about their speakers' means, found from the N x D matrix of deviations.

    References
    ----------
    .. [1] Campbell, Sturim, Reynolds, Solomonoff, "SVM based speaker verification using a GMM
       supervector kernel and NAP variability compensation", ICASSP 2006.
    """
    options = NuisanceOptions.of(options, changes)
    embeddings = check_embeddings(X)
    groups = SpeakerGroups.of(speakers, len(embeddings))
    groups.need_several_sessions("nuisance attribute projection")
    _, values, rows = np.linalg.svd(groups.deviations(embeddings), full_matrices=False)
    rank = int((values**2 > LEAST_VARIANCE * values[0] ** 2).sum())
    # The last direction stays: a projection of everything leaves nothing to compare.
    most = min(rank, embeddings.shape[1] - 1)
    if options.n_directions > most:
        raise InvalidInputError(
            f"n_directions must be at most {most}: the sessions of a speaker differ in {rank} of "
            f"{embeddings.shape[1]} directions, found {options.n_directions}"
        )
    return NuisanceProjection(rows[: options.n_directions])


def check_invertible(covariance: NDArray[np.float64], what: str, groups: SpeakerGroups) -> None:
    """Raise an error if the covariance within speakers has no inverse.

    Raises
    ------
    InsufficientDataError
        The message states the number of dimensions that the sessions allow.
    """
    scale = np.sqrt(_positive(covariance.diagonal()))
    values = np.linalg.eigvalsh(covariance / np.outer(scale, scale))
    rank = int((values > LEAST_VARIANCE * values[-1]).sum())
    if rank < len(covariance):
        raise InsufficientDataError(
            f"{what}: the sessions of a speaker vary in {rank} of {len(covariance)} dimensions "
            f"({len(groups.places)} sessions of {groups.n_speakers} speakers); reduce to {rank} by "
            "discriminants or whitening first, or give more sessions"
        )


def _whitening_basis(
    covariance: NDArray[np.float64], what: str, n_kept: int | None = None
) -> NDArray[np.float64]:
    """Return the D x E matrix of principal directions over deviations, the largest first."""
    basis = whitening_directions(covariance)
    rank = basis.shape[1]
    if n_kept is not None and rank and n_kept > rank:
        raise InvalidInputError(
            f"n_dimensions must be at most {rank}: {what} vary in no more directions, found "
            f"{n_kept}"
        )
    _check_rank(rank, len(covariance) if n_kept is None else rank, what)
    return basis[:, :n_kept]


def _check_rank(rank: int, wanted: int, what: str) -> None:
    """Raise an error if data do not vary, and warn if they do not in some directions."""
    if not rank:
        raise InsufficientDataError(f"{what} do not vary")
    if rank < wanted:
        text = f"{what} vary in {rank} of {wanted} directions; the others are left out"
        warnings.warn(text, EmbeddingWarning, stacklevel=3)


def _shrunk(covariance: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    if not shrinkage:
        return covariance
    spherical = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return np.asarray((1 - shrinkage) * covariance + shrinkage * spherical)


def _product(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(deviations.T @ deviations)


def _positive(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(variances > 0, variances, 1.0)
