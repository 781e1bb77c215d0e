"""Gaussian PLDA: the model of embeddings of speakers, and likelihood ratios of trials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, one_of, yes_no
from speakergmm.subspace.labelled_embeddings import check_embeddings

SessionCounting = Literal["joint", "average"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PldaScoringOptions(Options):
    """Options of the scores of trials by PLDA.

    Parameters
    ----------
    sessions : {"joint", "average"}, default="joint"
        The ratio of a model of n sessions is that of their joint density (by the book), or the
        average of the sessions counts as one session.
    expected_length : bool, default=False
        Scale each model and test to the length that the model expects of it, as Kaldi does.
    """

    sessions: SessionCounting = one_of(
        "joint", get_args(SessionCounting), "Sessions of a model count by their number, or as one."
    )
    expected_length: bool = yes_no(
        False, "Scale embeddings to the length that the model of speakers expects."
    )


@dataclass(frozen=True, eq=False, repr=False)
class Plda(records.Filed):
    """Gaussian probabilistic linear discriminant analysis.

    The embeddings of a speaker are ``mean + loadings @ y + e``: y is standard normal of R
    dimensions and the same in all sessions, e has the covariance `within`. With R = D it is the
    two-covariance model [1]_, with fewer the simplified one of a subspace [2]_ [3]_.

    Parameters
    ----------
    mean : array, shape (D,)
    loadings : array, shape (D, R)
        The speaker subspace; its product with its transpose is the covariance between speakers.
    within : array, shape (D, D)
        Covariance of the sessions of a speaker; positive definite.

    Raises
    ------
    InvalidInputError
        If shapes do not agree, numbers are not finite, or `within` is not positive definite.

    References
    ----------
    .. [1] Brümmer, de Villiers, "The speaker partitioning problem", Odyssey 2010.
    .. [2] Kenny, "Bayesian speaker verification with heavy-tailed priors", Odyssey 2010.
    .. [3] Prince, Elder, "Probabilistic linear discriminant analysis for inferences about
       identity", ICCV 2007.

    Examples
    --------
    >>> plda = Plda([0.0], [[2.0]], [[1.0]])
    >>> plda.score([[2.0]], [[2.0], [-2.0]]).round(2)
    array([[ 0.87, -2.69]])
    """

    file_kind: ClassVar[str] = "PLDA model"

    mean: Annotated[NDArray[np.float64], "D"]
    loadings: Annotated[NDArray[np.float64], "D R"]
    within: Annotated[NDArray[np.float64], "D D"]

    def __post_init__(self) -> None:
        """Check the shapes, and that `within` is a covariance."""
        loadings = check_embeddings(self.loadings, what="loadings")
        n_dimensions, rank = loadings.shape
        within = check_embeddings(self.within, n_dimensions, what="a covariance within speakers")
        mean = check_embeddings([self.mean], n_dimensions, what="a mean")[0]
        if rank > n_dimensions or len(within) != n_dimensions:
            raise InvalidInputError(
                f"loadings of shape (D, R) and a covariance of (D, D) are needed, R at most D; "
                f"found {loadings.shape} and {within.shape}"
            )
        for name, value in (("mean", mean), ("loadings", loadings), ("within", within)):
            object.__setattr__(self, name, value)
        if not np.allclose(within, within.T, rtol=1e-6, atol=0.0):
            raise InvalidInputError("a covariance within speakers must be symmetric")
        _ = self._root  # raises an error unless it is positive definite

    def __repr__(self) -> str:
        n_dimensions, rank = self.loadings.shape
        return f"Plda({n_dimensions} dimensions, speaker subspace of {rank})"

    @classmethod
    def of_covariances(cls, mean: ArrayLike, between: ArrayLike, within: ArrayLike) -> Self:
        """Return the two-covariance model of these parameters.

        Parameters
        ----------
        mean : array, shape (D,)
        between : array, shape (D, D)
            Covariance of speakers; positive semidefinite.
        within : array, shape (D, D)

        Raises
        ------
        InvalidInputError
            If shapes do not agree, or a matrix is not a covariance.
        """
        values, vectors = np.linalg.eigh(check_embeddings(between, what="a covariance"))
        if values[0] < -1e-9 * abs(values[-1]):
            raise InvalidInputError("a covariance between speakers must not be negative")
        loadings = vectors * np.sqrt(np.maximum(values, 0.0))
        return cls(np.asarray(mean), loadings, np.asarray(within))

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the embeddings, D."""
        return len(self.loadings)

    @property
    def rank(self) -> int:
        """Dimensions of the speaker subspace, R."""
        return len(self.loadings.T)

    @property
    def between(self) -> NDArray[np.float64]:
        """Covariance between speakers, shape (D, D)."""
        return self.loadings @ self.loadings.T

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the parameters."""
        return records.digest(self.file_kind, self.mean, self.loadings, self.within)

    @cached_property
    def _root(self) -> NDArray[np.float64]:
        try:
            return np.asarray(np.linalg.cholesky((self.within + self.within.T) / 2), np.float64)
        except np.linalg.LinAlgError:
            raise InvalidInputError(
                "a covariance within speakers must be positive definite"
            ) from None

    @cached_property
    def _diagonalisation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The matrix (D, D) to coordinates of diagonal covariances, and the variances between."""
        from scipy.linalg import solve_triangular

        whitened = solve_triangular(self._root, self.loadings, lower=True)
        try:
            rotation, deviations, _ = np.linalg.svd(whitened, full_matrices=True)
        except np.linalg.LinAlgError:
            raise InvalidInputError("loadings are too large for the covariance within") from None
        matrix = solve_triangular(self._root, rotation, lower=True, trans="T")
        variances = np.zeros(self.n_dimensions)
        variances[: self.rank] = deviations**2
        return matrix, variances

    @property
    def variances(self) -> NDArray[np.float64]:
        """Variances between speakers where those within are one, shape (D,), the largest first."""
        return self._diagonalisation[1]

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return embeddings in coordinates in which both covariances are diagonal.

        Parameters
        ----------
        X : array, shape (N, D)

        Returns
        -------
        array, shape (N, D)
            The mean is 0, the covariance within speakers the identity, and that between them has
            the diagonal `variances`.

        Raises
        ------
        InvalidInputError
            If the embeddings are no finite matrix of D columns.
        """
        return (check_embeddings(X, self.n_dimensions) - self.mean) @ self._diagonalisation[0]

    def score(
        self,
        models: ArrayLike,
        tests: ArrayLike,
        counts: ArrayLike | None = None,
        options: PldaScoringOptions | None = None,
        **changes: Any,
    ) -> NDArray[np.float64]:
        """Compute the log-likelihood ratio of each test to each model.

        Parameters
        ----------
        models : array, shape (M, D)
            The average embedding of the sessions of each model.
        tests : array, shape (N, D)
            Embeddings of tests.
        counts : array, shape (M,), optional
            Number of sessions of each model, 1 by default.
        options : PldaScoringOptions, optional
        **changes
            Options by keyword.

        Returns
        -------
        array, shape (M, N)
            Log-likelihood ratios, natural logarithm: the joint density of the sessions of the
            model and the test if they are of one speaker, to that of two.

        Raises
        ------
        InvalidInputError
            If shapes do not agree, numbers are not finite, or a count is below one.

        Notes
        -----
        The average is a sufficient statistic. In the coordinates of `transform`, of variances
        psi between speakers, the test of a model of n sessions of average u is normal with the
        mean ``n psi / (n psi + 1) u`` and the variance ``1 + psi / (n psi + 1)``, and that of
        another speaker with the mean 0 and the variance ``1 + psi``; see [1]_.

        References
        ----------
        .. [1] Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006.
        """
        options = PldaScoringOptions.of(options, changes)
        left = self.transform(check_embeddings(models, self.n_dimensions, what="models"))
        right = self.transform(check_embeddings(tests, self.n_dimensions, what="tests"))
        numbers = _check_counts(counts, len(left))
        if options.sessions == "average":
            numbers = np.ones_like(numbers)
        if options.expected_length:
            left = self._at_expected_length(left, numbers)
            right = self._at_expected_length(right, np.ones(len(right)))
        # Beyond the speaker subspace both hypotheses say the same.
        psi = self.variances[: self.rank]
        return _ratios(left[:, : self.rank], numbers, right[:, : self.rank], psi)

    def _at_expected_length(
        self, latent: NDArray[np.float64], counts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        expected = (latent**2 / (self.variances + 1 / counts[:, None])).mean(axis=1)
        return np.asarray(latent / np.sqrt(np.where(expected > 0, expected, 1.0))[:, None])


def _ratios(
    models: NDArray[np.float64],
    counts: NDArray[np.float64],
    tests: NDArray[np.float64],
    psi: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return ratios in coordinates of diagonal covariances, as two matrix products."""
    gain = counts[:, None] * psi / (1 + counts[:, None] * psi)
    variances = 1 + psi / (1 + counts[:, None] * psi)
    means = gain * models
    slopes = means / variances
    offsets = 0.5 * (np.log1p(psi) - np.log(variances) - means * slopes).sum(axis=1)
    scores = slopes @ tests.T
    scores += offsets[:, None]
    # The term of the squares of a test is the same for all models of as many sessions.
    kinds, first, kind_of = np.unique(counts, return_index=True, return_inverse=True)
    curvatures = 0.5 * (1 / (1 + psi) - 1 / variances[first])
    squares = curvatures @ (tests**2).T
    if len(kinds) == 1:
        scores += squares
    else:
        for kind, row in enumerate(squares):
            scores[kind_of == kind] += row
    return np.asarray(scores)


def _check_counts(counts: ArrayLike | None, n_models: int) -> NDArray[np.float64]:
    """Return the numbers of sessions of M models."""
    if counts is None:
        return np.ones(n_models)
    numbers = np.asarray(counts, dtype=np.float64)
    if numbers.shape != (n_models,) or not ((numbers >= 1) & (numbers < np.inf)).all():
        raise InvalidInputError(
            f"counts must be a number of sessions >= 1 for each of {n_models} models, found "
            f"{np.array2string(numbers, threshold=4, edgeitems=1)}"
        )
    return numbers
