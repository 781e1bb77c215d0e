"""Verification experiments: the models of a protocol are enrolled and its trials are scored."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.corpora import AnyPath, Protocol, Split, Utterance, is_path, read_protocol
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig, map_recordings
from speakergmm.metrics import Scores
from speakergmm.mixtures import DiagonalMixture
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext, SkippedRecording, warn_of_skip
from speakergmm.speakers import enrolment
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.extraction import (
    SpeechStream,
    map_grouped_recordings,
    whole_recordings,
)
from speakergmm.speakers.speaker_options import AdaptationOptions, ProtocolOptions
from speakergmm.speakers.speaker_scoring import SpeakerScorer


def run_protocol(
    protocol: Protocol | AnyPath,
    background: AnyBackground,
    options: ProtocolOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> Scores:
    """Enrol the models of a protocol and score its trials.

    Features of each recording are extracted once, in worker processes; only statistics and scores
    are kept of them. A recording with less than `MINIMUM_SPEECH_SECONDS` (0.1 s) of speech is
    treated like one that cannot be read.

    Parameters
    ----------
    protocol : Protocol or path
    background : BackgroundModel or path
    options : ProtocolOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of worker processes. It changes nothing but the
        time.
    run : RunContext, optional
        ``strict`` and ``progress`` are used, and ``on_skip``: the ``affected`` of a
        `SkippedRecording` are the models that it should have enrolled or the trials
        (``"model path"``) that have no score because of it. A model all of whose recordings are
        left out has no scores either: a further `SkippedRecording` lists its trials.
    **changes
        Fields of `ProtocolOptions` and of the options in it, in place of those of `options`:
        ``split``, ``relevance_factor``, ``parameters``, ``top_c``.

    Returns
    -------
    Scores
        In the order of the trial list, without the trials that cannot be scored. A score is the
        average log-likelihood ratio per frame of speech, in natural logarithms.

    Raises
    ------
    CorpusError
        If the protocol has no such split.
    InsufficientDataError
        If no trial can be scored.
    InvalidInputError
        If an option is out of range.
    """
    options = ProtocolOptions.of(options, changes)
    run, engine = RunContext.checked(run), Engine.of(engine)
    protocol = _as_protocol(protocol)
    split = protocol.split(options.split)
    background = as_background(background)
    models = _enrolled_models(split, background, options.adaptation, engine, run)

    # The models that each test recording is scored against, and the trials that are lost with it.
    claims: dict[Path, list[str]] = {}
    lost: dict[str, list[str]] = {}
    for trial in split.trials:
        claims.setdefault(trial.path, []).append(trial.model)
        lost.setdefault(os.fspath(trial.path), []).append(f"{trial.model} {trial.name}")

    # Each test recording is read once and scored against all of its models.
    scorer = SpeakerScorer(background.mixture, models)
    subsets = _small_subsets(claims, scorer.names)
    function = partial(
        _score_recording, background.features, scorer, options.scoring.top_c, subsets
    )
    scored = map_recordings(
        function,
        whole_recordings(claims),
        engine=engine,
        run=run,
        description="Scoring trials",
        affected=lost,
    )
    scores = {utterance.path: by_model for utterance, by_model in scored}

    # The scores in the order of the trial list.
    kept = [trial for trial in split.trials if trial.model in scores.get(trial.path, {})]
    if not kept:
        raise InsufficientDataError(
            f"{protocol.source}: none of the {len(split.trials)} trials of {options.split!r} can "
            "be scored"
        )
    return Scores(
        np.array([trial.model for trial in kept], dtype=object),
        np.array([trial.name for trial in kept], dtype=object),
        np.array([scores[trial.path][trial.model] for trial in kept]),
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
    options: AdaptationOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> dict[str, DiagonalMixture]:
    """Adapt the background model to each model of a split.

    Parameters
    ----------
    split : Split
    background : BackgroundModel
    options : AdaptationOptions, optional
    engine, run
        As for `run_protocol`.
    **changes
        Fields of `AdaptationOptions`, in place of those of `options`.

    Returns
    -------
    dict of str to DiagonalMixture
        The mixtures by name of the model, sorted, without the models all of whose recordings are
        left out.

    Raises
    ------
    InsufficientDataError
        If no model can be enrolled.
    InvalidInputError
        If an option is out of range.
    """
    options = AdaptationOptions.of(options, changes)
    return _enrolled_models(split, background, options, Engine.of(engine), RunContext.checked(run))


def _enrolled_models(
    split: Split,
    background: BackgroundModel,
    options: AdaptationOptions,
    engine: Engine,
    run: RunContext,
) -> dict[str, DiagonalMixture]:
    sessions = map_grouped_recordings(
        partial(_collect, background, options.second_order),
        {model: whole_recordings(split.enrolment[model]) for model in split.models},
        engine=engine,
        run=run,
        description="Enrolling models",
    )
    models = {}
    for model, usable in sessions.items():
        if usable:
            adapted = enrolment.adapt_speaker(background, usable, options, name=model)
            models[model] = adapted.mixture
            continue
        trials = tuple(f"{t.model} {t.name}" for t in split.trials if t.model == model)
        (run.on_skip or warn_of_skip)(
            SkippedRecording(
                split.enrolment[model][0],
                f"model {model!r}: none of its {len(split.enrolment[model])} recordings can be "
                f"used; its {len(trials)} trials have no score",
                trials,
            )
        )
    if not models:
        raise InsufficientDataError("none of the models of the protocol can be enrolled")
    return models


def _small_subsets(
    claims: Mapping[Path, list[str]], names: Sequence[str]
) -> dict[Path, tuple[str, ...]]:
    """Return the models to score, for recordings in trials of less than half of the models."""
    known = set(names)
    return {
        path: tuple(sorted(known.intersection(models)))
        for path, models in claims.items()
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
    subsets: Mapping[Path, tuple[str, ...]],
    utterance: Utterance,
) -> dict[str, float]:
    if utterance.path in subsets:
        scorer = scorer.subset(subsets[utterance.path])
    speech = SpeechStream(config, [utterance.path])
    scores = scorer.score(speech, top_c=top_c)
    speech.check()
    return dict(zip(scorer.names, scores.tolist(), strict=True))
