"""Experiments on a protocol: enrol its models, score its trials, identify its test recordings."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Corpus, Protocol, Split, Utterance
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureConfig
from speakergmm.metrics import Scores
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.enrolment import (
    DEFAULT_RELEVANCE_FACTOR,
    AdaptationSettings,
    Parameter,
    SessionStatistics,
    adapt_speaker,
    collect_statistics,
)
from speakergmm.speakers.extraction import (
    ExtractSpeech,
    OnSkip,
    SkippedRecording,
    as_config,
    cached_extractor,
    map_recordings,
    warn_of_skip,
)
from speakergmm.speakers.identification import LikelihoodScorer, fit_speaker_mixtures
from speakergmm.speakers.scoring import DEFAULT_TOP_C, SpeakerScorer, window_averages


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMatrix:
    """Scores of test recordings, or of stretches of them, for all models.

    Parameters
    ----------
    scores : array, shape (N, M)
        Average per frame of speech.
    names : tuple of str
        The models, in the order of the columns.
    paths : tuple of Path
        Recordings.
    recording : array of int, shape (N,)
        Which of `paths` each row is of.
    truth : array of int, shape (N,)
        Column of the true speaker; -1 where she is not among the models or nobody said.
    """

    scores: NDArray[np.float64]
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    recording: NDArray[np.intp]
    truth: NDArray[np.intp]

    @property
    def accuracy(self) -> float:
        """Part of the rows with a true speaker among the models whose best score is hers.

        Raises
        ------
        InsufficientDataError
            If there is no such row.
        """
        known = self.truth >= 0
        if not known.any():
            raise InsufficientDataError("no test recording is of a speaker among the models")
        return float((self.scores[known].argmax(axis=1) == self.truth[known]).mean())


def run_protocol(
    protocol: Protocol,
    background: BackgroundModel,
    *,
    split: str = "eval",
    relevance_factor: float = DEFAULT_RELEVANCE_FACTOR,
    parameters: Sequence[Parameter] = ("means",),
    top_c: int | None = DEFAULT_TOP_C,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    progress: bool = False,
) -> Scores:
    """Enrol the models of a protocol and score its trials.

    Features of each recording are extracted once, in parallel; no more is kept of them than
    statistics and scores.

    Parameters
    ----------
    protocol : Protocol
    background : BackgroundModel
    split : str, default="eval"
        Which part to run.
    relevance_factor : float, default=10
        Occupancy, in frames, at which speaker and background weigh the same.
    parameters : sequence of str, default=("means",)
        What enrolment adapts.
    top_c : int or None, default=5
        Components scored per frame; None for all.
    n_jobs : int, default=1
        Processes; changes nothing but the time.
    strict : bool, default=False
        Stop at the first bad recording, instead of going on without it.
    on_skip : callable, optional
        Called with each `SkippedRecording`, whose ``affected`` lists the model it should have
        enrolled or the trials (``"model path"``) that have no score because of it; by default a
        warning is issued. A model that lost all its recordings has no score either: a further
        `SkippedRecording` lists its trials.
    progress : bool, default=False
        Show progress bars on a terminal.

    Returns
    -------
    Scores
        In the order of the trial list, without trials on bad recordings.

    Raises
    ------
    CorpusError
        If the protocol has no such split.
    InsufficientDataError
        If no trial can be scored.
    """
    part = protocol.split(split)
    settings = AdaptationSettings(relevance_factor, tuple(parameters))
    options: dict[str, Any] = {"n_jobs": n_jobs, "strict": strict, "on_skip": on_skip}
    models = enrol_models(part, background, settings=settings, progress=progress, **options)
    wanted: dict[Path, list[str]] = {}
    lost: dict[str, list[str]] = {}
    for trial in part.trials:
        wanted.setdefault(trial.path, []).append(trial.model)
        lost.setdefault(os.fspath(trial.path), []).append(f"{trial.model} {trial.name}")
    scorer = SpeakerScorer(background.mixture, models)
    function = _ScoreRecording(
        background.features, scorer, top_c, _sparse_wanted(wanted, scorer.names)
    )
    found: dict[Path, dict[str, float]] = {}
    for utterance, scores in map_recordings(
        function,
        _as_utterances(wanted),
        affected=lost,
        description="Scoring trials" if progress else None,
        **options,
    ):
        found[utterance.path] = scores
    kept = [trial for trial in part.trials if trial.model in found.get(trial.path, {})]
    if not kept:
        raise InsufficientDataError(
            f"{protocol.source}: none of the {len(part.trials)} trials of {split!r} can be scored"
        )
    return Scores(
        np.array([trial.model for trial in kept], dtype=object),
        np.array([trial.name for trial in kept], dtype=object),
        np.array([found[trial.path][trial.model] for trial in kept]),
        np.array([trial.label for trial in kept], dtype=object),
    )


def enrol_models(
    split: Split,
    background: BackgroundModel,
    *,
    settings: AdaptationSettings | None = None,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    progress: bool = False,
) -> dict[str, DiagonalMixture]:
    """Adapt the background model to each model of a split.

    Parameters
    ----------
    split : Split
    background : BackgroundModel
    settings : AdaptationSettings, optional
    n_jobs, strict, on_skip, progress
        As for `run_protocol`.

    Returns
    -------
    dict of str to DiagonalMixture
        By model, sorted, without those that lost all their recordings.

    Raises
    ------
    InsufficientDataError
        If there is none left.
    """
    settings = settings or AdaptationSettings()
    owners: dict[Path, list[str]] = {}
    for model in split.models:
        for path in split.enrolment[model]:
            owners.setdefault(path, []).append(model)
    statistics: dict[Path, MixtureStatistics] = {}
    for utterance, session in map_recordings(
        _Collect(background, settings.second_order),
        _as_utterances(owners),
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
        affected={os.fspath(path): names for path, names in owners.items()},
        description="Enrolling models" if progress else None,
    ):
        statistics[utterance.path] = session.statistics
    models = {}
    for model in split.models:
        usable = [statistics[p] for p in split.enrolment[model] if p in statistics]
        if usable:
            adapted = adapt_speaker(background, usable, name=model, settings=settings)
            models[model] = adapted.mixture
            continue
        trials = tuple(f"{t.model} {t.name}" for t in split.trials if t.model == model)
        (on_skip or warn_of_skip)(
            SkippedRecording(
                split.enrolment[model][0],
                f"model {model!r}: none of its {len(split.enrolment[model])} recordings can be "
                f"used; its {len(trials)} trials have no score",
                trials,
            )
        )
    if not models:
        raise InsufficientDataError("no model of the protocol can be enrolled")
    return models


def run_identification(
    split: Split,
    scorer: SpeakerScorer | LikelihoodScorer,
    features: FeatureConfig | str | os.PathLike[str],
    *,
    window: int | None = None,
    shift: int = 1,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> ScoreMatrix:
    """Score every test recording of a split for every model.

    Parameters
    ----------
    split : Split
        Its target trials say who speaks.
    scorer : SpeakerScorer or LikelihoodScorer
        MAP-adapted models (top-C scoring) or plain mixtures (maximum likelihood).
    features : FeatureConfig, str or path
        Those the models were trained on.
    window : int, optional
        Score stretches of so many frames of speech, not whole recordings.
    shift : int, default=1
        Frames from one stretch to the next.
    n_jobs, strict, on_skip
        As for `run_protocol`.

    Returns
    -------
    ScoreMatrix
        Rows in the order of the recordings' first trials, stretches in time. A recording shorter
        than `window` has no row.

    Raises
    ------
    InsufficientDataError
        If there is no row.

    Notes
    -----
    With `window` this is the evaluation of Reynolds and Rose [1]_: all stretches of a given
    length, one frame apart.

    References
    ----------
    .. [1] Reynolds and Rose, "Robust text-independent speaker identification using Gaussian
       mixture speaker models", IEEE Trans. Speech and Audio Processing 3 (1995) 72-83.
    """
    if window is not None and (window < 1 or shift < 1):
        raise InvalidInputError(
            f"window {window!r} and shift {shift!r} must be at least 1 frame each"
        )
    speaker_of = {trial.path: trial.model for trial in split.trials if trial.label == "target"}
    column = {name: place for place, name in enumerate(scorer.names)}
    paths, blocks = [], []
    for utterance, scores in map_recordings(
        _ScoreStretches(as_config(features), scorer, window, shift),
        _as_utterances(split.test_paths()),
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
    ):
        paths.append(utterance.path)
        blocks.append(scores)
    lengths = [len(block) for block in blocks]
    if not sum(lengths):
        raise InsufficientDataError(
            "no test recording can be scored"
            + ("" if window is None else f"; none has {window} frames of speech")
        )
    recording = np.repeat(np.arange(len(paths)), lengths)
    truth = np.array([column.get(speaker_of.get(path, ""), -1) for path in paths], dtype=np.intp)
    return ScoreMatrix(
        np.concatenate(blocks), scorer.names, tuple(paths), recording, truth[recording]
    )


def train_split_mixtures(
    split: Split,
    *,
    n_components: int = 32,
    features: FeatureConfig | str | os.PathLike[str] = "speaker",
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    **options: Any,
) -> dict[str, DiagonalMixture]:
    """Train a plain mixture for each model of a split; see `train_speaker_mixtures`."""
    blocks: dict[str, list[NDArray[np.float32]]] = {model: [] for model in split.models}
    owners: dict[Path, list[str]] = {}
    for model in split.models:
        for path in split.enrolment[model]:
            owners.setdefault(path, []).append(model)
    for utterance, speech in map_recordings(
        ExtractSpeech(as_config(features)),
        _as_utterances(owners),
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
        affected={os.fspath(path): names for path, names in owners.items()},
    ):
        for model in owners[utterance.path]:
            blocks[model].append(speech.values)
    return fit_speaker_mixtures(blocks, n_components=n_components, n_jobs=n_jobs, **options)


def split_as_corpus(split: Split, *, source: str = "enrolment") -> Corpus:
    """Return the enrolment recordings of a split as a corpus whose speakers are the models."""
    return Corpus(
        tuple(
            Utterance(os.fspath(path), path, model)
            for model in split.models
            for path in split.enrolment[model]
        ),
        source=source,
    )


def _as_utterances(paths: Mapping[Path, Any] | Sequence[Path]) -> tuple[Utterance, ...]:
    return tuple(Utterance(os.fspath(path), path, None) for path in paths)


def _sparse_wanted(
    wanted: Mapping[Path, list[str]], names: Sequence[str]
) -> dict[Path, tuple[str, ...]]:
    """Models to score, for recordings that are tried with less than half of them."""
    known = set(names)
    return {
        path: tuple(sorted(known.intersection(models)))
        for path, models in wanted.items()
        if 2 * len(models) < len(names)
    }


@dataclass(frozen=True, slots=True)
class _Collect:
    background: BackgroundModel
    second_order: bool

    def __call__(self, utterance: Utterance) -> SessionStatistics:
        return collect_statistics(self.background, utterance.path, second_order=self.second_order)


@dataclass(frozen=True, slots=True)
class _ScoreRecording:
    config: FeatureConfig
    scorer: SpeakerScorer
    top_c: int | None
    sparse: Mapping[Path, tuple[str, ...]]

    def __call__(self, utterance: Utterance) -> dict[str, float]:
        chosen = self.sparse.get(utterance.path)
        scorer = self.scorer if chosen is None else self.scorer.subset(chosen)
        stream = cached_extractor(self.config).stream(utterance.path)
        scores = scorer.score((block.speech_values for block in stream), top_c=self.top_c)
        return dict(zip(scorer.names, scores.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _ScoreStretches:
    config: FeatureConfig
    scorer: SpeakerScorer | LikelihoodScorer
    window: int | None
    shift: int

    def __call__(self, utterance: Utterance) -> NDArray[np.float64]:
        speech = cached_extractor(self.config).extract(utterance.path).speech_values
        if self.window is None:
            return self.scorer.score(speech)[None, :]
        frame_scores: Callable[..., NDArray[np.float64]] = self.scorer.frame_scores
        return window_averages(frame_scores(speech), length=self.window, shift=self.shift)
