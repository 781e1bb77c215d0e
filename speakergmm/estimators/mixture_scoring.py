"""Log-likelihoods, most probable components and posteriors of frames under a fitted mixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.input_frames import (
    FrameBlocks,
    Frames,
    check_input_frames,
    check_sample_weight,
)
from speakergmm.estimators.mixture_attributes import MixtureAttributes
from speakergmm.estimators.parameter_checks import engine_of
from speakergmm.gaussians import frame_scoring
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.prepare import Weighted
from speakergmm.mixtures.mixture import prepare_mixture

# Multiplications of the smallest matrix product for which threads are worthwhile.
_LEAST_WORK = 2**18
# Number of frames that one thread scores at a time.
_SCORING_FRAMES = 16384


class MixtureScoring(MixtureAttributes):
    """Methods of a fitted estimator that score frames.

    A subclass whose posteriors are not those of `mixture_` overrides `_shares`.
    """

    precision_: Precision
    n_jobs: int | None

    @property
    def _shares(self) -> Weighted:
        """Weighted Gaussians, whose densities define posteriors of components."""
        return self.mixture_

    def _log_likelihood(self, X: Frames) -> NDArray[np.floating[Any]]:
        return frame_scoring.frame_log_likelihoods(
            prepare_mixture(self._shares), X, precision=self.precision_
        )

    def _most_probable(self, X: Frames) -> NDArray[np.integer]:
        return frame_scoring.most_probable_gaussians(
            prepare_mixture(self._shares), X, precision=self.precision_
        )

    def _posteriors(self, X: Frames) -> NDArray[np.floating[Any]]:
        return frame_scoring.frame_posteriors(
            prepare_mixture(self._shares), X, precision=self.precision_
        )

    def _map(
        self, function: Callable[[Frames], NDArray[Any]], X: Any
    ) -> tuple[Iterator[NDArray[Any]], np.dtype[Any]]:
        """Apply a function to pieces of checked frames; return its results and the frames' type."""
        check_is_fitted(self, "mixture_")
        frames = check_input_frames(self, X, fitting=False)
        if not isinstance(frames, FrameBlocks):
            n_features = frames.shape[1]
            if len(frames) * self.mixture_.n_components * (n_features + 2) ** 2 < _LEAST_WORK:
                # So small a product runs on one thread in any library of linear algebra.
                return iter((function(frames),)), frames.dtype

        def pieces() -> Iterator[Frames]:
            for block in frames() if isinstance(frames, FrameBlocks) else (frames,):
                for start in range(0, len(block), _SCORING_FRAMES):
                    yield block[start : start + _SCORING_FRAMES]

        return engine_of(self).map_threads(function, pieces()), frames.dtype

    def score_samples(self, X: Any) -> NDArray[np.floating[Any]]:
        """Return the log-likelihood of each frame, in nats.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            In the frames' type. No array of frames x components is held in memory.
        """
        parts, dtype = self._map(self._log_likelihood, X)
        return _joined([part.astype(dtype) for part in parts], dtype)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean log-likelihood per frame, in nats.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        y : ignored
            Present for pipelines.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame in the mean.

        Returns
        -------
        float
            Without weights the mean of `score_samples`, in the frames' type.
        """
        if sample_weight is None:
            return float(self.score_samples(X).mean())
        total, weight = self._total_log_likelihood(X, sample_weight)
        return total / weight

    def _total_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Return the sum of log-likelihoods and the number (or total weight) of frames."""
        parts, _ = self._map(self._log_likelihood, X)
        likelihoods = _joined(list(parts), np.dtype(np.float64))
        weights = check_sample_weight(sample_weight, len(likelihoods))
        if weights is None:
            return float(likelihoods.sum()), float(len(likelihoods))
        return float(likelihoods @ weights), float(weights.sum())

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the most probable component of each frame.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            Component numbers, from 0. No array of frames x components is held in memory.
        """
        parts, _ = self._map(self._most_probable, X)
        return _joined(list(parts), np.dtype(np.int64))

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """Return the posterior probability of each component given each frame.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T, K)
            Rows sum to one; in the frames' type.
        """
        parts, dtype = self._map(self._posteriors, X)
        return _joined([part.astype(dtype, copy=False) for part in parts], dtype)


def _joined(parts: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not parts:
        raise InvalidInputError("X must contain frames, found none")
    return np.concatenate(parts).astype(dtype, copy=False)
