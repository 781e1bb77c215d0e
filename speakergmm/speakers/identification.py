"""Closed-set identification by maximum likelihood with a plain mixture per speaker."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Corpus
from speakergmm.corpora.given import as_corpus
from speakergmm.errors import IncompatibleModelError, InsufficientDataError
from speakergmm.features import FeatureConfig
from speakergmm.features.recordings import OnSkip, as_config, map_recordings
from speakergmm.mixtures import DiagonalMixture, fit_mixture
from speakergmm.parallel import parallel_map
from speakergmm.speakers.extraction import ExtractSpeech

_BLOCK_FRAMES = 8192


class LikelihoodScorer:
    """Scores frames by ``log p(x | speaker)``, for models that share nothing.

    Parameters
    ----------
    models : mapping of str to DiagonalMixture
        Speaker models by name, over the same features; numbers of components may differ.
    precision : {"float32", "float64"}
        Arithmetic of the densities; sums over frames are float64 in any case.

    Attributes
    ----------
    names : tuple of str
        The speakers, in the order of all scores.

    Examples
    --------
    >>> ana = DiagonalMixture(np.ones(1), np.array([[1.0]]), np.ones((1, 1)))
    >>> bea = DiagonalMixture(np.ones(1), np.array([[-1.0]]), np.ones((1, 1)))
    >>> scores = LikelihoodScorer({"ana": ana, "bea": bea}).score(np.array([[2.0], [0.5]]))
    >>> (scores[0] - scores[1]).round(2)
    np.float64(2.5)
    """

    def __init__(
        self, models: Mapping[str, DiagonalMixture], *, precision: Any = "float32"
    ) -> None:
        widths = {model.n_features for model in models.values()}
        if len(widths) > 1:
            raise IncompatibleModelError(
                f"speaker models have different numbers of features: {sorted(widths)}"
            )
        self.names = tuple(models)
        self.models = dict(models)
        self.precision = precision

    def __len__(self) -> int:
        return len(self.names)

    def frame_scores(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Score each frame for each speaker.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames of speech.

        Returns
        -------
        array, shape (T, S)
            Log-likelihoods, natural logarithm.

        Raises
        ------
        InvalidInputError
            If `X` has another width or isn't finite.
        """
        scores = np.empty((len(X), len(self.names)))
        for column, model in enumerate(self.models.values()):
            scores[:, column] = model.log_likelihood(X, precision=self.precision)
        return scores

    def score(
        self, X: NDArray[np.floating[Any]] | Iterable[NDArray[np.floating[Any]]]
    ) -> NDArray[np.float64]:
        """Average the log-likelihood over frames, for each speaker.

        Parameters
        ----------
        X : array, shape (T, D), or iterable of such
            Frames of speech; blocks are pooled.

        Returns
        -------
        array, shape (S,)

        Raises
        ------
        InsufficientDataError
            If there is no frame.
        """
        total, n_frames = np.zeros(len(self.names)), 0
        for block in [X] if isinstance(X, np.ndarray) else X:
            for start in range(0, len(block), _BLOCK_FRAMES):
                part = block[start : start + _BLOCK_FRAMES]
                total += self.frame_scores(part).sum(axis=0)
                n_frames += len(part)
        if n_frames == 0:
            raise InsufficientDataError("there is no frame of speech to score")
        return total / n_frames


def train_speaker_mixtures(
    corpus: Corpus | str | os.PathLike[str],
    *,
    n_components: int = 32,
    features: FeatureConfig | str | os.PathLike[str] = "speaker",
    variance_floor: float = 0.01,
    seed: int = 0,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    **options: Any,
) -> dict[str, DiagonalMixture]:
    """Train one mixture per speaker by expectation-maximisation, with limited variances.

    Parameters
    ----------
    corpus : Corpus or path
        Speakers and their recordings.
    n_components : int, default=32
        Components of each mixture.
    features : FeatureConfig, str or path, default="speaker"
    variance_floor : float, default=0.01
        Smallest variance, as a part of the variance of all frames of that speaker: Reynolds and
        Rose's variance limiting, without which a component may collapse on a few frames.
    seed : int, default=0
    n_jobs : int, default=1
    strict : bool, default=False
        Refuse the corpus because of its first bad recording.
    on_skip : callable, optional
        Called with each skipped recording; by default a warning is issued.
    **options
        Further keywords of `speakergmm.mixtures.fit_mixture`.

    Returns
    -------
    dict of str to DiagonalMixture
        By speaker, sorted.

    Raises
    ------
    InsufficientDataError
        If a speaker has fewer frames of speech than components.

    References
    ----------
    .. [1] Reynolds and Rose, "Robust text-independent speaker identification using Gaussian
       mixture speaker models", IEEE Trans. Speech and Audio Processing 3 (1995) 72-83.
    """
    corpus = as_corpus(corpus)
    groups = corpus.by_speaker()
    blocks: dict[str, list[NDArray[np.float32]]] = {speaker: [] for speaker in groups}
    for utterance, speech in map_recordings(
        ExtractSpeech(as_config(features)),
        corpus.utterances,
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
    ):
        assert utterance.speaker is not None
        blocks[utterance.speaker].append(speech.values)
    return fit_speaker_mixtures(
        blocks,
        n_components=n_components,
        variance_floor=variance_floor,
        seed=seed,
        n_jobs=n_jobs,
        **options,
    )


def fit_speaker_mixtures(
    frames: Mapping[str, Sequence[NDArray[np.floating[Any]]]],
    *,
    n_components: int = 32,
    variance_floor: float = 0.01,
    seed: int = 0,
    n_jobs: int = 1,
    **options: Any,
) -> dict[str, DiagonalMixture]:
    """Train one mixture per speaker from frames of speech that are in memory.

    Parameters
    ----------
    frames : mapping of str to sequence of array, shape (T, D)
        The utterances of each speaker.
    n_components, variance_floor, seed, n_jobs, **options
        As for `train_speaker_mixtures`.

    Returns
    -------
    dict of str to DiagonalMixture
        In the order of `frames`.

    Raises
    ------
    InsufficientDataError
        If a speaker has fewer frames than components.
    InvalidInputError
        If an option is out of range.
    """
    for speaker, blocks in frames.items():
        count = sum(map(len, blocks))
        if count < n_components:
            raise InsufficientDataError(
                f"speaker {speaker!r}: {count} frames of speech are fewer than the {n_components} "
                "components asked for; give more speech or ask for fewer components"
            )
    fit = _FitSpeaker(n_components, variance_floor, seed, tuple(options.items()))
    return dict(zip(frames, parallel_map(fit, frames.values(), n_jobs=n_jobs), strict=True))


@dataclass(frozen=True, slots=True)
class _FitSpeaker:
    n_components: int
    variance_floor: float
    seed: int
    options: tuple[tuple[str, Any], ...]

    def __call__(self, blocks: Sequence[NDArray[np.floating[Any]]]) -> DiagonalMixture:
        fitted = fit_mixture(
            list(blocks),
            n_components=self.n_components,
            variance_floor=self.variance_floor,
            seed=self.seed,
            **dict(self.options),
        )
        return fitted.model
