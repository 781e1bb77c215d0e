"""Verification experiments: the models of a protocol are enrolled and its trials are scored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from speakergmm.corpora import AnyPath, Protocol, Split, Utterance, is_path, read_protocol
from speakergmm.corpora.augmentation import as_augmentation
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import CorpusError, InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureStore, find_recordings, map_recordings
from speakergmm.metrics import Scores
from speakergmm.mixtures import DiagonalMixture
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext, SkippedRecording, warn_of_skip
from speakergmm.speakers import enrolment
from speakergmm.speakers.backends import Terms, stack_terms
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.calibration.score_calibration import check_disjoint_speakers
from speakergmm.speakers.cohort import make_cohort
from speakergmm.speakers.cohort_scores import check_cohort
from speakergmm.speakers.extraction import (
    map_grouped_recordings,
    opened_store,
    whole_recordings,
)
from speakergmm.speakers.speaker_options import AdaptationOptions, ProtocolOptions
from speakergmm.speakers.statistics_archive import (
    CollectStatistics,
    StatisticsArchive,
    archived_recordings,
    collect_archive,
)
from speakergmm.speakers.system import AnySystem, SpeakerSystem, loaded_system
from speakergmm.speakers.trial_measures import (
    EnrolledMeasures,
    enrolment_measures,
    mean_of_statistics,
)
from speakergmm.speakers.trial_scoring import (
    ScoreClaims,
    TrialTable,
    score_archived,
)

# Recordings of each background speaker that a cohort with tests keeps as tests.
_TESTS_PER_SPEAKER = 10


def run_protocol(
    protocol: Protocol | AnyPath,
    system: AnySystem,
    options: ProtocolOptions | None = None,
    *,
    statistics: StatisticsArchive | AnyPath | None = None,
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
    statistics : StatisticsArchive or path, optional
        Statistics of recordings under the background model, and their quality, if trials are
        measured. Models are enrolled from those that it has, and tests are scored from them by
        back-ends that score statistics; these recordings are not read. An archive is not changed; a
        file is made if there is none, and completed.
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
        ``normalisation``, ``cohort_top``, ``test_versions``, ``measures``, ``llr``, ``force``.

    Returns
    -------
    Scores
        In the order of the trial list, without the trials that cannot be scored. Unless it is
        normalised or of a trained back-end, a score is the average log-likelihood ratio per frame
        of speech, in natural logarithms. Further columns of the list are its conditions. With
        ``test_versions`` a column "condition" names the version of the test, which is part of its
        path (``a.wav#babble``); with ``measures`` there is a column for each measure of a trial.
        With ``llr`` the scores are calibrated log-likelihood ratios.

    Raises
    ------
    CorpusError
        If the protocol has no such split.
    InsufficientDataError
        If no trial can be scored.
    InvalidInputError
        If an option is out of range, or needs more of a recording than an archive has; with
        ``llr`` if the system is not calibrated, or was calibrated on speakers of the split.
    IncompatibleModelError
        If the feature store was made with other features than the background model, or the
        statistics with another background model.
    """
    options = ProtocolOptions.of(options, changes)
    versions = as_augmentation(options.test_versions)
    run, engine = RunContext.checked(run), Engine.of(engine)
    protocol = as_protocol(protocol)
    split = protocol.split(options.split)
    store = opened_store(feature_store, None)
    made = _system_of(protocol, system, options, store, engine, run)
    store = opened_store(store, made.background.features)
    if made.normalisation.normalisation != "none" and made.cohort is not None:
        check_cohort(made.cohort.speakers, split.models)
    calibration = made.calibration if options.llr else None
    if calibration is not None:
        check_disjoint_speakers(calibration, split.models, force=options.force)
    measured = options.measures or bool(calibration and calibration.measure_names)
    archive = _archive_of(split, made, measured, statistics, store, engine, run)
    names, terms, enrolled = _enrolled_terms(split, made, measured, archive, store, engine, run)
    conditions = ("",) if versions is None else tuple(versions.conditions)

    # Each test recording is read once and scored against all of its models.
    scorer = made.scorer(names, terms)
    trials = TrialTable(split, scorer.names, n_versions=len(conditions))
    tests: Sequence[Utterance] = whole_recordings(trials.claimed_paths)
    known = enrolled if measured else None
    if archive is not None and made.backend.scores_statistics and versions is None:
        tests = score_archived(tests, trials, scorer, archive, made.background.mixture, known)
    if store is not None:
        tests = find_recordings(store, tests, engine=engine)
    report = trials.with_lost_trials(run.on_skip or warn_of_skip)
    scored = map_recordings(
        ScoreClaims(made.background, scorer, options.scoring.top_c, versions, known),
        tests,
        [trials.claims[os.fspath(each.path)] for each in tests],
        engine=engine,
        run=replace(run, on_skip=report),
        description="Scoring trials",
    )
    for utterance, found in scored:
        for version, claims in enumerate(found):
            trials.take(os.fspath(utterance.path), version, claims)
    if calibration is not None:
        trials.calibrate(calibration, report)
    named = None if versions is None else conditions
    return trials.listed(
        protocol.source, options.split, versions=named, with_measures=options.measures
    )


def _archive_of(
    split: Split,
    system: SpeakerSystem,
    measured: bool,
    given: StatisticsArchive | AnyPath | None,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> StatisticsArchive | None:
    """Return the archive of a run; the file of one is made or completed.

    Raises
    ------
    InvalidInputError
        If more of a recording is needed than an archive has.
    IncompatibleModelError
        If it is of another background model.
    """
    if given is None:
        return None
    if system.backend.needs_second_order:
        raise InvalidInputError(
            "variances are adapted from second-order statistics, which an archive does not have; "
            "adapt means and weights, or leave the archive out"
        )
    if isinstance(given, StatisticsArchive):
        given.check_background(system.background)
        return given
    if not is_path(given):
        raise wrong_type(given, "a statistics archive, collect_archive(ubm, list), or its path")
    known = StatisticsArchive.load(given) if os.path.lexists(given) else None
    archive = known
    # What cannot be used is reported when it is missed, with what is lost by it.
    quiet = replace(run, strict=False, on_skip=lambda _: None)
    tests = split.test_paths() if system.backend.scores_statistics else ()
    of_models: tuple[Path, ...] = ()
    if not system.backend.versions_apart:
        of_models = _enrolled_paths(split)
    for paths, augmented in ((of_models, True), (tests, False)):
        if not paths:
            continue
        archive = collect_archive(
            system.background,
            [*whole_recordings(paths)],
            augmented=augmented,
            measured=measured,
            known=archive,
            feature_store=store,
            engine=engine,
            run=quiet,
        )
    if archive is not None and archive is not known:
        archive.save(given)
    return archive


def as_protocol(protocol: Protocol | AnyPath) -> Protocol:
    """Return a protocol; a path is one to read."""
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
        for model, usable in _usable_sessions(split, collect, None, store, engine, run)
    }


def _enrolled_terms(
    split: Split,
    system: SpeakerSystem,
    measured: bool,
    archive: StatisticsArchive | None,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> tuple[tuple[str, ...], Terms, list[EnrolledMeasures]]:
    """Return the names of the models that can be enrolled, their terms, and what is known of each.

    The last is empty unless it is asked for.
    """
    backend = system.backend
    collect = CollectStatistics(
        system.background, backend.needs_second_order, measured, apart=backend.versions_apart
    )
    if backend.versions_apart:
        archive = None  # which has their sums
    terms, known = {}, []
    for model, usable in _usable_sessions(split, collect, archive, store, engine, run):
        statistics = [each.statistics for each in usable]
        terms[model] = backend.enroll(statistics, name=model)
        if measured:
            known.append(
                EnrolledMeasures(
                    enrolment_measures(each.measures for each in usable),
                    mean_of_statistics(statistics),
                )
            )
    return tuple(terms), stack_terms(backend, terms.values()), known


def _enrolled_paths(split: Split) -> tuple[Path, ...]:
    """Return the recordings of all models, each once."""
    return tuple(dict.fromkeys(path for name in split.models for path in split.enrolment[name]))


def _usable_sessions(
    split: Split,
    collect: CollectStatistics,
    archive: StatisticsArchive | None,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> Iterator[tuple[str, list[enrolment.SessionStatistics]]]:
    """Yield each model that can be enrolled with the statistics of its recordings."""
    paths = _enrolled_paths(split)
    augmented = collect.background.augmentation is not None
    found = archived_recordings(
        whole_recordings(paths),
        archive,
        augmented=augmented,
        measured=collect.measured,
        store=store,
        engine=engine,
    )
    recordings = dict(zip(paths, found, strict=True))
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
        (run.on_skip or warn_of_skip)(lost_model(split, model))
    if not n_models:
        raise InsufficientDataError("none of the models of the protocol can be enrolled")


def lost_model(split: Split, model: str) -> SkippedRecording:
    """Return the report of a model none of whose recordings can be used, with its trials."""
    trials = tuple(f"{t.model} {t.name}" for t in split.trials if t.model == model)
    return SkippedRecording(
        split.enrolment[model][0],
        f"model {model!r}: none of its {len(split.enrolment[model])} recordings can be "
        f"used; its {len(trials)} trials have no score",
        trials,
    )


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
    calibrated = isinstance(loaded, SpeakerSystem) and loaded.calibration is not None
    if options.llr and not calibrated:
        raise InvalidInputError(
            "log-likelihood ratios need a calibrated system, and this one has scores only; "
            "calibrate it first (speakergmm calibrate)"
        )
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
