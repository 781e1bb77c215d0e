"""Closed-set identification by maximum likelihood, with an independent mixture per speaker."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, Corpus, Split, Utterance, as_corpus
from speakergmm.errors import IncompatibleModelError, InsufficientDataError
from speakergmm.features import FeatureConfig, as_feature_config
from speakergmm.mixtures import DiagonalMixture, fit_mixture
from speakergmm.parallel import Workers
from speakergmm.run_context import RunContext
from speakergmm.speakers.extraction import ExtractSpeech, map_grouped_recordings, whole_recordings
from speakergmm.speakers.speaker_scoring import average_over_frames


class LikelihoodScorer:
    """Scorer of frames by ``log p(x | speaker)``, with independent models.

    Parameters
    ----------
    models : mapping of str to DiagonalMixture
        Speaker models by name, for the same features; the numbers of components may differ.
    precision : {"float32", "float64"}
        Precision of the densities; sums over frames are always float64.

    Attributes
    ----------
    names : tuple of str
        Names of the speakers, in the order of all scores.

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
            If `X` has another number of columns or is not finite.
        """
        scores = np.empty((len(X), len(self.names)))
        for column, model in enumerate(self.models.values()):
            scores[:, column] = model.log_likelihood(X, precision=self.precision)
        return scores

    def score(
        self, X: NDArray[np.floating[Any]] | Iterable[NDArray[np.floating[Any]]]
    ) -> NDArray[np.float64]:
        """Average the log-likelihood over the frames, for each speaker.

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
            If there are no frames.
        """
        blocks = [X] if isinstance(X, np.ndarray) else X
        return average_over_frames(self.frame_scores, blocks, len(self.names))[0]


def train_speaker_mixtures(
    corpus: Corpus | AnyPath,
    *,
    features: FeatureConfig | AnyPath = "speaker",
    n_jobs: int = 1,
    run: RunContext | None = None,
    **options: Any,
) -> dict[str, DiagonalMixture]:
    """Train one mixture per speaker by expectation-maximisation, with limited variances.

    Parameters
    ----------
    corpus : Corpus or path
        Speakers and their recordings.
    features : FeatureConfig, str or path, default="speaker"
    n_jobs : int, default=1
        Number of worker processes; -1 for all cores. It changes nothing but the time.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used.
    **options
        As `fit_speaker_mixtures` has them: ``n_components``, ``variance_floor``, ``seed``.

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
    groups = as_corpus(corpus).by_speaker()
    return _train(groups, features, Workers(n_jobs), run or RunContext(), options, affected={})


def train_split_mixtures(
    split: Split,
    *,
    features: FeatureConfig | AnyPath = "speaker",
    n_jobs: int = 1,
    run: RunContext | None = None,
    **options: Any,
) -> dict[str, DiagonalMixture]:
    """Train a plain mixture for each model of a split; see `train_speaker_mixtures`."""
    groups = {model: whole_recordings(split.enrolment[model]) for model in split.models}
    return _train(groups, features, Workers(n_jobs), run or RunContext(), options)


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
    n_components : int, default=32
        Components of each mixture.
    variance_floor : float, default=0.01
        Smallest variance, as a part of the variance of all frames of that speaker: Reynolds and
        Rose's variance limiting, without which a component may collapse on a few frames.
    seed : int, default=0
    n_jobs : int, default=1
    **options
        Further keywords of `speakergmm.mixtures.fit_mixture`.

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
    options |= {"n_components": n_components, "variance_floor": variance_floor, "seed": seed}
    models = Workers(n_jobs).map_processes(partial(_fit_speaker, options), frames.values())
    return dict(zip(frames, models, strict=True))


def _train(
    groups: Mapping[str, Sequence[Utterance]],
    features: FeatureConfig | AnyPath,
    workers: Workers,
    run: RunContext,
    options: dict[str, Any],
    *,
    affected: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, DiagonalMixture]:
    """Train a mixture on the speech in the recordings of each group."""
    spoken = map_grouped_recordings(
        ExtractSpeech(as_feature_config(features)),
        groups,
        workers=workers,
        run=run,
        description="Extracting features",
        affected=affected,
    )
    frames = {name: [speech.values for speech in each] for name, each in spoken.items()}
    return fit_speaker_mixtures(frames, n_jobs=workers.count, **options)


def _fit_speaker(
    options: dict[str, Any], blocks: Sequence[NDArray[np.floating[Any]]]
) -> DiagonalMixture:
    return fit_mixture(list(blocks), **options).model
