"""Log-likelihood ratios of many speakers at once: exact, or over the best C components."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.features import Features, WeightedFrames
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.frame_sources import check_finite_frames, refuse_path
from speakergmm.ranges import wrong_type
from speakergmm.speakers.frame_averages import average_over_frames, values_and_weights
from speakergmm.speakers.ratios import RatioScorer
from speakergmm.speakers.speaker_options import DEFAULT_TOP_C, ScoringOptions

# Frames times numbers per frame of a block: a megabyte, about the size of a cache.
_BLOCK_NUMBERS = 1 << 18
_SHORTLIST_FRAMES = 8192
# Largest rounding of the score of a frame in single precision, in the worst case; that of most
# frames is ten times smaller than the bound of their worst case.
_ROUNDING = 3e-4
# Number of speakers from which one matrix product per component beats gathering rows, and the
# smallest number of them in a product.
_GROUP_FROM = 4
_FEWEST_SPEAKERS = 64


Rows = slice | NDArray[np.intp]


class SpeakerScorer(RatioScorer):
    """Scorer of frames by ``log p(x | speaker) - log p(x | background)``.

    Each speaker model must have been adapted from the background model: component k of one
    corresponds to component k of the other.

    Parameters
    ----------
    background : DiagonalMixture or BackgroundModel
        The background model, of K components and D features.
    models : mapping of str to DiagonalMixture or SpeakerModel
        The speaker models by name, each of K components and D features.
    precision : {"float32", "float64"}
        Precision of the matrix products; sums over frames are always float64.

    Attributes
    ----------
    names : tuple of str
        Names of the speakers, in the order of all scores.

    Raises
    ------
    IncompatibleModelError
        If a model and the background model differ in the number of components or features.

    Notes
    -----
    With ``d_k(x) = log w_k N(x | speaker) - log w'_k N(x | background)`` and the background's
    posteriors ``g_k(x)``, the ratio of a frame is ``log sum_k g_k(x) exp d_k(x)``. ``d_k`` is
    linear in x where only means were adapted (the quadratic terms are shared and cancel), and
    linear in ``[x, x^2]`` otherwise, so that it is one matrix product for all speakers and
    components. Features are centred on the mean of the background model first, so that an offset
    costs no accuracy in single precision; frames for which rounding could reach 3e-4 all the same,
    as it could far from every component or if components are very narrow, are scored in double
    precision.

    Top-C scoring [1]_ evaluates both likelihoods with only the C components that are most probable
    under the background model. Frames are grouped by component, so that each component takes one
    matrix product of its frames with all speakers. On single words of real speech (means adapted
    with relevance factor 3) the average ratio with C = 5 differs from the exact one by at most 0.10
    rms and 0.44 in the worst trial at K = 64, and by 0.17 and 0.96 at K = 256, in natural
    logarithms, where trials spread by 1.7 to 2.0; the two correlate above 0.998. C = 10 reduces the
    differences to 0.05 rms and 0.4 (``tests/benchmarks/bench_scoring.py --accuracy`` prints
    these), and C = K is exact. Single precision is accurate to 1e-4.

    References
    ----------
    .. [1] Reynolds, Quatieri, Dunn, "Speaker Verification Using Adapted Gaussian Mixture Models",
       Digital Signal Processing 10 (2000) 19-41, section 3.5.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> ubm = DiagonalMixture(np.full(2, 0.5), np.array([[-1.0], [1.0]]), np.ones((2, 1)))
    >>> ana = DiagonalMixture(np.full(2, 0.5), np.array([[-1.0], [2.0]]), np.ones((2, 1)))
    >>> scorer = SpeakerScorer(ubm, {"ana": ana})
    >>> scorer.score(np.array([[2.0], [3.0]])).round(2)
    array([1.])
    """

    def frame_scores(
        self, X: NDArray[np.floating[Any]] | WeightedFrames, *, top_c: int | None = DEFAULT_TOP_C
    ) -> NDArray[np.float64]:
        """Score each frame for each speaker.

        Parameters
        ----------
        X : array, shape (T, D), or WeightedFrames
            Frames of speech; the score of a frame does not depend on its weight.
        top_c : int or None, default=None
            Background components that are evaluated per frame, the best ones; by default (and for
            K and more) all.

        Returns
        -------
        array, shape (T, S)
            Log-likelihood ratios, natural logarithm.

        Raises
        ------
        InvalidInputError
            If `X` has another number of columns or is not finite, or `top_c` is not positive.
        """
        frames = check_finite_frames(
            values_and_weights(X)[0], n_features=self.background.n_features
        )
        scores = np.empty((len(frames), len(self.names)))
        for rows, speakers, found in self._blocks_of_scores(frames, top_c):
            scores[rows, speakers] = found
        return scores

    def score(
        self,
        X: NDArray[np.floating[Any]]
        | WeightedFrames
        | Iterable[NDArray[np.floating[Any]] | WeightedFrames],
        *,
        top_c: int | None = DEFAULT_TOP_C,
    ) -> NDArray[np.float64]:
        """Average the log-likelihood ratio over frames by their weights, for each speaker.

        Parameters
        ----------
        X : array, shape (T, D), WeightedFrames, or iterable of such
            Frames of speech; blocks of one recording or of several recordings are pooled.
        top_c : int or None, default=None
            As for `frame_scores`.

        Returns
        -------
        array, shape (S,)

        Raises
        ------
        InsufficientDataError
            If there are no frames, or their weights sum to nothing.
        InvalidInputError
            As for `frame_scores`; or if weights are not from 0 to 1, one for each frame.
        """
        refuse_path(X)
        if isinstance(X, Features):
            raise wrong_type(X, "features.speech_values, or features.values for all frames,")
        blocks = [X] if isinstance(X, (np.ndarray, WeightedFrames)) else X
        return self.score_blocks(blocks, top_c=top_c)[0]

    def score_blocks(
        self,
        blocks: Iterable[NDArray[np.floating[Any]] | WeightedFrames],
        *,
        top_c: int | None = DEFAULT_TOP_C,
    ) -> tuple[NDArray[np.float64], float]:
        """Average the log-likelihood ratio over frames, and count the frames.

        Parameters
        ----------
        blocks : iterable of array, shape (T, D), or WeightedFrames
            Frames of speech.
        top_c : int or None, default=None
            As for `frame_scores`.

        Returns
        -------
        scores : array, shape (S,)
        n_frames : float
            Sum of the weights of the frames; their number, an int, if no block has weights.

        Raises
        ------
        InsufficientDataError, InvalidInputError
            As for `score`.
        """
        return average_over_frames(
            lambda X, weights: self._summed_scores(X, weights, top_c), blocks, len(self.names)
        )

    def _summed_scores(
        self, X: NDArray[np.floating[Any]], weights: NDArray[Any] | None, top_c: int | None
    ) -> NDArray[np.float64]:
        """Sum the weighted scores of some frames, which are never held together."""
        frames = check_finite_frames(X, n_features=self.background.n_features)
        total = np.zeros(len(self.names))
        for rows, speakers, found in self._blocks_of_scores(frames, top_c):
            total[speakers] += found.sum(axis=0) if weights is None else weights[rows] @ found
        return total

    def _blocks_of_scores(
        self, frames: NDArray[np.floating[Any]], top_c: int | None
    ) -> Iterator[tuple[Rows, slice, NDArray[np.float64]]]:
        """Yield places of frames, slices of speakers, and their scores, shape (T, S)."""
        n_components = self.background.n_components
        top_c = ScoringOptions(top_c=top_c).top_c or n_components
        shortlist = None if top_c >= n_components else top_c
        step = _SHORTLIST_FRAMES if shortlist else max(1, _BLOCK_NUMBERS // n_components)
        for start in range(0, len(frames), step):
            block = frames[start : start + step]
            best, joint = self._components(block, shortlist, self.precision)
            doubtful = self._doubtful(block, joint)
            if not doubtful.size:
                rows = slice(start, start + len(block))
                for speakers, found in self._ratios(block, best, joint, self.precision):
                    yield rows, speakers, found
                continue
            near = np.delete(np.arange(len(block)), doubtful)
            if near.size:
                best = None if best is None else best[near]
                for speakers, found in self._ratios(block[near], best, joint[near], self.precision):
                    yield start + near, speakers, found
            far = block[doubtful]
            best, joint = self._components(far, shortlist, "float64")
            for speakers, found in self._ratios(far, best, joint, "float64"):
                yield start + doubtful, speakers, found

    def _components(
        self, frames: NDArray[np.floating[Any]], shortlist: int | None, precision: Precision
    ) -> tuple[NDArray[np.intp] | None, NDArray[Any]]:
        """Return the best components of each frame, None for all, and their joint log-densities."""
        if shortlist is None:
            return None, self.background.log_density(frames, precision=precision)
        return self.background.select_top(frames, shortlist, precision=precision)

    def _doubtful(self, frames: NDArray[np.floating[Any]], joint: NDArray[Any]) -> NDArray[np.intp]:
        """Return the places of frames for whose ratios single precision may be too coarse."""
        if self.precision == "float64":
            return np.empty(0, np.intp)
        # Numbers whose sums are rounded: slopes times features, and distances from components.
        products = np.abs(self._inputs(frames, self.precision)) @ self._largest_slopes
        distances = -2.0 * joint.max(axis=1)
        return np.flatnonzero(np.maximum(products, distances) > _ROUNDING * 2.0**23)

    def _ratios(
        self,
        frames: NDArray[np.floating[Any]],
        best: NDArray[np.intp] | None,
        joint: NDArray[Any],
        precision: Precision,
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield slices of speakers, and the scores of all frames for them."""
        # Posteriors g_k(x) under the background model, over the components that are evaluated.
        log_posteriors = joint - _log_sum_exp(joint)[:, None]
        inputs = self._inputs(frames, precision)
        if best is None:
            return self._exact(inputs, log_posteriors, precision)
        return self._shortlisted(inputs, best, log_posteriors, precision)

    @cached_property
    def _largest_slopes(self) -> NDArray[Any]:
        slopes, _ = self._about_centre
        # One axis after the other, which is faster than both at once.
        highest = slopes.max(0, initial=0.0).max(0, initial=0.0)
        lowest = slopes.min(0, initial=0.0).min(0, initial=0.0)
        return np.asarray(np.maximum(highest, -lowest))

    def _inputs(self, frames: NDArray[np.floating[Any]], precision: Precision) -> NDArray[Any]:
        centred = frames - self._centre
        if self._slopes.shape[2] != centred.shape[1]:
            centred = np.hstack([centred, centred**2])
        return centred.astype(precision)

    def _exact(
        self, inputs: NDArray[Any], log_posteriors: NDArray[Any], precision: Precision
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        n_frames, n_components = log_posteriors.shape
        # Offsets are the slopes of a feature that is one, which spares a pass over differences.
        inputs = np.hstack([inputs, np.ones((n_frames, 1), inputs.dtype)])
        width = inputs.shape[1]
        # A few speakers at a time, so that their T x K x (speakers) differences fit the cache, in
        # arrays that all of them use: new ones would take as long as what is done with them.
        step = _BLOCK_NUMBERS // (n_components * max(n_frames, width))
        step = max(1, min(step, len(self.names)))
        terms = np.empty((step, n_components, width), inputs.dtype)
        differences = np.empty(n_frames * step * n_components, inputs.dtype)
        scratch, weights = np.empty_like(differences), np.exp(log_posteriors)
        for start in range(0, len(self.names), step):
            some = slice(start, start + step)
            slopes, offsets = self._centred_terms(some, precision)
            own = terms[: len(offsets)]
            own[..., :-1], own[..., -1] = slopes, offsets
            # d_k(x) of these speakers, then log sum_k g_k(x) exp d_k(x).
            size = n_frames * offsets.size
            product = differences[:size].reshape(n_frames, -1)
            np.matmul(inputs, own.reshape(-1, width).T, out=product)
            found = product.reshape(n_frames, -1, n_components)
            spare = scratch[:size].reshape(found.shape)
            yield some, _log_average(log_posteriors, found, weights, spare)

    def _shortlisted(
        self,
        inputs: NDArray[Any],
        best: NDArray[np.intp],
        log_posteriors: NDArray[Any],
        precision: Precision,
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        n_frames, top_c = best.shape
        n_speakers = len(self.names)
        # Few speakers: the slopes of the best components are gathered for each frame.
        if n_speakers < _GROUP_FROM:
            slopes, offsets = self._centred_terms(slice(None), precision)
            gathered = slopes.transpose(1, 2, 0)[best]
            differences = np.einsum("tf,tcfs->tsc", inputs, gathered, optimize=False)
            differences += offsets.T[best].transpose(0, 2, 1)
            yield slice(None), _log_average(log_posteriors, differences)
            return
        # Many speakers: pairs of frame and component are sorted by component, and the pairs of each
        # component take one matrix product with a few speakers at a time, so that the results for
        # these speakers fit the cache.
        flat = best.ravel()
        order = np.argsort(flat, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        bounds = np.searchsorted(flat, np.arange(self._offsets.shape[1] + 1), sorter=order)
        present = np.flatnonzero(np.diff(bounds)).tolist()
        gathered = inputs[order // top_c]
        step = max(_FEWEST_SPEAKERS, _BLOCK_NUMBERS // len(flat))
        grouped = np.empty((len(flat), min(step, n_speakers)), inputs.dtype)
        for start in range(0, n_speakers, step):
            some = slice(start, start + step)
            slopes, offsets = self._centred_terms(some, precision)
            results = grouped[:, : len(offsets)]
            for component in present:
                rows = slice(bounds[component], bounds[component + 1])
                np.matmul(gathered[rows], slopes[:, component].T, out=results[rows])
                results[rows] += offsets[:, component]
            # Back into the order of the frames.
            differences = results[place].reshape(n_frames, top_c, -1).transpose(0, 2, 1)
            yield some, _log_average(log_posteriors, differences)


def best_speakers(
    names: Sequence[str], scores: NDArray[np.float64], count: int
) -> tuple[tuple[str, float], ...]:
    """Return the speakers with the highest scores, the best one first, and their scores.

    Parameters
    ----------
    names : sequence of str
    scores : array, shape (S,)
    count : int
        Number of speakers that are returned, if there are as many. Equal scores are in the order
        of the names.
    """
    places: Sequence[int] = range(len(scores))
    if count < len(scores):
        least = np.partition(scores, -count)[-count]
        places = np.flatnonzero(scores >= least).tolist()
    order = sorted(places, key=lambda place: (-scores[place], names[place]))
    return tuple((names[place], float(scores[place])) for place in order[:count])


def _log_sum_exp(values: NDArray[Any]) -> NDArray[Any]:
    """Compute the logarithm of the sum of exponentials over the last axis."""
    highest = values.max(axis=-1, keepdims=True)
    sums: NDArray[Any] = np.log(np.exp(values - highest).sum(axis=-1)) + highest[..., 0]
    return sums


def _log_average(
    log_weights: NDArray[Any],
    values: NDArray[Any],
    weights: NDArray[Any] | None = None,
    scratch: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Compute ``log sum_k exp(log_weights[t, k] + values[t, s, k])``, shape (T, S).

    Exponentials are taken without subtracting the maximum first, which is fast, and exact unless a
    number leaves the range of floating point; the entries for which one does are computed again
    with `_log_sum_exp`. Where many blocks have the same weights, their exponentials can be given,
    and `scratch`, an array of the shape of `values`, for those of the values.
    """
    weights = np.exp(log_weights) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exponentials: NDArray[Any] = np.exp(values, out=scratch)
        highest = exponentials.max(initial=0.0)
        sums = np.matmul(exponentials, weights[:, :, None])[:, :, 0]
        averages: NDArray[np.float64] = np.log(sums).astype(np.float64)
        # A weight that underflowed was below the smallest normal number: its product with the
        # highest exponential must be negligible in the sum.
        tiny = np.finfo(values.dtype).tiny / np.finfo(values.dtype).eps
        doubtful = ~((sums > highest * tiny * values.shape[2]) & (sums > tiny) & np.isfinite(sums))
    if doubtful.any():
        rows, speakers = np.nonzero(doubtful)
        averages[rows, speakers] = _log_sum_exp(
            log_weights[rows].astype(np.float64) + values[rows, speakers]
        )
    return averages
