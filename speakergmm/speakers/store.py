"""The speaker store: one file that holds a background model, speakers and their statistics."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.audio import has_audio_suffix
from speakergmm.corpora import AnyPath, Protocol, check_speaker_name, is_path, quoted
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import (
    IncompatibleModelError,
    InvalidInputError,
    StoreError,
)
from speakergmm.features import FeatureConfig, FeatureStore, as_feature_config
from speakergmm.mixtures import MixtureStatistics
from speakergmm.provenance import software_versions, utc_now
from speakergmm.ranges import whole_number, wrong_type
from speakergmm.records import pack, unpack
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    database,
    enrolment,
    enrolment_sessions,
    store_queries,
    store_results,
)
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.calibration.calibration_options import CalibrationOptions
from speakergmm.speakers.calibration.score_calibration import check_disjoint_speakers
from speakergmm.speakers.compatibility import check_background, check_features
from speakergmm.speakers.connection import StoreConnection
from speakergmm.speakers.extraction import (
    opened_store,
    recording_of,
    whole_recordings,
)
from speakergmm.speakers.integrity import Ledger, check_whole
from speakergmm.speakers.normalised_scorer import NormalisedScorer
from speakergmm.speakers.recording_arguments import AnyRecording, GivenSamples, as_recordings
from speakergmm.speakers.speaker_options import (
    AdaptationOptions,
    IdentificationOptions,
    VerificationOptions,
)
from speakergmm.speakers.speaker_scoring import best_speakers
from speakergmm.speakers.store_schema import SpeakerRow
from speakergmm.speakers.stored_scorers import StoredScorers
from speakergmm.speakers.system import AnySystem, SpeakerSystem, as_system
from speakergmm.speakers.system_calibration import calibrate_system
from speakergmm.speakers.trial_answers import answer_trial, identified, rated
from speakergmm.speakers.trial_measures import (
    EnrolledMeasures,
    MeasuredSpeech,
    ScoredSpeech,
    enrolment_measures,
    mean_of_statistics,
    measures_of_trial,
)
from speakergmm.speakers.values import StoreFile, parsed_json

STORE_KIND = "speaker store"

# Speakers of the highest scores whose ratios are computed: an identification is among them.
_RATED = 10


class SpeakerStore:
    """A store of enrolled speakers in one SQLite file.

    Open a store that exists, or make one with `create`; close it with `close`, or use it in a
    ``with`` statement. What `enroll` and `remove` have reported is on disk, a kill at any moment
    leaves the store whole, and several programs can use it at once; readers never wait. The file
    contains biometric data: a new one can be read by its owner only. A store object must be used
    in the thread that made it.

    Parameters
    ----------
    path : path
    background : BackgroundModel or path, optional
        Must be the background model that the store was made with, if it is given.
    features : FeatureConfig, str or path, optional
        Must be the features that the store was made with, if they are given.
    busy_timeout : float, default=30
        Longest wait for other programs that write to the store, in seconds.

    Attributes
    ----------
    path : Path
    system : SpeakerSystem
        The system that the store was made with: background model, adaptation of speakers, back-end,
        score normalisation and, once the store is calibrated, calibration.

    Raises
    ------
    StoreError
        If there is no such store, or it cannot be used.
    ModelFormatError
        If the file is not a store, is damaged, or is of another version.
    IncompatibleModelError
        If the background model or the features are different; the message names the differences.

    Notes
    -----
    Opening a store checks that all rows are present, as they were written, and that they agree
    with the indexes. The content of a row is checked when it is read, and the structure of the
    whole file before the first change and before and after each removal. A damaged store is
    refused instead of giving a wrong answer.

    Examples
    --------
    >>> with SpeakerStore("voices.db") as store:       # doctest: +SKIP
    ...     store.enroll("ana", ["ana1.wav", "ana2.wav"])
    ...     store.verify("ana", "unknown.wav").score
    1.374
    """

    def __init__(
        self,
        path: AnyPath,
        *,
        background: AnyBackground | None = None,
        features: FeatureConfig | AnyPath | None = None,
        busy_timeout: float = 30.0,
    ) -> None:
        if not is_path(path):
            way = "; a new one is made by SpeakerStore.create(path, background)"
            raise wrong_type(path, "the path of a speaker store", way)
        self.path = Path(path)
        wanted = None if features is None else as_feature_config(features)
        self._file = StoreConnection(self.path, busy_timeout=busy_timeout)
        try:
            with self._file.reading() as file:
                self._read_meta(file)
            if wanted is not None:
                check_features(self.background, wanted, what=os.fspath(path))
            if background is not None:
                check_background(self.background, as_background(background), what=os.fspath(path))
        except BaseException:
            self._file.close()
            raise

    def _read_meta(self, file: StoreFile) -> None:
        """Read the system and the provenance of the store."""
        meta = Ledger.read(file).values
        packed = file.value("SELECT value FROM meta WHERE key = 'system'")
        if not isinstance(packed, bytes):
            raise file.damaged("its system is not a blob")
        self._provenance = {"created": meta["created"], "software": parsed_json(meta["software"])}
        if hashlib.sha256(packed).hexdigest() != meta.get("system_sha256"):
            raise file.damaged("its system does not match its digest")
        self.system = unpack(SpeakerSystem, packed, source=os.fspath(self.path))
        self._scorers = StoredScorers(self.system)

    @property
    def background(self) -> BackgroundModel:
        """The background model that the store was made with."""
        return self.system.background

    @property
    def adaptation(self) -> AdaptationOptions:
        """Options of the adaptation of speaker models, fixed when the store was made."""
        return self.system.adaptation

    @classmethod
    def create(
        cls,
        path: AnyPath,
        system: AnySystem,
        options: AdaptationOptions | None = None,
        *,
        busy_timeout: float = 30.0,
        **changes: Any,
    ) -> "SpeakerStore":
        """Make a new store.

        Parameters
        ----------
        path : path
            Must not exist.
        system : SpeakerSystem, BackgroundModel or path of either
            Copied into the store.
        options : AdaptationOptions, optional
            Options of the adaptation of all speaker models of the store, if a background model
            is given.
        busy_timeout : float, default=30
            Longest wait for other programs that write to the store, in seconds.
        **changes
            Fields of `AdaptationOptions`, in place of those of `options`: ``relevance_factor``,
            ``parameters``.

        Returns
        -------
        SpeakerStore

        Raises
        ------
        StoreError
            If the file exists or cannot be written.
        InvalidInputError
            If an option is out of range.
        """
        if options is not None or changes:
            options = AdaptationOptions.of(options, changes)
        made, path = as_system(system, options), Path(path)
        database.create_database(path, describe_store(made), lambda _: None)
        return cls.open(path, busy_timeout=busy_timeout)

    @classmethod
    def open(
        cls,
        path: AnyPath,
        *,
        background: AnyBackground | None = None,
        features: FeatureConfig | AnyPath | None = None,
        busy_timeout: float = 30.0,
    ) -> "SpeakerStore":
        """Open a store; the same as ``SpeakerStore(path)``."""
        return cls(path, background=background, features=features, busy_timeout=busy_timeout)

    def close(self) -> None:
        """Close the store; it may be closed twice."""
        self._file.close()

    def __enter__(self) -> "SpeakerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enroll(
        self,
        speaker: str,
        wavs: AnyRecording | Iterable[AnyRecording],
        *,
        sample_rate: int | None = None,
        feature_store: FeatureStore | AnyPath | None = None,
        engine: EngineLike = None,
        run: RunContext | None = None,
    ) -> store_results.EnrolmentReport:
        """Enrol recordings of a speaker, who may be new or enrolled already; all or none.

        Parameters
        ----------
        speaker : str
            Name of the speaker.
        wavs : path, array, iterator of arrays, or iterable of paths and arrays
            Recordings of the speaker, in which nobody else speaks; see `as_recordings`. Arrays are
            called ``array``, or ``array 1``, ``array 2`` and so on, and the same audio is
            recognised whether it is given as a file or as the samples of the file.
        sample_rate : int, optional
            Sampling rate in hertz of arrays and blocks, which need it.
        feature_store : FeatureStore or path, optional
            Features of recordings that it has are not extracted again. Recordings that it lacks,
            or has from another version of the file, are extracted, with a warning.
        engine : int, executor, Dask client or Engine, optional
            Where recordings are read; a number is one of worker processes. It changes nothing
            but the time.
        run : RunContext, optional
            ``progress`` is used.

        Returns
        -------
        EnrolmentReport

        Raises
        ------
        InvalidInputError
            If the name is not allowed, or there is no recording.
        AudioError, InsufficientDataError
            If a recording cannot be read or contains less than 0.1 s of speech.
        StoreError
            If the same audio is already enrolled for the speaker, or the store cannot be written.
        """
        name = speaker_name(speaker)
        paths = as_recordings(wavs, "enroll", sample_rate)
        collected = enrolment_sessions.collect_sessions(
            self.background,
            paths,
            second_order=self.system.backend.needs_second_order,
            apart=self.system.backend.versions_apart,
            store=opened_store(feature_store, self.background.features),
            engine=Engine.of(engine),
            run=run,
        )
        return self.enroll_collected(name, collected)

    def enroll_collected(
        self, name: str, collected: Sequence[enrolment_sessions.EnrolmentSession]
    ) -> store_results.EnrolmentReport:
        """Enrol recordings whose statistics under this background model have been collected.

        Parameters
        ----------
        name : str
            Name of the speaker.
        collected : sequence of EnrolmentSession

        Returns
        -------
        EnrolmentReport

        Raises
        ------
        StoreError
            If the same audio is already enrolled for the speaker, or the store cannot be written.
        """
        with self._file.writing() as ledger:
            report = enrolment_sessions.enroll_sessions(ledger, name, collected, system=self.system)
        self._file.empty_log(wait=False)
        return report

    def verify(
        self,
        speaker: str,
        wavs: AnyRecording | Iterable[AnyRecording],
        options: VerificationOptions | None = None,
        *,
        sample_rate: int | None = None,
        feature_store: FeatureStore | AnyPath | None = None,
        **changes: Any,
    ) -> store_results.VerificationScore:
        """Score the claim that the speaker of recordings is an enrolled one.

        Parameters
        ----------
        speaker : str
            Name of the claimed speaker.
        wavs : path, array, iterator of arrays, or iterable of paths and arrays
            Recordings of one person; their frames are pooled.
        options : VerificationOptions, optional
            How a decision is asked for, if at all.
        sample_rate : int, optional
            Sampling rate in hertz of arrays and blocks, which need it.
        feature_store : FeatureStore or path, optional
            Features of recordings that it has are not extracted again. Recordings that it lacks,
            or has from another version of the file, are extracted, with a warning.
        **changes
            Fields of `VerificationOptions`, in place of those of `options`: ``threshold``,
            ``target_far``, ``prior``, ``c_miss``, ``c_fa``, ``force``, ``top_c``.

        Returns
        -------
        VerificationScore

        Raises
        ------
        UnknownSpeakerError
            If the speaker is not enrolled.
        AudioError, InsufficientDataError
            If the recording cannot be read or contains less than 0.1 s of speech.
        InvalidInputError
            If an option is out of range, or a decision is asked for that needs a calibration.
        CannotPromiseError
            If the trials of the calibration are too few for the error rates that are asked for.
        UnlikeCalibrationError
            If a decision is asked for and the recordings are unlike those that the calibration
            saw, unless it is forced.
        """
        options = VerificationOptions.of(options, changes)
        name, paths = speaker_name(speaker), as_recordings(wavs, "verify", sample_rate)
        with self._file.reading() as file:
            row = store_queries.find_speaker(file, name)
            scorer = self._scorers.of_rows(file, [row])
            enrolled = self._measured(file, [row])
        scored = self._score(scorer, paths, options.top_c, feature_store)
        score, measures = float(scored.scores[0]), self._measures(scored, enrolled[0])
        answer = answer_trial(self.system, score, measures, options, what=scored.name)
        return store_results.VerificationScore(name, scored.seconds, scored.occupancy, answer)

    def identify(
        self,
        wavs: AnyRecording | Iterable[AnyRecording],
        options: IdentificationOptions | None = None,
        *,
        sample_rate: int | None = None,
        feature_store: FeatureStore | AnyPath | None = None,
        **changes: Any,
    ) -> store_results.SpeakerRanking:
        """Rank the enrolled speakers by their scores on recordings of one unknown speaker.

        Parameters
        ----------
        wavs : path, array, iterator of arrays, or iterable of paths and arrays
            Recordings of one person; their frames are pooled.
        options : IdentificationOptions, optional
        sample_rate : int, optional
            Sampling rate in hertz of arrays and blocks, which need it.
        feature_store : FeatureStore or path, optional
            Features of recordings that it has are not extracted again. Recordings that it lacks,
            or has from another version of the file, are extracted, with a warning.
        **changes
            Fields of `IdentificationOptions`, in place of those of `options`: ``top``,
            ``threshold``, ``target_far``, ``prior``, ``c_miss``, ``c_fa``, ``force``, ``top_c``,
            ``shortlist``.

        Returns
        -------
        SpeakerRanking

        Raises
        ------
        StoreError
            If no speaker is enrolled.
        AudioError, InsufficientDataError
            If a recording cannot be read or contains no speech, or all of them together contain
            less than 0.1 s of speech.
        InvalidInputError, CannotPromiseError, UnlikeCalibrationError
            As for `verify`.

        Notes
        -----
        The decision is on the best of N speakers, and every one of them could be falsely accepted:
        a `target_far` is divided by N, and so is a `prior`, which is that any of them talks; see
        `decide_open_set`. The ten speakers with the highest scores (`top`, if it is more) are
        ranked by likelihood ratios, in which the quality of the enrolment counts.
        """
        options = IdentificationOptions.of(options, changes)
        paths = as_recordings(wavs, "identify", sample_rate)
        with self._file.reading() as file:
            scorer = self._scorers.of_all(file)
        if not scorer.names:
            raise StoreError(f"{self.path}: no speaker is enrolled; enroll some first")
        n_speakers, top_c = len(scorer), options.top_c
        if options.shortlist is not None and top_c is not None:
            rough = self._score(scorer, paths, top_c, feature_store)
            best = best_speakers(scorer.names, rough.scores, options.shortlist)
            scorer, top_c = scorer.subset([name for name, _ in best]), None
        scored = self._score(scorer, paths, top_c, feature_store)
        ranking = best_speakers(scorer.names, scored.scores, max(options.top, _RATED))
        with self._file.reading() as file:
            rows = [store_queries.find_speaker(file, name) for name, _ in ranking]
            enrolled = self._measured(file, rows)
        candidates = {
            name: rated(self.system, score, self._measures(scored, known), what=scored.name)
            for (name, score), known in zip(ranking, enrolled, strict=True)
        }
        answers, decision = identified(
            self.system, candidates, options, n_speakers=n_speakers, what=scored.name
        )
        listed = dict(list(answers.items())[: options.top])
        return store_results.SpeakerRanking(
            tuple((name, answer.score) for name, answer in listed.items()),
            n_speakers,
            scored.seconds,
            scored.occupancy,
            tuple(listed.values()),
            decision,
        )

    def calibrate(
        self,
        protocol: Protocol | AnyPath | None = None,
        options: CalibrationOptions | None = None,
        *,
        system: SpeakerSystem | None = None,
        force: bool = False,
        **arguments: Any,
    ) -> SpeakerSystem:
        """Calibrate the store, so that `verify` and `identify` answer with likelihood ratios.

        Parameters
        ----------
        protocol : Protocol or path, optional
            Its trials calibrate the system; by default, those of the cohort.
        options : CalibrationOptions, optional
        system : SpeakerSystem, optional
            The system that is calibrated, such as that of the store with another cohort; see
            `set_system`. By default that of the store.
        force : bool, default=False
            Whether speakers of the calibration may be enrolled.
        **arguments
            Further arguments of `speakergmm.speakers.calibrate_system`.

        Returns
        -------
        SpeakerSystem
            The system with its calibration, which is in the store from now on.

        Raises
        ------
        InvalidInputError
            If a speaker of the calibration is enrolled in the store, unless it is forced, and as
            for `calibrate_system`.
        InsufficientDataError
            If there are too few trials.
        StoreError
            If the store cannot be written.
        """
        made = calibrate_system(system or self.system, protocol, options, **arguments)
        assert made.calibration is not None
        with self._file.reading() as file:
            names = [row.name for row in SpeakerRow.read(file)]
        check_disjoint_speakers(made.calibration, names, force=force)
        self.set_system(made)
        return made

    def set_system(self, system: SpeakerSystem) -> None:
        """Replace the system of the store by one with the same models of speakers.

        Parameters
        ----------
        system : SpeakerSystem
            Its background model, back-end and adaptation are those of the store; normalisation,
            cohort and calibration may be others.

        Raises
        ------
        IncompatibleModelError
            If enrolled models would be others.
        StoreError
            If the store cannot be written.
        """
        check_background(self.background, system.background, what=os.fspath(self.path))
        system.check_adaptation(self.adaptation)
        if system.backend_name != self.system.backend_name:
            raise IncompatibleModelError(
                f"{self.path}: has models of back-end {self.system.backend_name!r}, not of "
                f"{system.backend_name!r}; enrol the recordings again into a new store"
            )
        if system.backend.digest != self.system.backend.digest:
            raise IncompatibleModelError(
                f"{self.path}: has models of back-end {system.backend_name!r} from another "
                "training; enrol the recordings again into a new store"
            )
        packed = pack(system)
        with self._file.writing() as ledger:
            ledger.file.execute("UPDATE meta SET value = ? WHERE key = 'system'", (packed,))
            ledger.values["system_sha256"] = hashlib.sha256(packed).hexdigest()
            detail = {"calibrated": system.calibration is not None, "digest": system.digest}
            store_queries.write_log(ledger, "calibrate", None, detail)
        self._file.empty_log(wait=False)
        self.system = system
        self._scorers = StoredScorers(system)

    def model(self, speaker: str) -> enrolment.SpeakerModel:
        """Return a speaker's adapted model.

        Parameters
        ----------
        speaker : str
            Name of the speaker.

        Returns
        -------
        SpeakerModel

        Raises
        ------
        UnknownSpeakerError
            If the speaker is not enrolled.
        """
        name = check_speaker_name(speaker)
        with self._file.reading() as file:
            return self._adapted_model(file, store_queries.find_speaker(file, name))

    def speakers(
        self, *, limit: int | None = None, after: str | None = None
    ) -> tuple[store_results.EnrolledSpeaker, ...]:
        """Return the enrolled speakers, sorted by name, all of them or one page.

        Parameters
        ----------
        limit : int, optional
            Largest number of speakers that are returned; by default all. The time of a page does
            not depend on the number of speakers in the store.
        after : str, optional
            Only speakers whose names come after this one, such as the last name of the page
            before; it need not be enrolled any more.

        Returns
        -------
        tuple of EnrolledSpeaker
            Empty after the last page.

        Raises
        ------
        InvalidInputError
            If `limit` is not positive, or `after` is not a name.
        """
        if limit is not None:
            limit = min(whole_number("limit", limit), sys.maxsize)
        if after is not None:
            after = check_speaker_name(after)
        with self._file.reading() as file:
            return store_queries.list_speakers(file, limit=limit, after=after)

    @property
    def n_speakers(self) -> int:
        """Number of enrolled speakers."""
        with self._file.reading() as file:
            return int(file.value("SELECT count(*) FROM speakers"))

    def remove(self, speaker: str) -> None:
        """Erase a speaker for good: statistics, model, name, and log entries that name the speaker.

        Afterwards, none of these data are left in the files of the store.

        Parameters
        ----------
        speaker : str
            Name of the speaker.

        Raises
        ------
        UnknownSpeakerError
            If the speaker is not enrolled.
        StoreError
            If the store cannot be written; the message then says that nothing was changed. Also if
            another program is reading an older state, or the disk is full, so that the deleted
            bytes cannot be overwritten yet; the message then says that the speaker is removed. The
            bytes are overwritten when the last program closes the store, or by the next change.
        """
        name = check_speaker_name(speaker)
        with self._file.writing(thorough=True) as ledger:
            row = store_queries.find_speaker(ledger.file, name)
            # Statistics and model are read first: a damaged store could delete those of another
            # speaker.
            self._adapted_model(ledger.file, row)
            self._scorers.of_rows(ledger.file, [row])
            store_queries.delete_speaker(ledger, row)
            store_queries.write_log(ledger, "remove", None, {})
        self._scorers.forget()
        reason = self._file.empty_log(wait=True)
        if reason is not None:
            raise StoreError(
                f"{self.path}: the speaker is removed, but {reason} and the deleted bytes are "
                "still on disk; they are overwritten when the last program closes the store, or "
                "by the next change"
            )

    def log(self) -> tuple[dict[str, Any], ...]:
        """Return the log, oldest entry first: ``at``, ``action``, ``speaker``, ``detail``."""
        with self._file.reading() as file:
            return store_queries.list_log(file)

    def info(self) -> dict[str, Any]:
        """Return a description of the store as JSON can hold it."""
        enrolled = self.speakers()
        return {
            "kind": STORE_KIND,
            "format_version": database.SCHEMA_VERSION,
            **self._provenance,
            "n_speakers": len(enrolled),
            "n_sessions": sum(speaker.n_sessions for speaker in enrolled),
            "speech_seconds": sum(speaker.speech_seconds for speaker in enrolled),
            "last_enrolled": max((s.last_enrolled for s in enrolled), default=None),
            **{
                name: value
                for name, value in self.system.info().items()
                if name not in ("kind", "digest", "provenance")
            },
        }

    def check(self) -> None:
        """Read and check everything: the structure of the database, statistics and models.

        Raises
        ------
        ModelFormatError
            If anything is damaged.
        """
        with self._file.reading() as file:
            store_queries.list_log(file)
            check_whole(file)
            # Each stored model must be the one that is enrolled anew from the statistics.
            for row in SpeakerRow.read(file):
                statistics = self._statistics(file, row)
                wanted = self.system.backend.enroll(statistics, name=row.name)
                found = self._scorers.of_rows(file, [row]).terms(0)
                if not all(
                    np.allclose(one, other, rtol=1e-3, atol=1e-3)
                    for one, other in zip(found, wanted, strict=True)
                ):
                    raise file.damaged(f"the model of {row.name!r} is not that of its recordings")

    def _statistics(self, file: StoreFile, row: SpeakerRow) -> list[MixtureStatistics]:
        read = enrolment_sessions.read_statistics(file, row, self.background)
        return [each for _, each in read]

    def _adapted_model(self, file: StoreFile, row: SpeakerRow) -> enrolment.SpeakerModel:
        statistics = self._statistics(file, row)
        return enrolment.adapt_speaker(self.background, statistics, self.adaptation, name=row.name)

    def _measured(self, file: StoreFile, rows: Sequence[SpeakerRow]) -> list[EnrolledMeasures]:
        """Return what a calibration needs to know of some speakers; empty measures without one."""
        calibration = self.system.calibration
        if calibration is None or not calibration.measure_names:
            return [EnrolledMeasures({}, np.empty(0))] * len(rows)
        found = []
        for row in rows:
            read = enrolment_sessions.read_statistics(file, row, self.background)
            measures = enrolment_measures(parsed_json(session.measures) for session, _ in read)
            found.append(EnrolledMeasures(measures, mean_of_statistics([each for _, each in read])))
        return found

    def _measures(self, scored: ScoredSpeech, enrolled: EnrolledMeasures) -> dict[str, float]:
        """Return the measures of a trial; none if the system does not need them."""
        if not len(enrolled.mean):
            return {}
        return measures_of_trial(scored.quality(), enrolled.measures, scored.speech, enrolled.mean)

    def _score(
        self,
        scorer: NormalisedScorer,
        paths: Sequence[Path | GivenSamples],
        top_c: int | None,
        feature_store: FeatureStore | AnyPath | None,
    ) -> ScoredSpeech:
        """Score recordings of one person together."""
        store = opened_store(feature_store, self.background.features)
        utterances = whole_recordings(paths, store)
        stream = self.background.speech([recording_of(each) for each in utterances])
        speech = MeasuredSpeech(stream, self.background.mixture)
        calibration = self.system.calibration
        measured = calibration is not None and bool(calibration.measure_names)
        scores, occupancy = scorer.score_blocks(speech if measured else stream, top_c=top_c)
        stream.check()
        return ScoredSpeech(
            scores, occupancy, stream.speech_seconds, speech, utterances, self.background.features
        )


def describe_store(system: SpeakerSystem) -> dict[str, bytes | str]:
    """Return the rows of the table "meta" of a new store: system and provenance."""
    packed = pack(system)
    return {
        "system": packed,
        "system_sha256": hashlib.sha256(packed).hexdigest(),
        "created": utc_now(),
        "software": json.dumps(software_versions()),
    }


def speaker_name(speaker: str) -> str:
    """Return the checked name of a speaker who is given before recordings.

    Raises
    ------
    InvalidInputError
        If the name is not allowed, or is a recording: the arguments were exchanged.
    """
    if isinstance(speaker, str) and has_audio_suffix(speaker) and os.path.lexists(speaker):
        raise InvalidInputError(f"the speaker comes before the recording {quoted(speaker)}")
    return check_speaker_name(speaker)
