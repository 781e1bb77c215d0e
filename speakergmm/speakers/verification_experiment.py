"""Verification experiments: the models of a protocol are enrolled and its trials are scored."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, Protocol, Split, Utterance, is_path, read_protocol
from speakergmm.corpora.protocol import PathNumbers
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig, FeatureStore, map_recordings
from speakergmm.metrics import Scores
from speakergmm.mixtures import DiagonalMixture
from speakergmm.ranges import wrong_type
from speakergmm.run_context import OnSkip, RunContext, SkippedRecording, warn_of_skip
from speakergmm.speakers import enrolment
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.extraction import (
    SpeechStream,
    map_grouped_recordings,
    opened_store,
    recording_of,
    whole_recordings,
)
from speakergmm.speakers.speaker_options import AdaptationOptions, ProtocolOptions
from speakergmm.speakers.speaker_scoring import SpeakerScorer


def run_protocol(
    protocol: Protocol | AnyPath,
    background: AnyBackground,
    options: ProtocolOptions | None = None,
    *,
    feature_store: FeatureStore | AnyPath | None = None,
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
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again. Recordings that it lacks, or has
        from another version of the file, are extracted, with a warning.
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
        average log-likelihood ratio per frame of speech, in natural logarithms. Further columns
        of the list are its conditions.

    Raises
    ------
    CorpusError
        If the protocol has no such split.
    InsufficientDataError
        If no trial can be scored.
    InvalidInputError
        If an option is out of range.
    IncompatibleModelError
        If the feature store was made with other features than the background model.
    """
    options = ProtocolOptions.of(options, changes)
    run, engine = RunContext.checked(run), Engine.of(engine)
    protocol = _as_protocol(protocol)
    split = protocol.split(options.split)
    background = as_background(background)
    store = opened_store(feature_store, background.features)
    models = _enrolled_models(split, background, options.adaptation, store, engine, run)

    # Each test recording is read once and scored against all of its models.
    scorer = SpeakerScorer(background.mixture, models)
    trials = TrialTable(split, scorer.names)
    scored = map_recordings(
        ScoreClaims(background.features, scorer, options.scoring.top_c),
        whole_recordings(trials.claimed_paths, store, engine=engine),
        [trials.claims[os.fspath(path)] for path in trials.claimed_paths],
        engine=engine,
        run=replace(run, on_skip=trials.with_lost_trials(run.on_skip or warn_of_skip)),
        description="Scoring trials",
    )
    for utterance, found in scored:
        trials.take(os.fspath(utterance.path), found)

    # The scores in the order of the trial list.
    kept = np.flatnonzero(~np.isnan(trials.scores))
    if not len(kept):
        raise InsufficientDataError(
            f"{protocol.source}: none of the {len(split.trials)} trials of {options.split!r} can "
            "be scored"
        )
    listed = [split.trials[row] for row in kept.tolist()]
    return Scores(
        np.array([trial.model for trial in listed], dtype=object),
        np.array([trial.name for trial in listed], dtype=object),
        trials.scores[kept],
        np.array([trial.label for trial in listed], dtype=object),
        {name: np.array(values, object)[kept] for name, values in split.conditions.items()},
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
    feature_store: FeatureStore | AnyPath | None = None,
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
    feature_store, engine, run
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
    store = opened_store(feature_store, background.features)
    run = RunContext.checked(run)
    return _enrolled_models(split, background, options, store, Engine.of(engine), run)


def _enrolled_models(
    split: Split,
    background: BackgroundModel,
    options: AdaptationOptions,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> dict[str, DiagonalMixture]:
    paths = dict.fromkeys(path for model in split.models for path in split.enrolment[model])
    recordings = dict(zip(paths, whole_recordings(paths, store, engine=engine), strict=True))
    sessions = map_grouped_recordings(
        CollectStatistics(background, options.second_order),
        {model: [recordings[path] for path in split.enrolment[model]] for model in split.models},
        engine=engine,
        run=run,
        description="Enrolling models",
    )
    models = {}
    for model, usable in sessions:
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


class TrialTable:
    """The trials of a split by recording and model, and their scores.

    Parameters
    ----------
    split : Split
    names : sequence of str
        Models that are scored, in the order of the scorer.

    Attributes
    ----------
    claims : dict of str to array of int
        By path of a recording, the places in `names` of the models that are claimed to
        speak in it, in ascending order; without recordings of which no model is scored.
    claimed_paths : tuple of Path
        The recordings of `claims`.
    scores : array of float, shape (N,)
        Score of each trial; NaN until it is taken.
    """

    def __init__(self, split: Split, names: Sequence[str]) -> None:
        self._split = split
        place_of = {name: place for place, name in enumerate(names)}
        number_of = PathNumbers()
        n_trials = len(split.trials)
        models = np.fromiter((place_of.get(t.model, -1) for t in split.trials), np.int32, n_trials)
        tests = np.fromiter((number_of(t.path) for t in split.trials), np.int32, n_trials)
        self.scores = np.full(n_trials, np.nan)
        # Rows of each recording, in the order of the list.
        order = np.argsort(tests, kind="stable")
        bounds = np.searchsorted(tests[order], np.arange(1, len(number_of.paths)))
        all_rows = np.split(order, bounds)
        self._rows = dict(zip(map(os.fspath, number_of.paths), all_rows, strict=True))
        self._models = models
        scored = {name: rows[models[rows] >= 0] for name, rows in self._rows.items()}
        self.claims = {name: np.sort(models[rows]) for name, rows in scored.items() if len(rows)}
        self.claimed_paths = tuple(
            path for path in number_of.paths if os.fspath(path) in self.claims
        )

    def take(self, recording: str, scores: NDArray[np.float64]) -> None:
        """Take the scores of the claims of a recording."""
        rows = self._rows[recording]
        rows = rows[self._models[rows] >= 0]
        self.scores[rows] = scores[np.searchsorted(self.claims[recording], self._models[rows])]

    def with_lost_trials(self, report: OnSkip) -> OnSkip:
        """Return a report of skipped recordings that adds the trials which are lost with each."""

        def told(skipped: SkippedRecording) -> None:
            rows = self._rows[os.fspath(skipped.path)].tolist()
            lost = (self._split.trials[row] for row in rows)
            affected = tuple(f"{trial.model} {trial.name}" for trial in lost)
            report(replace(skipped, affected=affected))

        return told


@dataclass(frozen=True, slots=True, eq=False)
class CollectStatistics:
    """Statistics of a recording under the background model; can be sent to worker processes."""

    background: BackgroundModel
    second_order: bool

    def __call__(self, utterance: Utterance) -> enrolment.SessionStatistics:
        """Return the statistics of one recording."""
        return enrolment.collect_statistics(
            self.background, recording_of(utterance), second_order=self.second_order
        )


@dataclass(frozen=True, slots=True, eq=False)
class ScoreClaims:
    """Scores of a recording for the models that are claimed to speak in it.

    It can be sent to worker processes. Less than half of the models are scored alone, others
    together with all.
    """

    config: FeatureConfig
    scorer: SpeakerScorer
    top_c: int | None

    def __call__(self, utterance: Utterance, places: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the scores of one recording for the models at some places of the scorer."""
        few = 2 * len(places) < len(self.scorer)
        names = [self.scorer.names[place] for place in places.tolist()]
        scorer = self.scorer.subset(names) if few else self.scorer
        speech = SpeechStream(self.config, [recording_of(utterance)])
        scores = scorer.score(speech, top_c=self.top_c)
        speech.check()
        return scores if few else scores[places]
