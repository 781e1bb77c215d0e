"""Support vector machines on supervectors: each speaker against the same background."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.options import Options, real, whole, yes_no
from speakergmm.subspace import NuisanceProjection, fit_nuisance_projection
from speakergmm.subspace.labelled_embeddings import check_embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class SvmOptions(Options):
    """Options of support vector machines.

    Parameters
    ----------
    cost : float, default=1
        Cost of a session on the wrong side, the C of the literature; > 0.
    balanced : bool, default=True
        Let the sessions of the speaker together cost as much as the background.
    n_nuisances : int, default=0
        Directions between sessions of a speaker that are removed (nuisance attribute projection).
    """

    cost: float = real(1.0, "Cost of a session on the wrong side.", above=0)
    balanced: bool = yes_no(True, "Let a speaker's sessions cost as much as the background.")
    n_nuisances: int = whole(0, "Directions between sessions that are removed.", least=0)


@dataclass(frozen=True, eq=False, repr=False)
class SupervectorSvm(records.Filed):
    """The background of support vector machines, against which speakers are enrolled.

    Parameters
    ----------
    background : array, shape (N, D)
        Supervectors of sessions of other speakers, after the projection.
    projection : NuisanceProjection, optional
        Applied to the supervectors of enrolment.
    options : SvmOptions

    Raises
    ------
    InvalidInputError
        If numbers are not finite.
    IncompatibleModelError
        If background and projection have different dimensions.

    Notes
    -----
    The machine is scikit-learn's, on a matrix of products of which the part of the background is
    computed once. As the kernel is linear, a speaker is one hyperplane, and a trial one product. A
    hyperplane lies in what the projection leaves, so that tests need not be projected.

    References
    ----------
    .. [1] Campbell, Sturim, Reynolds, "Support vector machines using GMM supervectors for speaker
       verification", IEEE Signal Processing Letters 13 (2006) 308-311.
    """

    file_kind: ClassVar[str] = "supervector SVM"

    background: Annotated[NDArray[np.float32], "N D"]
    projection: NuisanceProjection | None = None
    options: SvmOptions = field(default_factory=SvmOptions)

    def __post_init__(self) -> None:
        """Check the shapes."""
        found = check_embeddings(self.background, what="background supervectors")
        object.__setattr__(self, "background", found.astype(np.float32))
        projection = self.projection
        if projection is not None and projection.n_dimensions != found.shape[1]:
            raise IncompatibleModelError(
                f"a projection of {projection.n_dimensions} dimensions does not fit supervectors "
                f"of {found.shape[1]}"
            )

    def __repr__(self) -> str:
        sessions, size = self.background.shape
        return f"SupervectorSvm({sessions} sessions of the background, {size} dimensions)"

    @classmethod
    def train(
        cls,
        X: ArrayLike,
        speakers: ArrayLike | None = None,
        options: SvmOptions | None = None,
        **changes: Any,
    ) -> SupervectorSvm:
        """Return the background of machines from supervectors of other speakers.

        Parameters
        ----------
        X : array, shape (N, D)
            Supervectors, see `speakergmm.subspace.scaled_supervectors`.
        speakers : array, shape (N,), optional
            Names of their speakers, which only the projection needs.
        options : SvmOptions, optional
        **changes
            Options by keyword.

        Raises
        ------
        InvalidInputError
            If arrays do not agree or are not finite, an option is out of range, or the projection
            lacks the names of speakers.
        InsufficientDataError
            If no speaker has a second session, for the projection.
        """
        options = SvmOptions.of(options, changes)
        vectors = check_embeddings(X, what="supervectors")
        projection = None
        if options.n_nuisances:
            labels: ArrayLike = np.empty(0) if speakers is None else speakers
            projection = fit_nuisance_projection(vectors, labels, n_directions=options.n_nuisances)
            vectors = projection.transform(vectors)
        return cls(vectors.astype(np.float32), projection, options)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines hyperplanes."""
        return records.digest(self.file_kind, self.background, self.projection, self.options)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the supervectors, D."""
        return len(self.background.T)

    @cached_property
    def _background(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The background, and the products of its supervectors."""
        vectors = self.background.astype(np.float64)
        return vectors, vectors @ vectors.T

    def enroll(self, sessions: ArrayLike) -> NDArray[np.float64]:
        """Return the hyperplane between a speaker and the background.

        Parameters
        ----------
        sessions : array, shape (n, D)
            Supervectors of the speaker's sessions.

        Returns
        -------
        array, shape (D + 1,)
            Weights of a supervector, and the offset.

        Raises
        ------
        InvalidInputError
            If they are no finite matrix of D columns.
        """
        from sklearn.svm import SVC

        vectors = check_embeddings(sessions, self.n_dimensions, what="supervectors")
        if self.projection is not None:
            vectors = self.projection.transform(vectors)
        others, products = self._background
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            across = others @ vectors.T
            kernel = np.block([[products, across], [across.T, vectors @ vectors.T]])
        is_speaker = np.arange(len(kernel)) >= len(others)
        machine = SVC(
            kernel="precomputed",
            C=self.options.cost,
            class_weight="balanced" if self.options.balanced else None,
        )
        try:
            machine.fit(kernel, is_speaker)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise InvalidInputError(f"no machine separates these supervectors: {reason}") from None
        shares = np.zeros(len(kernel))
        shares[machine.support_] = machine.dual_coef_[0]
        weights = shares[: len(others)] @ others + shares[len(others) :] @ vectors
        return np.append(weights, machine.intercept_)

    def score(self, hyperplanes: ArrayLike, tests: ArrayLike) -> NDArray[np.float64]:
        """Compute the signed distances of tests from hyperplanes, in units of the margin.

        Parameters
        ----------
        hyperplanes : array, shape (M, D + 1)
            Of M speakers, as `enroll` returns them.
        tests : array, shape (N, D)
            Supervectors of tests.

        Returns
        -------
        array, shape (M, N)
            Scores; higher ones support the speaker.

        Raises
        ------
        InvalidInputError
            If shapes do not agree or numbers are not finite.
        """
        planes = check_embeddings(hyperplanes, self.n_dimensions + 1, what="hyperplanes")
        vectors = check_embeddings(tests, self.n_dimensions, what="tests")
        return hyperplane_distances(planes, vectors)


def hyperplane_distances(
    planes: NDArray[np.floating[Any]], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the signed distances (M, N) of vectors (N, D) from hyperplanes (M, D + 1)."""
    return np.asarray(planes[:, :-1] @ vectors.T + planes[:, -1:])
