"""Closed-set identification by maximum likelihood, with an independent mixture per speaker."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, Corpus, CorpusLike, Split, Utterance
from speakergmm.engine import ONE_WORKER, Engine, EngineLike
from speakergmm.errors import IncompatibleModelError, InsufficientDataError
from speakergmm.features import (
    FeatureStore,
    StoredFrames,
    StoredRecording,
    WeightedFrames,
    find_recordings,
)
from speakergmm.mixtures import DiagonalMixture, fit_mixture
from speakergmm.run_context import RunContext, warn_of_skip
from speakergmm.speakers.extraction import opened_store, whole_recordings
from speakergmm.speakers.frame_averages import average_over_frames, values_and_weights
from speakergmm.speakers.mixture_training_options import SpeakerMixtureOptions
from speakergmm.speakers.speech_store import speech_of


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

    def frame_scores(self, X: NDArray[np.floating[Any]] | WeightedFrames) -> NDArray[np.float64]:
        """Score each frame for each speaker.

        Parameters
        ----------
        X : array, shape (T, D), or WeightedFrames
            Frames of speech; the score of a frame does not depend on its weight.

        Returns
        -------
        array, shape (T, S)
            Log-likelihoods, natural logarithm.

        Raises
        ------
        InvalidInputError
            If `X` has another number of columns or is not finite.
        """
        frames, _ = values_and_weights(X)
        scores = np.empty((len(frames), len(self.names)))
        for column, model in enumerate(self.models.values()):
            scores[:, column] = model.log_likelihood(frames, precision=self.precision)
        return scores

    def score(
        self,
        X: NDArray[np.floating[Any]]
        | WeightedFrames
        | Iterable[NDArray[np.floating[Any]] | WeightedFrames],
    ) -> NDArray[np.float64]:
        """Average the log-likelihood over the frames by their weights, for each speaker.

        Parameters
        ----------
        X : array, shape (T, D), WeightedFrames, or iterable of such
            Frames of speech; blocks are pooled.

        Returns
        -------
        array, shape (S,)

        Raises
        ------
        InsufficientDataError
            If there are no frames, or their weights sum to nothing.
        """
        blocks = [X] if isinstance(X, (np.ndarray, WeightedFrames)) else X
        return average_over_frames(self._summed_scores, blocks, len(self.names))[0]

    def _summed_scores(
        self, X: NDArray[np.floating[Any]], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        scores = self.frame_scores(X)
        return scores.sum(axis=0) if weights is None else weights @ scores


def train_speaker_mixtures(
    corpus: CorpusLike | FeatureStore,
    options: SpeakerMixtureOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> dict[str, DiagonalMixture]:
    """Train one mixture per speaker by expectation-maximisation, with limited variances.

    Parameters
    ----------
    corpus : Corpus, FeatureStore, or path of either
        Recordings of named speakers.
    options : SpeakerMixtureOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of worker processes. It changes nothing but the
        time.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used.
    **changes
        Fields of `SpeakerMixtureOptions`, in place of those of `options`, such as ``features``,
        ``n_components``, ``variance_floor``, ``seed``.

    Returns
    -------
    dict of str to DiagonalMixture
        The mixtures by name of the speaker, sorted.

    Raises
    ------
    InsufficientDataError
        If a speaker has fewer frames of speech than there are components.
    InvalidInputError
        If an option is out of range.

    References
    ----------
    .. [1] Reynolds and Rose, "Robust text-independent speaker identification using Gaussian
       mixture speaker models", IEEE Trans. Speech and Audio Processing 3 (1995) 72-83.
    """
    options = SpeakerMixtureOptions.of(options, changes)
    return _train(corpus, Corpus.by_speaker, options, Engine.of(engine), RunContext.checked(run))


def train_split_mixtures(
    split: Split,
    options: SpeakerMixtureOptions | None = None,
    *,
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> dict[str, DiagonalMixture]:
    """Train one mixture per model of a split.

    Parameters
    ----------
    split : Split
        Its enrolment recordings are used.
    feature_store : FeatureStore or path, optional
        If it has all of these recordings, their features are not extracted again; otherwise all
        are extracted, with a warning.
    options, engine, run, **changes
        As for `train_speaker_mixtures`.

    Returns
    -------
    dict of str to DiagonalMixture
        The mixtures by name of the model, sorted.

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `train_speaker_mixtures`.
    IncompatibleModelError
        If the feature store was made with other features than `options` asks for.
    """
    options, engine = SpeakerMixtureOptions.of(options, changes), Engine.of(engine)
    groups = {model: whole_recordings(split.enrolment[model]) for model in split.models}
    owners: dict[Utterance, list[str]] = {}
    for model, utterances in groups.items():
        for utterance in utterances:
            owners.setdefault(utterance, []).append(model)
    store = opened_store(feature_store, options.features)
    if store is not None:
        found = find_recordings(store, tuple(owners), engine=engine)
        known = [each for each in found if isinstance(each, StoredRecording)]
        if len(known) == len(owners):
            stored = {each.path: each.stored_id for each in known}
            frames = {
                model: store.subset([stored[each.path] for each in utterances]).speech
                for model, utterances in groups.items()
            }
            return _fit(frames, options, engine)
    models_of = {utterance.path: tuple(models) for utterance, models in owners.items()}
    run = RunContext.checked(run)
    report = run.on_skip or warn_of_skip
    told = replace(run, on_skip=lambda each: report(replace(each, affected=models_of[each.path])))
    recordings = Corpus(tuple(owners), source="the enrolment recordings")
    return _train(recordings, lambda _: groups, options, engine, told)


def fit_speaker_mixtures(
    frames: Mapping[str, Sequence[NDArray[np.floating[Any]]]],
    options: SpeakerMixtureOptions | None = None,
    *,
    engine: EngineLike = None,
    **changes: Any,
) -> dict[str, DiagonalMixture]:
    """Train one mixture per speaker on frames of speech in memory.

    Parameters
    ----------
    frames : mapping of str to sequence of array, shape (T, D)
        Frames of the utterances of each speaker.
    options : SpeakerMixtureOptions, optional
        ``features`` is not used.
    engine : int, executor, Dask client or Engine, optional
        Where the mixtures are trained, one at a time on each worker; a number is one of worker
        processes. It changes nothing but the time.
    **changes
        Fields of `SpeakerMixtureOptions`, in place of those of `options`.

    Returns
    -------
    dict of str to DiagonalMixture
        In the order of `frames`.

    Raises
    ------
    InsufficientDataError
        If a speaker has fewer frames than there are components.
    InvalidInputError
        If an option is out of range.
    """
    options = SpeakerMixtureOptions.of(options, changes)
    return _fit(frames, options, Engine.of(engine))


def _train(
    corpus: CorpusLike | FeatureStore,
    grouped: Callable[[Corpus], Mapping[str, Sequence[Utterance]]],
    options: SpeakerMixtureOptions,
    engine: Engine,
    run: RunContext,
) -> dict[str, DiagonalMixture]:
    """Train a mixture on the speech in the recordings of each group."""
    with speech_of(corpus, options.features, engine=engine, run=run) as speech:
        store = speech.store
        frames = {
            name: store.subset([each for each in utterances if each.id in store]).speech
            for name, utterances in grouped(speech.corpus).items()
        }
        return _fit(frames, options, engine)


def _fit(
    frames: Mapping[str, StoredFrames | Sequence[NDArray[np.floating[Any]]]],
    options: SpeakerMixtureOptions,
    engine: Engine,
) -> dict[str, DiagonalMixture]:
    for speaker, source in frames.items():
        count = source.n_frames if isinstance(source, StoredFrames) else sum(map(len, source))
        if count < options.n_components:
            raise InsufficientDataError(
                f"speaker {speaker!r}: {count} frames of speech are fewer than the "
                f"{options.n_components} components asked for; give more speech or ask for fewer "
                "components"
            )
    models = engine.map(FitSpeaker(options), frames.values())
    return dict(zip(frames, models, strict=True))


@dataclass(frozen=True, slots=True)
class FitSpeaker:
    """Training of the mixture of one speaker; can be sent to worker processes."""

    options: SpeakerMixtureOptions

    def __call__(
        self, source: StoredFrames | Sequence[NDArray[np.floating[Any]]]
    ) -> DiagonalMixture:
        """Return the mixture of a speaker from the frames."""
        frames = source if isinstance(source, StoredFrames) else list(source)
        return fit_mixture(frames, self.options, engine=ONE_WORKER).model
