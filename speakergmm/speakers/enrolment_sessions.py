"""Enrolment sessions: statistics of recordings, collected, written to a store, and read back."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import ClassVar

from speakergmm.corpora import Utterance, comparison_key
from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import StoreError
from speakergmm.features import FeatureStore
from speakergmm.mixtures import MixtureStatistics
from speakergmm.provenance import software_versions, utc_now
from speakergmm.records import pack, unpack
from speakergmm.run_context import RunContext
from speakergmm.speakers import enrolment, store_queries
from speakergmm.speakers.backends import pack_terms
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.cohort_scores import check_cohort
from speakergmm.speakers.extraction import recording_of, whole_recordings
from speakergmm.speakers.integrity import Ledger, next_number, read_large, write_large
from speakergmm.speakers.recording_arguments import GivenSamples, audio_identity, sound_of
from speakergmm.speakers.store_results import EnrolledRecording, EnrolmentReport
from speakergmm.speakers.store_schema import SessionRow, SpeakerRow
from speakergmm.speakers.system import SpeakerSystem
from speakergmm.speakers.trial_measures import recording_measures
from speakergmm.speakers.values import StoreFile


@dataclass(frozen=True, slots=True)
class StoredStatistics:
    """The statistics of a recording as a store keeps them.

    They carry the names of what they belong to, so that a damaged row cannot pass for another one.

    Parameters
    ----------
    statistics : MixtureStatistics
    speaker : str
        Name of the speaker.
    background : str
        Digest of the background model.
    audio_sha256 : str
        SHA-256 of the decoded samples.
    """

    file_kind: ClassVar[str] = "speaker statistics"

    statistics: MixtureStatistics
    speaker: str
    background: str
    audio_sha256: str


@dataclass(frozen=True, slots=True)
class EnrolmentSession(enrolment.SessionStatistics):
    """The statistics of one recording of a speaker, and the identity of the recording.

    Parameters
    ----------
    statistics, seconds, speech_seconds, n_frames, measures
        As in `SessionStatistics`.
    path : Path
        The recording.
    audio_sha256 : str
        SHA-256 of the decoded samples, by which the same audio is recognised in another file
        format.
    """

    path: Path = field(kw_only=True)
    audio_sha256: str = field(kw_only=True)

    @property
    def file_name(self) -> str:
        """Name of the recording without folders, as a store keeps it."""
        return os.fsencode(self.path.name).decode("utf-8", "backslashreplace")


def collect_sessions(
    background: BackgroundModel,
    paths: Sequence[Path | GivenSamples],
    *,
    second_order: bool = False,
    apart: bool = False,
    store: FeatureStore | None = None,
    engine: Engine = ONE_WORKER,
    run: RunContext | None = None,
) -> list[EnrolmentSession]:
    """Collect the statistics of recordings, all of which must be usable.

    Parameters
    ----------
    background : BackgroundModel
    paths : sequence of Path or GivenSamples
    second_order : bool, default=False
        Collect second-order statistics as well.
    apart : bool, default=False
        Keep the versions of each recording apart; see `Backend.versions_apart`.
    store : FeatureStore, optional
        Features that it has are not extracted again; the recordings are read all the same, to
        recognise the same audio.
    engine : Engine
        Workers that read the recordings.
    run : RunContext, optional
        ``progress`` is used.

    Returns
    -------
    list of EnrolmentSession
        In the order of the paths.

    Raises
    ------
    StoreError
        If two recordings contain the same audio.
    AudioError, InsufficientDataError
        If a recording cannot be read or contains less than 0.1 s of speech.
    """
    collect = CollectSession(background, second_order, apart)
    description = RunContext.checked(run).description("Reading recordings")
    recordings = whole_recordings(paths, store, engine=engine)
    collected = list(engine.map(collect, recordings, description=description))
    first_paths: dict[str, Path] = {}
    for session in collected:
        first = first_paths.setdefault(session.audio_sha256, session.path)
        if first is not session.path:
            raise StoreError(
                f"{session.path}: is the same audio as {first}; give each recording once"
            )
    return collected


def enroll_sessions(
    ledger: Ledger,
    name: str,
    collected: Sequence[EnrolmentSession],
    *,
    system: SpeakerSystem,
) -> EnrolmentReport:
    """Write a speaker's recordings and model to a store, and an entry in the log.

    The caller holds the transaction.

    Parameters
    ----------
    ledger : Ledger
        The store.
    name : str
        Name of the speaker.
    collected : sequence of EnrolmentSession
    system : SpeakerSystem
        The system of the store.

    Returns
    -------
    EnrolmentReport

    Raises
    ------
    StoreError
        If the same audio is already enrolled for the speaker.
    InvalidInputError
        If the speaker is in the cohort of the system.
    """
    file, background = ledger.file, system.background
    if system.normalisation.normalisation != "none" and system.cohort is not None:
        check_cohort(system.cohort.speakers, [name])
    # The speaker as stored so far, or a new row.
    known = next(SpeakerRow.read(file, name=name), None)
    notes = store_queries.note_alike(file, name) if known is None else []
    stored = [] if known is None else read_statistics(file, known, background)
    number = next_number(file, "speakers") if known is None else known.id
    created = utc_now() if known is None else known.created

    # The new recordings, each of which must not have been enrolled for the speaker before.
    for session in collected:
        notes += store_queries.note_same_audio(file, name, session.path, session.audio_sha256)
        _insert_session(ledger, number, name, background, session)

    # The model is made of all recordings in the order of their enrolment, so that it does not
    # depend on the number of sessions; the store keeps the terms of its scores.
    statistics = [each for _, each in stored] + [session.statistics for session in collected]
    packed = pack_terms(system.backend.enroll(statistics, name=name))
    sha256 = write_large(file, "models", number, packed)
    ledger.insert(SpeakerRow(number, name, comparison_key(name), created, sha256))

    detail = {
        "recordings": len(collected),
        "speech_seconds": round(sum(session.speech_seconds for session in collected), 3),
        "software": software_versions()["speakergmm"],
    }
    store_queries.write_log(ledger, "enroll", name, detail)
    return EnrolmentReport(
        name,
        known is None,
        tuple(
            EnrolledRecording(s.file_name, s.seconds, s.speech_seconds, s.n_frames)
            for s in collected
        ),
        len(statistics),
        sum([row.speech_seconds for row, _ in stored] + [s.speech_seconds for s in collected]),
        tuple(notes),
    )


def _insert_session(
    ledger: Ledger,
    speaker_id: int,
    speaker: str,
    background: BackgroundModel,
    session: EnrolmentSession,
) -> None:
    packed = pack(
        StoredStatistics(session.statistics, speaker, background.digest, session.audio_sha256)
    )
    number = next_number(ledger.file, "sessions")
    row = SessionRow(
        number,
        speaker_id,
        session.file_name,
        session.audio_sha256,
        session.seconds,
        session.speech_seconds,
        session.n_frames,
        utc_now(),
        software_versions()["speakergmm"],
        write_large(ledger.file, "statistics", number, packed),
        json.dumps(
            {name: v for name, v in session.measures.items() if isfinite(v)}, sort_keys=True
        ),
    )
    ledger.insert(row)


def read_statistics(
    file: StoreFile, speaker: SpeakerRow, background: BackgroundModel
) -> list[tuple[SessionRow, MixtureStatistics]]:
    """Read and check the statistics of a speaker's recordings, in the order of enrolment.

    Raises
    ------
    ModelFormatError
        If a row is damaged, or belongs to another speaker or background model.
    """
    found = []
    for row in store_queries.read_sessions(file, [speaker])[speaker.name]:
        recording = f"recording {row.id} of {speaker.name!r}"
        what = f"the statistics of {recording}"
        packed = read_large(file, "statistics", row.id, row.statistics_sha256, what)
        stored = unpack(StoredStatistics, bytes(packed), source=f"{file.path}: {recording}")
        statistics, n_frames = stored.statistics, row.n_frames
        # The statistics must belong to this recording, speaker and background model ...
        names = (stored.speaker, stored.background, stored.audio_sha256)
        expected = (speaker.name, background.digest, row.audio_sha256)
        file.check(names == expected, f"{what} belong to another recording")
        # ... and agree with the shape of the model and with the numbers in the row.
        n_components, n_features = background.mixture.means.shape
        shapes = {(n_components * n, n_features) for n in (1, background.n_versions)}
        file.check(statistics.first_order.shape in shapes, f"{what} have another shape")
        most = n_frames * background.n_versions * (1 + 1e-6)
        counts = f"{what} are of {statistics.n_frames:g} frames, not of {n_frames} or fewer"
        file.check(0 < statistics.n_frames <= most, counts)
        seconds = background.features.grid(n_frames).duration
        times = f"{n_frames} frames of {recording} are {seconds:g} s, not {row.speech_seconds:g} s"
        file.check(abs(row.speech_seconds - seconds) <= 1e-6 * seconds, times)
        found.append((row, statistics))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class CollectSession:
    """Statistics and identity of a recording; can be sent to worker processes."""

    background: BackgroundModel
    second_order: bool
    apart: bool

    def __call__(self, utterance: Utterance) -> EnrolmentSession:
        """Return the session of one recording."""
        found = enrolment.collect_statistics(
            self.background,
            recording_of(utterance),
            second_order=self.second_order,
            apart=self.apart,
        )
        audio, rate = sound_of(utterance)
        return EnrolmentSession(
            found.statistics,
            found.seconds,
            found.speech_seconds,
            found.n_frames,
            recording_measures(audio, self.background.features, **rate),
            path=utterance.path,
            audio_sha256=audio_identity(utterance),
        )
