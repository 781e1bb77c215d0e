"""Calibration of speaker systems: on the trials of a protocol, of the cohort, or on both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from speakergmm.corpora import AnyPath, Protocol, Split
from speakergmm.corpora.protocol import LABELS
from speakergmm.engine import EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureStore
from speakergmm.metrics import Scores
from speakergmm.provenance import utc_now
from speakergmm.run_context import RunContext
from speakergmm.speakers.calibration.calibration_options import CalibrationOptions
from speakergmm.speakers.calibration.calibration_trials import CalibrationTrials
from speakergmm.speakers.calibration.score_calibration import (
    check_disjoint_speakers,
    fit_calibration,
)
from speakergmm.speakers.cohort_scores import normalise_cohort
from speakergmm.speakers.speaker_options import ProtocolOptions
from speakergmm.speakers.system import AnySystem, SpeakerSystem, as_system
from speakergmm.speakers.trial_measures import MEASURE_PREFIXES
from speakergmm.speakers.verification_experiment import as_protocol, run_protocol

DEFAULT_MEASURES = (
    "channel_distance",
    "test_bandwidth_hz",
    "test_snr_db",
    "test_speech_seconds",
)
"""Measures of a trial that a calibration takes by default."""


WATCHED_MEASURES = (
    "enrolment_bandwidth_hz",
    "enrolment_clipped",
    "enrolment_snr_db",
    "enrolment_speech_seconds",
    "test_background_log_likelihood",
    "test_clipped",
    "test_level_db",
)
"""Measures that tell which recordings are unlike those of the calibration, and no more."""


def calibrate_system(
    system: AnySystem,
    protocol: Protocol | AnyPath | None = None,
    options: CalibrationOptions | None = None,
    *,
    split: str = "dev",
    test_versions: Any = None,
    use_cohort: bool = False,
    measures: Sequence[str] = DEFAULT_MEASURES,
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> SpeakerSystem:
    """Calibrate a system, so that it answers with log-likelihood ratios.

    Parameters
    ----------
    system : SpeakerSystem, BackgroundModel or path of either
    protocol : Protocol or path, optional
        Its trials calibrate the system. They must be of speakers who are neither enrolled later
        nor tested; by default, the trials of the cohort among itself.
    options : CalibrationOptions, optional
    split : str, default="dev"
        The part of the protocol that is used.
    test_versions : AugmentationOptions, str, sequence of str or dict, optional
        Conditions in each of which every test recording is scored, such as "default", or "none"; by
        default those of the background model, so that a calibration sees what enrolment did.
    use_cohort : bool, default=False
        Use the trials of the cohort besides those of the protocol; no measures are used then.
    measures : sequence of str
        Measures of a trial that the calibration takes; none for a calibration by scores alone.
    feature_store, engine, run
        As for `run_protocol`.
    **changes
        Fields of `CalibrationOptions`, in place of those of `options`.

    Returns
    -------
    SpeakerSystem
        With the calibration.

    Raises
    ------
    InvalidInputError
        If there is neither a protocol nor a cohort with tests, or a measure is unknown.
    InsufficientDataError
        If there are too few trials.
    """
    options = CalibrationOptions.of(options, changes)
    made = as_system(system)
    parts = []
    if protocol is not None:
        protocol = as_protocol(protocol)
        if not use_cohort:
            _check_kinds(protocol.split(split))
        if test_versions is None:
            test_versions = made.background.augmentation
        chosen = ProtocolOptions(
            split=split, test_versions=test_versions, measures=bool(measures) and not use_cohort
        )
        scores = run_protocol(
            protocol, made, chosen, feature_store=feature_store, engine=engine, run=run
        )
        parts.append(trials_of_scores(scores, () if use_cohort else measures))
    if use_cohort or protocol is None:
        parts.append(cohort_trials(made))
    trials = _joined(parts)
    facts = {
        "created": utc_now(),
        "trials": [] if protocol is None else [str(getattr(protocol, "source", protocol)), split],
        "cohort_trials": use_cohort or protocol is None,
        "n_target": trials.n_target,
        "n_nontarget": trials.n_nontarget,
        "n_speakers": len(trials.speakers),
    }
    return made.replace(
        calibration=fit_calibration(trials, options),
        provenance={**made.provenance, "calibration": facts},
    )


def _check_kinds(split: Split) -> None:
    """Raise an error, before any recording is read, if a kind of trial is missing.

    Raises
    ------
    InvalidInputError
        If trials have no label, or all have the same.
    """
    found = {trial.label for trial in split.trials}
    if found != set(LABELS):
        missing = " and no ".join(sorted(set(LABELS) - found))
        raise InvalidInputError(
            f"a calibration needs labelled trials of both kinds; there is no {missing} trial among "
            f"the {len(split.trials)}"
        )


def trials_of_scores(scores: Scores, measures: Sequence[str] = ()) -> CalibrationTrials:
    """Return calibration trials of scores, with measures from their columns.

    Trials of which a measure is missing, such as recordings without speech, are left out.

    Parameters
    ----------
    scores : Scores
        Labelled trials; see `run_protocol` with ``measures``.
    measures : sequence of str
        Columns that are measures; the others stay conditions.

    Raises
    ------
    InvalidInputError
        If a measure is not among the columns, or is not a number.
    InsufficientDataError
        If no trial has all measures.
    """
    found = {}
    for name in measures:
        if name not in scores.conditions:
            known = [each for each in scores.conditions if each.startswith(MEASURE_PREFIXES)]
            raise InvalidInputError(
                f"there is no measure {name!r}; the measures are {', '.join(known) or 'none'}"
            )
        try:
            found[name] = scores.conditions[name].astype(np.float64)
        except ValueError:
            raise InvalidInputError(f"measure {name!r}: must be numbers") from None
    watched = {
        name: scores.conditions[name].astype(np.float64)
        for name in WATCHED_MEASURES
        if measures and name in scores.conditions and name not in found
    }
    kept = np.ones(len(scores), dtype=bool)
    for values in (*found.values(), *watched.values()):
        kept &= np.isfinite(values)
    if not kept.any():
        raise InsufficientDataError("no trial has all the measures that the calibration takes")
    conditions = {
        name: values[kept]
        for name, values in scores.conditions.items()
        if not name.startswith(MEASURE_PREFIXES)
    }
    versions = scores.conditions.get("condition")
    n_versions = 1
    if versions is not None:
        recordings = {name.rpartition("#")[0] or name for name in scores.path_names}
        n_versions = max(1, round(len(scores.path_names) / len(recordings)))
    return CalibrationTrials.of(
        scores.select(kept),
        {name: values[kept] for name, values in found.items()},
        conditions,
        n_versions=n_versions,
        watched={name: values[kept] for name, values in watched.items()},
    )


def check_ratios(split: str, llr: bool) -> None:
    """Raise an error if ratios are asked for of the trials on which they would be calibrated.

    Raises
    ------
    InvalidInputError
        If they are.
    """
    if llr and split == "dev":
        raise InvalidInputError(
            "llr: ratios of the dev trials would be calibrated on these trials themselves; score "
            "them without, or score the eval lists"
        )


def calibrated_scores(scores: Scores, dev: Scores, speakers: Iterable[str]) -> Scores:
    """Return scores of trials as log-likelihood ratios, calibrated on those of other speakers.

    Parameters
    ----------
    scores : Scores
    dev : Scores
        Labelled trials that the same system has scored.
    speakers : iterable of str
        Speakers of the trials; none of them may be one of `dev`.

    Raises
    ------
    InvalidInputError
        If one is, or a kind of trial is missing.
    InsufficientDataError
        If there are too few trials.
    """
    calibration = fit_calibration(trials_of_scores(dev))
    check_disjoint_speakers(calibration, speakers)
    return replace(scores, scores=calibration.llr(scores.scores))


def cohort_trials(system: SpeakerSystem) -> CalibrationTrials:
    """Return the trials of a cohort among itself, scored without the speakers of each trial.

    Raises
    ------
    InvalidInputError
        If the system has no cohort with tests.
    """
    cohort = system.cohort
    if cohort is None or not cohort.n_tests:
        raise InvalidInputError(
            "the system has no cohort with tests to calibrate on; give trials (--trials), or make "
            "a cohort with tests (--cohort)"
        )
    backend = system.backend
    scorer = backend.scorer(cohort.speakers, cohort.terms(backend))
    owners = [cohort.speakers[place] for place in cohort.owners.tolist()]
    scores = normalise_cohort(
        cohort.test_scores(scorer), cohort.speakers, owners, system.normalisation
    )
    models = np.repeat(np.array(cohort.speakers, object), len(owners))
    tests = np.tile(np.array(owners, object), len(cohort.speakers))
    return CalibrationTrials(scores.ravel(), models == tests, models, tests)


def _joined(parts: Sequence[CalibrationTrials]) -> CalibrationTrials:
    """Return all trials, without measures; what one part lacks of a column is no group."""
    if len(parts) == 1:
        return parts[0]
    columns = dict.fromkeys(name for part in parts for name in part.conditions)
    return CalibrationTrials(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.is_target for part in parts]),
        np.concatenate([part.model_speakers for part in parts]),
        np.concatenate([part.test_speakers for part in parts]),
        conditions={
            name: np.concatenate(
                [part.conditions.get(name, np.full(len(part), "", object)) for part in parts]
            )
            for name in columns
        },
        n_versions=max(part.n_versions for part in parts),
    )
