"""Analysis of embeddings with scikit-learn's interface."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.estimators.estimator_records import Storable
from speakergmm.records import Types
from speakergmm.subspace import EmbeddingAnalysis, EmbeddingOptions


@dataclass(eq=False, repr=False)
class EmbeddingTransformer(
    Storable,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Centring, nuisance projection, discriminants, whitening or WCCN, and length normalisation.

    Parameters
    ----------
    n_discriminants : int, optional
        Linear discriminants that are kept; no discriminant analysis by default.
    centre : bool, default=True
        Subtract the mean.
    n_nuisances : int, default=0
        Directions between sessions of a class that are removed.
    normalisation : {"none", "whitening", "wccn"}, default="none"
        The covariance that becomes the identity: none, that of all samples, or that within classes.
    shrinkage : float, default=0
        Part of the covariance within classes that becomes spherical.
    length_normalisation : bool, default=True
        Scale samples to length one.

    Attributes
    ----------
    analysis_ : EmbeddingAnalysis
        The steps that were learnt, as back-ends of speakers take them; its scores are cosines.
    n_features_in_ : int
        Number of dimensions of the samples, D.

    Notes
    -----
    The options are those of `speakergmm.subspace.EmbeddingOptions`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(20), 5)
    >>> X = 3 * rng.normal(size=(20, 6))[y] + rng.normal(size=(100, 6))
    >>> EmbeddingTransformer(n_discriminants=3).fit_transform(X, y).shape
    (100, 3)
    """

    file_kind: ClassVar[str] = "embedding transformer"

    _extra_types: ClassVar[dict[str, Any]] = {"n_features": int}

    n_discriminants: int | None = None
    _: KW_ONLY
    centre: bool = True
    n_nuisances: int = 0
    normalisation: str = "none"
    shrinkage: float = 0.0
    length_normalisation: bool = True
    analysis_: EmbeddingAnalysis = field(init=False)

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the steps.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Samples.
        y : array-like, shape (N,), optional
            Classes, such as speakers; centring, whitening and length normalisation need none.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If samples are not a finite matrix, a parameter is out of range, or classes are missing
            or have too few samples.
        """
        options = EmbeddingOptions(scorer="cosine", **self.get_params())
        samples = validate_data(self, X, dtype=np.float64)
        labels = np.arange(len(samples)) if y is None else y
        try:
            self.analysis_ = EmbeddingAnalysis.train(samples, labels, options)
        except InsufficientDataError as error:
            # As scikit-learn has it, whatever is wrong with data is a ValueError.
            raise InvalidInputError(str(error)) from None
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return samples after all steps.

        Parameters
        ----------
        X : array-like, shape (N, D)

        Returns
        -------
        array, shape (N, E)

        Raises
        ------
        ValueError
            If samples are not a finite matrix of D columns, or one that must be scaled is zero.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, dtype=np.float64, reset=False)
        return self.analysis_.transform(samples)

    @property
    def _n_features_out(self) -> int:
        """Number of dimensions after all steps."""
        return self.analysis_.n_outputs or self.n_features_in_

    def record_parts(self) -> dict[str, Any]:
        """Return the parts of a fit, and the number of dimensions of its samples."""
        return super().record_parts() | {"n_features": self.n_features_in_}

    def _restored(self, parts: Types) -> None:
        self.n_features_in_ = int(parts["n_features"])
        if self.analysis_.n_dimensions not in (None, self.n_features_in_):
            raise ValueError(f"steps of {self.analysis_.n_dimensions} dimensions in place of these")
