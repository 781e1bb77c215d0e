"""Scoring of the trials of a protocol, recording by recording: what workers do, and its results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Split, Utterance
from speakergmm.corpora.augmentation import AugmentationOptions
from speakergmm.corpora.protocol import PathNumbers
from speakergmm.errors import InsufficientDataError
from speakergmm.features import augmented_recordings
from speakergmm.metrics import Scores
from speakergmm.mixtures import Mixture
from speakergmm.run_context import OnSkip, SkippedRecording
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.calibration.score_calibration import Calibration
from speakergmm.speakers.extraction import recording_of
from speakergmm.speakers.normalised_scorer import NormalisedScorer
from speakergmm.speakers.statistics_archive import StatisticsArchive, recording_name
from speakergmm.speakers.trial_measures import (
    EnrolledMeasures,
    MeasuredSpeech,
    SpeechMoments,
    measures_of_trials,
    recording_measures,
)

# Numbers of statistics of tests that are scored together.
_STATISTICS_AT_A_TIME = 1 << 21


class ScoredClaims(NamedTuple):
    """Scores and measures of one recording for each of the models that are claimed to speak in it.

    Attributes
    ----------
    scores : array, shape (N,)
    measures : mapping of str to array, shape (N,)
        Measures of each trial by name; empty if none were asked for.
    """

    scores: NDArray[np.float64]
    measures: Mapping[str, NDArray[np.float64]]


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
    scores : array of float, shape (V, N)
        Score of each trial in each version of its recording; NaN until it is taken.
    measures : dict of str to array, shape (V, N)
        Measures of each trial by name, if any were taken.
    """

    def __init__(self, split: Split, names: Sequence[str], *, n_versions: int = 1) -> None:
        self._split = split
        place_of = {name: place for place, name in enumerate(names)}
        number_of = PathNumbers()
        n_trials = len(split.trials)
        models = np.fromiter((place_of.get(t.model, -1) for t in split.trials), np.int32, n_trials)
        tests = np.fromiter((number_of(t.path) for t in split.trials), np.int32, n_trials)
        self.scores = np.full((n_versions, n_trials), np.nan)
        self.measures: dict[str, NDArray[np.float64]] = {}
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

    def take(self, recording: str, version: int, found: ScoredClaims) -> None:
        """Take the scores and measures of the claims of a recording, in one of its versions."""
        rows = self._rows[recording]
        rows = rows[self._models[rows] >= 0]
        places = np.searchsorted(self.claims[recording], self._models[rows])
        self.scores[version, rows] = found.scores[places]
        for name, values in found.measures.items():
            known = self.measures.setdefault(name, np.full(self.scores.shape, np.nan))
            known[version, rows] = values[places]

    def take_all(
        self,
        tests: Sequence[str],
        scores: NDArray[np.float64],
        measures: Sequence[Mapping[str, NDArray[np.float64]]] | None = None,
    ) -> None:
        """Take the scores, shape (models, tests), of all claims of some recordings.

        Measures are those of the claims of each recording.
        """
        columns = zip(tests, scores.T, measures or [{}] * len(tests), strict=True)
        for test, column, measured in columns:
            self.take(test, 0, ScoredClaims(column[self.claims[test]], measured))

    def calibrate(self, calibration: Calibration, report: OnSkip) -> None:
        """Replace scores by log-likelihood ratios; trials without a measure lose theirs."""
        names = calibration.measure_names
        scored = ~np.isnan(self.scores)
        known = scored.copy()
        for name in names:
            known &= np.isfinite(self.measures[name])
        lost = scored & ~known
        for recording, rows in self._rows.items():
            if lost[:, rows].any():
                missing = [n for n in names if not np.isfinite(self.measures[n][:, rows]).all()]
                told = f"{', '.join(missing)} cannot be measured, and the calibration needs it"
                report(SkippedRecording(Path(recording), f"{recording}: {told}"))
        self.scores[lost] = np.nan
        measures = {name: self.measures[name][known] for name in names}
        self.scores[known] = calibration.llr(self.scores[known], measures)

    def listed(
        self,
        source: str,
        name: str,
        *,
        versions: Sequence[str] | None = None,
        with_measures: bool = False,
    ) -> Scores:
        """Return the scores in the order of the trial list, with its columns and those of a run.

        Parameters
        ----------
        source, name : str
            The protocol and its split, for a message.
        versions : sequence of str, optional
            Name of each version of the recordings, which is a column "condition".
        with_measures : bool, default=False
            Whether measures are columns, too.

        Raises
        ------
        InsufficientDataError
            If no trial has a score.
        """
        split = self._split
        kept = np.flatnonzero(~np.isnan(self.scores))
        if not len(kept):
            raise InsufficientDataError(
                f"{source}: none of the {len(split.trials)} trials of {name!r} can be scored"
            )
        of_version, rows = np.divmod(kept, len(split.trials))
        listed = [split.trials[row] for row in rows.tolist()]
        columns = {n: np.array(values, object)[rows] for n, values in split.conditions.items()}
        suffixes = [""]
        if versions is not None:
            columns["condition"] = np.array(versions, object)[of_version]
            suffixes = ["" if each == "clean" else f"#{each}" for each in versions]
        for measure, values in self.measures.items() if with_measures else ():
            columns[measure] = np.array([f"{value:.6g}" for value in values.ravel()[kept]], object)
        places = of_version.tolist()
        paths = [trial.name + suffixes[n] for trial, n in zip(listed, places, strict=True)]
        return Scores(
            np.array([trial.model for trial in listed], dtype=object),
            np.array(paths, dtype=object),
            self.scores.ravel()[kept],
            np.array([trial.label for trial in listed], dtype=object),
            columns,
        )

    def with_lost_trials(self, report: OnSkip) -> OnSkip:
        """Return a report of skipped recordings that adds the trials which are lost with each."""

        def told(skipped: SkippedRecording) -> None:
            rows = self._rows[os.fspath(skipped.path)].tolist()
            lost = (self._split.trials[row] for row in rows)
            affected = tuple(f"{trial.model} {trial.name}" for trial in lost)
            report(replace(skipped, affected=affected))

        return told


@dataclass(frozen=True, slots=True, eq=False)
class ScoreClaims:
    """Scores of a recording for the models that are claimed to speak in it.

    It can be sent to worker processes. Less than half of the models are scored alone, others
    together with all.

    Parameters
    ----------
    background : BackgroundModel
    scorer : NormalisedScorer
    top_c : int or None
        Components that are evaluated per frame.
    versions : AugmentationOptions or None
        Conditions in each of which the recording is scored; None for the recording as it is.
    enrolled : sequence of EnrolledMeasures or None
        What is known of each model of the scorer, if trials are to be measured.
    """

    background: BackgroundModel
    scorer: NormalisedScorer
    top_c: int | None
    versions: AugmentationOptions | None = None
    enrolled: Sequence[EnrolledMeasures] | None = None

    def __call__(self, utterance: Utterance, places: NDArray[np.int32]) -> list[ScoredClaims]:
        """Return the results of one recording for models at some places, version by version."""
        few = 2 * len(places) < len(self.scorer)
        names = [self.scorer.names[place] for place in places.tolist()]
        scorer = self.scorer.subset(names) if few else self.scorer
        kept: Any = slice(None) if few else places
        found = []
        for audio, options, source in self._audio(utterance):
            stream = self.background.speech([audio], options)
            speech = MeasuredSpeech(stream, self.background.mixture)
            blocks = stream if self.enrolled is None else speech
            scores, _ = scorer.score_blocks(blocks, top_c=self.top_c)
            stream.check()
            measures: dict[str, NDArray[np.float64]] = {}
            if self.enrolled is not None:
                own = recording_measures(source, self.background.features, **options)
                enrolled = [self.enrolled[place] for place in places.tolist()]
                measures = measures_of_trials(own, enrolled, speech)
            found.append(ScoredClaims(scores[kept], measures))
        return found

    def _audio(self, utterance: Utterance) -> Iterator[tuple[Any, dict[str, Any], Any]]:
        """Yield what is scored, how it is read, and the audio that is measured."""
        if self.versions is None:
            yield recording_of(utterance), {}, utterance.path
            return
        rate = self.background.features.sample_rate
        for _, version in augmented_recordings(utterance.path, self.versions, rate):
            held = version if isinstance(version, np.ndarray) else np.concatenate(list(version))
            yield held, {"sample_rate": rate}, held


def score_archived(
    tests: Sequence[Utterance],
    trials: TrialTable,
    scorer: NormalisedScorer,
    archive: StatisticsArchive,
    background: Mixture,
    enrolled: Sequence[EnrolledMeasures] | None,
) -> list[Utterance]:
    """Score the recordings whose statistics an archive has, and return the others.

    With what is known of each model, trials are measured, too: only recordings whose quality the
    archive has are scored.
    """
    measured = enrolled is not None
    known = {each: archive.has(each, measured=measured) for each in tests}
    archived = [each for each, is_known in known.items() if is_known]
    # Tests at a time for which all models are scored: some megabytes of statistics.
    step = max(1, _STATISTICS_AT_A_TIME // archive.first_order[:1].size) if archived else 1
    for start in range(0, len(archived), step):
        some = archived[start : start + step]
        sessions = [archive.session(recording_name(each)) for each in some]
        names = [os.fspath(each.path) for each in some]
        measures = None
        if enrolled is not None:
            measures = [
                measures_of_trials(
                    session.measures,
                    [enrolled[place] for place in trials.claims[name].tolist()],
                    SpeechMoments.of(background, session.statistics),
                )
                for name, session in zip(names, sessions, strict=True)
            ]
        scores = scorer.score_tests([each.statistics for each in sessions])
        trials.take_all(names, scores, measures)
    return [each for each, is_known in known.items() if not is_known]
