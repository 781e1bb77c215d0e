"""Linear scoring: likelihood ratios from the statistics of a test, to first order in the offset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import WeightedFrames
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics
from speakergmm.speakers.ratios import RatioScorer
from speakergmm.speakers.statistics_scoring import stacked_statistics, statistics_of_blocks

# Numbers of centred statistics that are held at a time: some megabytes.
_BLOCK_NUMBERS = 1 << 21


def linear_scores(
    slopes: NDArray[np.floating[Any]],
    occupancy: NDArray[np.floating[Any]],
    first_order: NDArray[np.floating[Any]],
    background: DiagonalMixture,
) -> NDArray[np.float64]:
    """Score tests by their statistics: the likelihood ratio to first order in the speaker's offset.

    Parameters
    ----------
    slopes : array, shape (M, K, D)
        Offsets of the means of M models from those of the background model, divided by its
        variances, as `speakergmm.speakers.ratios.ratio_terms` returns them. The product is made in
        their precision.
    occupancy : array, shape (N, K)
        Zeroth-order statistics of N tests under the background model, in frames.
    first_order : array, shape (N, K, D)
        First-order statistics, sums of posterior times features about zero.
    background : DiagonalMixture
        Of K components and D features.

    Returns
    -------
    array, shape (M, N)
        Scores per frame of speech, natural logarithm.

    Raises
    ------
    IncompatibleModelError
        If shapes do not agree.
    InsufficientDataError
        If a test has no occupancy.
    InvalidInputError
        If statistics are not finite, or an occupancy is negative.

    Notes
    -----
    The score of model m on test n is ``sum_k slopes[m, k] . (first_order[n, k] - occupancy[n, k]
    means[k]) / sum_k occupancy[n, k]``: the derivative of the average log-likelihood ratio along
    the offset, at the background model [1]_. It has no term for the length of the offset, so that
    it serves well where scores are normalised afterwards.

    References
    ----------
    .. [1] Glembek, Burget, Dehak, Brümmer, Kenny, "Comparison of scoring methods used in speaker
       recognition with joint factor analysis", ICASSP 2009, section 3.5.

    Examples
    --------
    >>> ubm = DiagonalMixture([1.0], [[1.0]], [[2.0]])
    >>> slopes = np.array([[[0.5]]])  # a model with the mean 2
    >>> linear_scores(slopes, np.array([[4.0]]), np.array([[[10.0]]]), ubm)
    array([[0.75]])
    """
    slopes, shape = np.asarray(slopes), background.means.shape
    occupancy, first_order = np.asarray(occupancy), np.asarray(first_order)
    if slopes.ndim != 3 or slopes.shape[1:] != shape:
        raise IncompatibleModelError(
            f"slopes of a background model of {shape[0]} components and {shape[1]} features must "
            f"be of shape (M, {shape[0]}, {shape[1]}), found {slopes.shape}; linear scoring takes "
            "models with the variances of the background model"
        )
    if occupancy.shape != first_order.shape[:-1] or first_order.shape[1:] != shape:
        raise IncompatibleModelError(
            f"statistics must be of shapes (N, {shape[0]}) and (N, {shape[0]}, {shape[1]}), found "
            f"{occupancy.shape} and {first_order.shape}"
        )
    if not ((occupancy >= 0) & (occupancy < np.inf)).all() or not np.isfinite(first_order).all():
        raise InvalidInputError("statistics must be finite, and occupancies >= 0")
    totals = occupancy.sum(axis=1, dtype=np.float64)
    if (empty := np.flatnonzero(totals <= 0)).size:
        raise InsufficientDataError(
            f"there are no frames of speech to score: the occupancy of test {empty[0]} is zero"
        )
    matrix = slopes.reshape(len(slopes), background.means.size)
    scores = np.empty((len(slopes), len(occupancy)))
    step = max(1, _BLOCK_NUMBERS // max(1, background.means.size))
    for start in range(0, len(occupancy), step):
        rows = slice(start, start + step)
        centred = first_order[rows] - occupancy[rows, :, None] * background.means
        centred /= totals[rows, None, None]
        tests = centred.reshape(len(centred), background.means.size).astype(
            matrix.dtype, copy=False
        )
        scores[:, rows] = matrix @ tests.T
    return scores


class LinearScorer(RatioScorer):
    """Scorer of tests by their statistics under the background model.

    A trial costs one product of K x D numbers, however long the test is. The score is that of
    `linear_scores`: of the means of the speakers alone, whatever their weights are.

    Parameters
    ----------
    background : DiagonalMixture or BackgroundModel
        The background model, of K components and D features.
    models : mapping of str to DiagonalMixture or SpeakerModel
        The speaker models by name, adapted from the background model, with its variances.
    precision : {"float32", "float64"}
        Precision of the matrix product.

    Attributes
    ----------
    names : tuple of str
        Names of the speakers, in the order of all scores.

    Raises
    ------
    IncompatibleModelError
        If a model and the background model differ in shape or variances.

    Examples
    --------
    >>> from speakergmm.mixtures import accumulate
    >>> ubm = DiagonalMixture([1.0], [[1.0]], [[2.0]])
    >>> scorer = LinearScorer(ubm, {"ana": DiagonalMixture([1.0], [[2.0]], [[2.0]])})
    >>> scorer.score(accumulate(ubm, np.array([[2.0], [3.0]])))
    array([0.75])
    """

    def _set_terms(
        self,
        background: DiagonalMixture,
        names: tuple[str, ...],
        slopes: NDArray[Any],
        offsets: NDArray[Any],
    ) -> None:
        if slopes.shape[2] != background.n_features:
            raise IncompatibleModelError(
                "linear scoring takes models with the variances of the background model; adapt "
                "means (and weights) only"
            )
        super()._set_terms(background, names, slopes, offsets)

    def score(self, statistics: MixtureStatistics) -> NDArray[np.float64]:
        """Score one test.

        Parameters
        ----------
        statistics : MixtureStatistics
            Its statistics under the background model, zeroth and first order.

        Returns
        -------
        array, shape (S,)

        Raises
        ------
        IncompatibleModelError, InsufficientDataError
            As for `linear_scores`.
        """
        return self.score_tests([statistics])[:, 0]

    def score_tests(self, tests: Sequence[MixtureStatistics]) -> NDArray[np.float64]:
        """Score several tests.

        Parameters
        ----------
        tests : sequence of MixtureStatistics
            The statistics of each of N tests.

        Returns
        -------
        array, shape (S, N)

        Raises
        ------
        IncompatibleModelError, InsufficientDataError
            As for `linear_scores`.
        """
        occupancy, first_order = stacked_statistics(tests, self.background)
        return linear_scores(self._slopes, occupancy, first_order, self.background)

    def score_blocks(
        self,
        blocks: Iterable[NDArray[np.floating[Any]] | WeightedFrames],
        *,
        top_c: int | None = None,
    ) -> tuple[NDArray[np.float64], float]:
        """Score the frames of one test, block by block, and count them.

        Parameters
        ----------
        blocks : iterable of array, shape (T, D), or WeightedFrames
            Frames of speech.
        top_c : int, optional
            Not used: statistics are of all components.

        Returns
        -------
        scores : array, shape (S,)
        n_frames : float
            Sum of the weights of the frames; their number, an int, if no block has weights.

        Raises
        ------
        InsufficientDataError
            If there are no frames, or their weights sum to nothing.
        InvalidInputError
            If frames have another number of features or are not finite, or weights are not from 0
            to 1, one for each frame.
        """
        total, n_frames = statistics_of_blocks(self.background, blocks, self.precision)
        return self.score(total), n_frames
