"""The system, its scores, and calibrations of them with one corpus left out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from material import balanced_background, cohort_recordings, trials_of
from settings import (
    AUGMENTATION,
    COHORT_SPEAKERS,
    COHORT_TOP,
    CORPORA,
    MEASURES,
    N_COMPONENTS,
    NORMALISATION,
    PRESET,
    RELEVANCE_FACTOR,
    SEED,
    SHRINKAGE,
)

from speakergmm.features import FeatureConfig
from speakergmm.metrics import Scores
from speakergmm.speakers import (
    AdaptationOptions,
    BackgroundModel,
    Calibration,
    NormalisationOptions,
    SpeakerSystem,
    fit_calibration,
    make_cohort,
    run_protocol,
    trials_of_scores,
)


def background_model(data: Path, work: Path, jobs: int) -> BackgroundModel:
    """Train the background model, or load the one of an earlier run."""
    made_with = f"{FeatureConfig.preset(PRESET).digest[:8]}-{N_COMPONENTS}-{AUGMENTATION}-{SEED}"
    path = work / f"background-{made_with}.safetensors"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        BackgroundModel.train(
            balanced_background(data),
            features=PRESET,
            n_components=N_COMPONENTS,
            augmentation=AUGMENTATION,
            seed=SEED,
            engine=jobs,
        ).save(path)
    return BackgroundModel.load(path)


def make_system(
    data: Path,
    background: BackgroundModel,
    jobs: int,
    *,
    relevance_factor: float = RELEVANCE_FACTOR,
    normalisation: str = NORMALISATION,
    cohort_top: int | None = COHORT_TOP,
    n_speakers: int = COHORT_SPEAKERS,
) -> SpeakerSystem:
    """Return the system without its calibration."""
    adaptation = AdaptationOptions(relevance_factor=relevance_factor)
    system = SpeakerSystem(background, adaptation)
    if normalisation == "none":
        return system
    recordings = cohort_recordings(balanced_background(data), n_speakers)
    cohort = make_cohort(recordings, background, system.backend, engine=jobs).packed()
    options = NormalisationOptions(normalisation=normalisation, cohort_top=cohort_top)  # type: ignore[arg-type] # checked there
    return system.replace(cohort=cohort, normalisation=options)


def measured_scores(
    system: SpeakerSystem, data: Path, work: Path, split: str, conditions: Sequence[str], jobs: int
) -> Scores:
    """Return scores and measures of the trials of both corpora, each test in all conditions.

    The column "recorded" has the condition of both sides, if one of them is clean or both are the
    same, and else "mixed".
    """
    scores = run_protocol(
        trials_of(data, work, split),
        system,
        split=split,
        test_versions=conditions,
        measures=True,
        engine=jobs,
    )
    enrolled, tested = (
        scores.condition(name).astype(str) for name in ("enrolment_condition", "condition")
    )
    recorded = np.where(enrolled == "clean", tested, enrolled)
    recorded[(recorded != tested) & (tested != "clean")] = "mixed"
    return replace(scores, conditions={**scores.conditions, "recorded": recorded})


def calibrated(scores: Scores, measures: Sequence[str] = MEASURES) -> Calibration:
    trials = trials_of_scores(scores, measures)
    return fit_calibration(trials, shrinkage=SHRINKAGE, measures_scale=False)


def ratios(calibration: Calibration, scores: Scores) -> Scores:
    """Return the trials that can be measured with their log-likelihood ratios as scores."""
    values = {name: scores.condition(name).astype(float) for name in calibration.measure_names}
    kept = np.all([np.isfinite(each) for each in values.values()] or [[True] * len(scores)], axis=0)
    llrs = calibration.llr(scores.scores[kept], {name: v[kept] for name, v in values.items()})
    return replace(scores.select(kept), scores=llrs)


def left_out(scores: Scores, measures: Sequence[str]) -> dict[str, Scores]:
    """Return the ratios of each corpus by a calibration on the other one."""
    found = {}
    for corpus in CORPORA:
        others = scores.condition("corpus").astype(str) != corpus
        found[corpus] = ratios(
            calibrated(scores.select(others), measures), select(scores, corpus=corpus)
        )
    return found


def select(scores: Scores, **wanted: str) -> Scores:
    """Return the trials whose conditions are those that are named."""
    rows = np.ones(len(scores), dtype=bool)
    for name, value in wanted.items():
        rows &= scores.condition(name).astype(str) == value
    return scores.select(rows)
