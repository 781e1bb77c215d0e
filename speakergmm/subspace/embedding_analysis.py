"""A chain of transforms of embeddings with its scorer, learnt together and kept as one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.engine import EngineLike
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.options import Options, nested, one_of, real, whole, yes_no
from speakergmm.provenance import software_versions, utc_now
from speakergmm.run_context import RunContext
from speakergmm.subspace.discriminant_analysis import (
    fit_centring,
    fit_discriminants,
    fit_nuisance_projection,
    fit_whitening,
    fit_within_class_normalisation,
)
from speakergmm.subspace.embedding_transforms import (
    EmbeddingTransform,
    LengthNormalisation,
    apply_transforms,
    cosine_scores,
)
from speakergmm.subspace.labelled_embeddings import SpeakerGroups, check_embeddings
from speakergmm.subspace.plda_model import Plda, PldaScoringOptions
from speakergmm.subspace.plda_training import PldaOptions, fit_plda

CovarianceNormalisation = Literal["none", "whitening", "wccn"]
EmbeddingScorer = Literal["plda", "cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingOptions(Options):
    """Options of an analysis of embeddings, in the order of its steps.

    Parameters
    ----------
    centre : bool, default=True
        Subtract the mean.
    n_nuisances : int, default=0
        Directions between sessions that are removed (nuisance attribute projection).
    n_discriminants : int, optional
        Linear discriminants that are kept; no discriminant analysis by default.
    normalisation : {"none", "whitening", "wccn"}, default="none"
        The covariance that becomes the identity: none, that of all embeddings, or that within
        speakers.
    shrinkage : float, default=0
        Part of the covariance within speakers that becomes spherical, for discriminants and WCCN.
    length_normalisation : bool, default=True
        Scale embeddings to one length.
    scorer : {"plda", "cosine"}, default="plda"
    plda : PldaOptions
        Options of the training of PLDA.
    scoring : PldaScoringOptions
        Options of its scores.
    """

    centre: bool = yes_no(True, "Subtract the mean.")
    n_nuisances: int = whole(0, "Directions between sessions that are removed.", least=0)
    n_discriminants: int | None = whole(
        None, "Linear discriminants that are kept; none are looked for by default.", optional=True
    )
    normalisation: CovarianceNormalisation = one_of(
        "none", get_args(CovarianceNormalisation), "The covariance that becomes the identity."
    )
    shrinkage: float = real(
        0.0, "Part of the covariance within speakers that becomes spherical.", least=0, most=1
    )
    length_normalisation: bool = yes_no(True, "Scale embeddings to one length.")
    scorer: EmbeddingScorer = one_of(
        "plda", get_args(EmbeddingScorer), "How models and tests are compared."
    )
    plda: PldaOptions = nested(PldaOptions, "Training of PLDA.")
    scoring: PldaScoringOptions = nested(PldaScoringOptions, "Scores by PLDA.")


@dataclass(frozen=True, eq=False)
class EnrolledEmbeddings:
    """Models of speakers: the averages of their transformed sessions.

    Parameters
    ----------
    names : tuple of str
        Names of M models.
    averages : array, shape (M, E)
    counts : array, shape (M,)
        Number of sessions of each.
    """

    names: tuple[str, ...]
    averages: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingAnalysis(records.Filed):
    """Everything from an embedding, an i-vector or one from elsewhere, to the score of a trial.

    Parameters
    ----------
    transforms : sequence of EmbeddingTransform
        Applied in order.
    plda : Plda, optional
        Scores transformed embeddings; cosines do without it.
    scoring : PldaScoringOptions
    provenance : dict
        Time, data and options of the training, as JSON can hold them; not part of the digest.

    Raises
    ------
    IncompatibleModelError
        If a part takes other dimensions than the one before it yields.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> speakers = np.repeat(np.arange(40), 5)
    >>> X = 3 * rng.normal(size=(40, 6))[speakers] + rng.normal(size=(200, 6))
    >>> analysis = EmbeddingAnalysis.train(X, speakers, n_discriminants=4)
    >>> enrolled = analysis.enroll(X[:10], ["ana"] * 5 + ["bea"] * 5)
    >>> analysis.score(enrolled, X[[0, 5]]) > 0
    array([[ True, False],
           [False,  True]])
    """

    file_kind: ClassVar[str] = "embedding scorer"

    transforms: tuple[EmbeddingTransform, ...] = ()
    plda: Plda | None = None
    scoring: PldaScoringOptions = field(default_factory=PldaScoringOptions)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that each part takes what the one before it yields."""
        object.__setattr__(self, "transforms", tuple(self.transforms))
        found: int | None = None
        for place, part in enumerate(self._parts):
            if None not in (found, part.n_dimensions) and part.n_dimensions != found:
                raise IncompatibleModelError(
                    f"part {place} of an analysis, {type(part).__name__}, takes embeddings of "
                    f"{part.n_dimensions} dimensions, the one before it yields {found}"
                )
            found = part.n_dimensions if isinstance(part, Plda) else part.n_outputs or found

    def __repr__(self) -> str:
        return f"EmbeddingAnalysis({' -> '.join(self.steps)}, digest={self.digest[:12]!r})"

    @classmethod
    def train(
        cls,
        X: ArrayLike,
        speakers: ArrayLike,
        options: EmbeddingOptions | None = None,
        *,
        engine: EngineLike = None,
        run: RunContext | None = None,
        **changes: Any,
    ) -> EmbeddingAnalysis:
        """Learn all steps from embeddings of speakers.

        Parameters
        ----------
        X : array, shape (N, D)
            Embeddings of sessions.
        speakers : array, shape (N,)
            Names of their speakers.
        options : EmbeddingOptions, optional
        engine : int, executor, Dask client or Engine, optional
            Where PLDA is trained; it changes nothing but the time.
        run : RunContext, optional
            Used by the training of PLDA, see `speakergmm.subspace.fit_plda`.
        **changes
            Options by keyword, such as ``n_discriminants``, ``scorer``, ``rank``.

        Returns
        -------
        EmbeddingAnalysis

        Raises
        ------
        InsufficientDataError
            If there are too few sessions or speakers for a step.
        InvalidInputError
            If arrays do not agree or are not finite, or an option is out of range.

        Warns
        -----
        EmbeddingWarning
            If the data do not vary in some directions, which are left out.
        """
        options = EmbeddingOptions.of(options, changes)
        embeddings = check_embeddings(X)
        groups = SpeakerGroups.of(speakers, len(embeddings))
        transforms: list[EmbeddingTransform] = []
        for fit in _fits(options, groups.places):
            transforms.append(fit(embeddings))
            embeddings = transforms[-1].transform(embeddings)
        plda = None
        if options.scorer == "plda":
            training = fit_plda(embeddings, groups.places, options.plda, engine=engine, run=run)
            plda = training.model
        provenance = {
            "created": utc_now(),
            "software": software_versions(),
            "embeddings": len(embeddings),
            "speakers": groups.n_speakers,
        }
        return cls(tuple(transforms), plda, options.scoring, provenance)

    @property
    def _parts(self) -> tuple[EmbeddingTransform | Plda, ...]:
        return self.transforms if self.plda is None else (*self.transforms, self.plda)

    @property
    def n_dimensions(self) -> int | None:
        """Dimensions of the embeddings that it takes, D; None for any."""
        return next((part.n_dimensions for part in self._parts if part.n_dimensions), None)

    @property
    def n_outputs(self) -> int | None:
        """Dimensions after all transforms, E; None for as many as it is given."""
        sizes = (part.n_outputs for part in reversed(self.transforms))
        return next((size for size in sizes if size), self.n_dimensions)

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, the scorer last."""
        names = (getattr(each, "name", each.file_kind) for each in self.transforms)
        return (*names, "cosine" if self.plda is None else "PLDA")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines scores."""
        return records.digest(self.file_kind, self.transforms, self.plda, self.scoring)

    def info(self) -> dict[str, Any]:
        """Return a description, as JSON can hold it."""
        rank = {} if self.plda is None else {"plda_rank": self.plda.rank}
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            "dimensions": self.n_dimensions,
            "steps": list(self.steps),
            **rank,
            "provenance": self.provenance,
        }

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return embeddings after all transforms.

        Parameters
        ----------
        X : array, shape (N, D)

        Returns
        -------
        array, shape (N, E)

        Raises
        ------
        InvalidInputError
            If they are no finite matrix of D columns, or one that must be scaled is zero.
        """
        return apply_transforms(self.transforms, check_embeddings(X, self.n_dimensions))

    def enroll(self, X: ArrayLike, models: ArrayLike) -> EnrolledEmbeddings:
        """Return models of speakers.

        Parameters
        ----------
        X : array, shape (N, D)
            Embeddings of enrolment sessions.
        models : array, shape (N,)
            Names of the models that they enroll.

        Raises
        ------
        InvalidInputError
            As in `transform`, or if there is not one name for each session.
        """
        embeddings = self.transform(X)
        groups = SpeakerGroups.of(models, len(embeddings))
        names = tuple(str(name) for name in groups.names)
        return EnrolledEmbeddings(names, groups.means(embeddings), groups.counts)

    def score(self, enrolled: EnrolledEmbeddings, tests: ArrayLike) -> NDArray[np.float64]:
        """Score each test for each model.

        Parameters
        ----------
        enrolled : EnrolledEmbeddings
            M models, of this analysis.
        tests : array, shape (N, D)
            Embeddings of tests.

        Returns
        -------
        array, shape (M, N)
            Log-likelihood ratios by PLDA, natural logarithm, or cosines; higher ones support the
            speaker.

        Raises
        ------
        InvalidInputError
            As in `transform`, or if the models are of another analysis.
        """
        found = self.transform(tests)
        if enrolled.averages.shape[1] != found.shape[1]:
            raise InvalidInputError(
                f"models of {enrolled.averages.shape[1]} dimensions are of another analysis, whose "
                f"embeddings have {found.shape[1]}"
            )
        if self.plda is None:
            return cosine_scores(enrolled.averages, found)
        return self.plda.score(enrolled.averages, found, enrolled.counts, self.scoring)


def _fits(
    options: EmbeddingOptions, speakers: NDArray[np.intp]
) -> Iterator[Callable[[NDArray[np.float64]], EmbeddingTransform]]:
    """Yield what learns each transform from embeddings, in order."""
    shrinkage = options.shrinkage
    if options.centre:
        yield fit_centring
    if options.n_nuisances:
        yield lambda X: fit_nuisance_projection(X, speakers, n_directions=options.n_nuisances)
    if options.n_discriminants is not None:
        n_kept = options.n_discriminants
        yield lambda X: fit_discriminants(X, speakers, n_dimensions=n_kept, shrinkage=shrinkage)
    if options.normalisation == "whitening":
        yield fit_whitening
    if options.normalisation == "wccn":
        yield lambda X: fit_within_class_normalisation(X, speakers, shrinkage=shrinkage)
    if options.length_normalisation:
        yield lambda _: LengthNormalisation()
