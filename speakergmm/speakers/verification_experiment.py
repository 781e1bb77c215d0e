"""Verification experiments: the models of a protocol are enrolled and its trials are scored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, Protocol, Split, Utterance, is_path, read_protocol
from speakergmm.corpora.protocol import PathNumbers
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import CorpusError, InsufficientDataError
from speakergmm.features import FeatureConfig, FeatureStore, map_recordings
from speakergmm.metrics import Scores
from speakergmm.mixtures import DiagonalMixture
from speakergmm.ranges import wrong_type
from speakergmm.run_context import OnSkip, RunContext, SkippedRecording, warn_of_skip
from speakergmm.speakers import enrolment
from speakergmm.speakers.backends import Terms, stack_terms
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.cohort import make_cohort
from speakergmm.speakers.cohort_scores import check_cohort
from speakergmm.speakers.extraction import (
    SpeechStream,
    map_grouped_recordings,
    opened_store,
    recording_of,
    whole_recordings,
)
from speakergmm.speakers.normalised_scorer import NormalisedScorer
from speakergmm.speakers.speaker_options import AdaptationOptions, ProtocolOptions
from speakergmm.speakers.system import AnySystem, SpeakerSystem, loaded_system

# Recordings of each background speaker that a cohort with tests keeps as tests.
_TESTS_PER_SPEAKER = 10


def run_protocol(
    protocol: Protocol | AnyPath,
    system: AnySystem,
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
    system : SpeakerSystem, BackgroundModel or path of either
        A system is used as it is; a background model becomes one by the options, with the
        background speakers of the protocol as the cohort if scores are normalised.
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
        ``split``, ``relevance_factor``, ``parameters``, ``top_c``, ``backend``,
        ``normalisation``, ``cohort_top``.

    Returns
    -------
    Scores
        In the order of the trial list, without the trials that cannot be scored. Unless it is
        normalised, a score is the average log-likelihood ratio per frame of speech, in natural
        logarithms. Further columns of the list are its conditions.

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
    store = opened_store(feature_store, None)
    made = _system_of(protocol, system, options, store, engine, run)
    store = opened_store(store, made.background.features)
    if made.normalisation.normalisation != "none" and made.cohort is not None:
        check_cohort(made.cohort.speakers, split.models)
    names, terms = _enrolled_terms(split, made, store, engine, run)

    # Each test recording is read once and scored against all of its models.
    scorer = made.scorer(names, terms)
    trials = TrialTable(split, scorer.names)
    scored = map_recordings(
        ScoreClaims(made.background.features, scorer, options.scoring.top_c),
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
    collect = CollectStatistics(background, options.second_order)
    return {
        model: enrolment.adapt_speaker(background, usable, options, name=model).mixture
        for model, usable in _usable_sessions(split, collect, store, engine, run)
    }


def _enrolled_terms(
    split: Split,
    system: SpeakerSystem,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> tuple[tuple[str, ...], Terms]:
    """Return the names of the models that can be enrolled, and their terms."""
    backend = system.backend
    collect = CollectStatistics(system.background, backend.needs_second_order)
    terms = {
        model: backend.enroll([each.statistics for each in usable], name=model)
        for model, usable in _usable_sessions(split, collect, store, engine, run)
    }
    return tuple(terms), stack_terms(backend, terms.values())


def _usable_sessions(
    split: Split,
    collect: CollectStatistics,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> Iterator[tuple[str, list[enrolment.SessionStatistics]]]:
    """Yield each model that can be enrolled with the statistics of its recordings."""
    paths = dict.fromkeys(path for model in split.models for path in split.enrolment[model])
    recordings = dict(zip(paths, whole_recordings(paths, store, engine=engine), strict=True))
    sessions = map_grouped_recordings(
        collect,
        {model: [recordings[path] for path in split.enrolment[model]] for model in split.models},
        engine=engine,
        run=run,
        description="Enrolling models",
    )
    n_models = 0
    for model, usable in sessions:
        if usable:
            n_models += 1
            yield model, usable
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
    if not n_models:
        raise InsufficientDataError("none of the models of the protocol can be enrolled")


def _system_of(
    protocol: Protocol,
    given: AnySystem,
    options: ProtocolOptions,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> SpeakerSystem:
    """Return the system that scores a protocol; a background model is completed by the options.

    Raises
    ------
    IncompatibleModelError
        If a system is given with options that contradict it.
    CorpusError
        If scores are to be normalised, and the protocol has no background speakers.
    """
    loaded = loaded_system(given)
    if isinstance(loaded, SpeakerSystem):
        loaded.check_options(options)
        return loaded
    system = SpeakerSystem(loaded, options.adaptation, options.backend)
    if options.score_normalisation.normalisation == "none":
        return system
    if protocol.background is None:
        raise CorpusError(
            f"{protocol.source}: score normalisation needs a cohort; the protocol has no "
            "background speakers (background.tsv)"
        )
    cohort = make_cohort(
        protocol.background,
        system.background,
        system.backend,
        tests_per_speaker=_TESTS_PER_SPEAKER if options.score_normalisation.needs_tests else 0,
        feature_store=store,
        engine=engine,
        run=run,
    )
    return system.replace(cohort=cohort, normalisation=options.score_normalisation)


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
    scorer: NormalisedScorer
    top_c: int | None

    def __call__(self, utterance: Utterance, places: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the scores of one recording for the models at some places of the scorer."""
        few = 2 * len(places) < len(self.scorer)
        names = [self.scorer.names[place] for place in places.tolist()]
        scorer = self.scorer.subset(names) if few else self.scorer
        speech = SpeechStream(self.config, [recording_of(utterance)])
        scores, _ = scorer.score_blocks(speech, top_c=self.top_c)
        speech.check()
        return scores if few else scores[places]
