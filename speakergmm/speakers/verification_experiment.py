"""Verification experiments: enrol the models of a protocol and score its trials."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from speakergmm.corpora import AnyPath, Protocol, Split, Utterance, is_path, read_protocol
from speakergmm.errors import InsufficientDataError
from speakergmm.features import (
    FeatureConfig,
    HowToMap,
    map_recordings,
)
from speakergmm.metrics import Scores
from speakergmm.mixtures import DiagonalMixture
from speakergmm.ranges import wrong_type
from speakergmm.run_context import OnSkip, SkippedRecording, warn_of_skip
from speakergmm.speakers import enrolment
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.extraction import SpeechStream, map_grouped_recordings, whole_recordings
from speakergmm.speakers.speaker_scoring import DEFAULT_TOP_C, SpeakerScorer


def run_protocol(
    protocol: Protocol | AnyPath,
    background: AnyBackground,
    *,
    split: str = "eval",
    relevance_factor: float = enrolment.DEFAULT_RELEVANCE_FACTOR,
    parameters: enrolment.Parameter | Sequence[enrolment.Parameter] = ("means",),
    top_c: int | None = DEFAULT_TOP_C,
    progress: bool = False,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> Scores:
    """Enrol the models of a protocol and score its trials.

    Features of each recording are extracted once, in parallel; no more is kept of them than
    statistics and scores. A recording with less than `MINIMUM_SPEECH_SECONDS` (0.1 s) of speech
    is as bad as one that can't be read.

    Parameters
    ----------
    protocol : Protocol or path
    background : BackgroundModel or path
    split : str, default="eval"
        Which part to run.
    relevance_factor : float, default=3
        Occupancy, in frames, at which speaker and background weigh the same.
    parameters : sequence of str, default=("means",)
        What enrolment adapts.
    top_c : int or None, default=5
        Components scored per frame; None for all.
    progress : bool, default=False
        Show progress bars on a terminal.
    n_jobs : int, default=1
        Processes; changes nothing but the time.
    strict : bool, default=False
        Stop at the first bad recording, instead of going on without it.
    on_skip : callable, optional
        Called with each `SkippedRecording`, whose ``affected`` lists the model it should have
        enrolled or the trials (``"model path"``) that have no score because of it; by default a
        warning is issued. A model that lost all its recordings has no score either: a further
        `SkippedRecording` lists its trials.

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
    how: HowToMap = {"n_jobs": n_jobs, "strict": strict, "on_skip": on_skip}
    protocol = _as_protocol(protocol)
    part = protocol.split(split)
    background = as_background(background)
    settings = enrolment.AdaptationOptions(relevance_factor, enrolment.as_parameters(parameters))
    models = enroll_models(part, background, settings=settings, progress=progress, **how)
    wanted: dict[Path, list[str]] = {}
    lost: dict[str, list[str]] = {}
    for trial in part.trials:
        wanted.setdefault(trial.path, []).append(trial.model)
        lost.setdefault(os.fspath(trial.path), []).append(f"{trial.model} {trial.name}")
    scorer = SpeakerScorer(background.mixture, models)
    function = partial(
        _score_recording, background.features, scorer, top_c, _sparse_wanted(wanted, scorer.names)
    )
    found = {
        utterance.path: scores
        for utterance, scores in map_recordings(
            function,
            whole_recordings(wanted),
            affected=lost,
            description="Scoring trials" if progress else None,
            **how,
        )
    }
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


def _as_protocol(protocol: Protocol | AnyPath) -> Protocol:
    if is_path(protocol):
        return read_protocol(protocol)
    if isinstance(protocol, Protocol):
        return protocol
    raise wrong_type(protocol, "a protocol, read_protocol(folder), or its path")


def enroll_models(
    split: Split,
    background: BackgroundModel,
    *,
    settings: enrolment.AdaptationOptions | None = None,
    progress: bool = False,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> dict[str, DiagonalMixture]:
    """Adapt the background model to each model of a split.

    Parameters
    ----------
    split : Split
    background : BackgroundModel
    settings : AdaptationOptions, optional
    progress, n_jobs, strict, on_skip
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
    settings = settings or enrolment.AdaptationOptions()
    sessions = map_grouped_recordings(
        partial(_collect, background, settings.second_order),
        {model: whole_recordings(split.enrolment[model]) for model in split.models},
        description="Enrolling models" if progress else None,
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
    )
    models = {}
    for model, usable in sessions.items():
        if usable:
            adapted = enrolment.adapt_speaker(background, usable, name=model, settings=settings)
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


def _collect(
    background: BackgroundModel, second_order: bool, utterance: Utterance
) -> enrolment.SessionStatistics:
    return enrolment.collect_statistics(background, utterance.path, second_order=second_order)


def _score_recording(
    config: FeatureConfig,
    scorer: SpeakerScorer,
    top_c: int | None,
    sparse: Mapping[Path, tuple[str, ...]],
    utterance: Utterance,
) -> dict[str, float]:
    if utterance.path in sparse:
        scorer = scorer.subset(sparse[utterance.path])
    speech = SpeechStream(config, [utterance.path])
    scores = scorer.score(speech, top_c=top_c)
    speech.check()
    return dict(zip(scorer.names, scores.tolist(), strict=True))
