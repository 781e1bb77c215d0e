"""Recordings in a store: collecting their statistics, and rows of the database."""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from speakergmm.corpora.same_audio import hash_audio
from speakergmm.errors import ModelFormatError, StoreError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.parallel import parallel_map
from speakergmm.provenance import software_versions, utc_now
from speakergmm.records import pack, unpack
from speakergmm.speakers import records
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.enrolment import AdaptationSettings, adapt_speaker, collect_statistics
from speakergmm.speakers.integrity import Ledger, check_large, next_number, write_large
from speakergmm.speakers.ratios import pack_ratio, ratio_terms
from speakergmm.speakers.results import EnrolledRecording, EnrolmentReport


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """The statistics of a recording, and whose they are: a damaged row can't pass for another's."""

    file_kind: ClassVar[str] = "speaker statistics"

    statistics: MixtureStatistics
    speaker: str
    background: str
    audio_sha256: str


@dataclass(frozen=True, slots=True)
class Session:
    """One recording, as a store keeps it.

    Parameters
    ----------
    file_name : str
        Its name without folders.
    audio_sha256 : str
        Of the decoded samples, so that the same audio in another file format is recognised.
    statistics : MixtureStatistics
    seconds, speech_seconds : float
    """

    file_name: str
    audio_sha256: str
    statistics: MixtureStatistics
    seconds: float
    speech_seconds: float

    @property
    def n_frames(self) -> int:
        """Number of frames of speech."""
        return round(self.statistics.n_frames)


def collect_sessions(
    background: BackgroundModel,
    paths: Sequence[Path],
    *,
    second_order: bool = False,
    n_jobs: int = 1,
    progress: bool = False,
) -> list[Session]:
    """Collect the statistics of recordings; the first bad one is refused.

    Raises
    ------
    StoreError
        If two are the same audio.
    """
    collect = _CollectSession(background, second_order)
    description = "recordings" if progress else None
    collected = list(parallel_map(collect, paths, n_jobs=n_jobs, description=description))
    first_paths: dict[str, Path] = {}
    for path, session in zip(paths, collected, strict=True):
        first = first_paths.setdefault(session.audio_sha256, path)
        if first is not path:
            raise StoreError(f"{path}: is the same audio as {first}; give each recording once")
    return collected


def enroll_sessions(
    connection: sqlite3.Connection,
    ledger: Ledger,
    name: str,
    paths: Sequence[Path],
    collected: Sequence[Session],
    *,
    background: BackgroundModel,
    settings: AdaptationSettings,
    path: Path,
) -> EnrolmentReport:
    """Write a speaker's recordings and model, and an entry in the log.

    The caller holds the transaction.

    Raises
    ------
    StoreError
        If the same audio is enrolled for the speaker already.
    """
    notes: list[str] = []
    known = next(records.read_speakers(connection, path, name=name), None)
    if known is None:
        notes += records.note_alike(connection, name, path)
        number, created = next_number(connection, "speakers"), utc_now()
        stored: list[tuple[records.SessionRow, MixtureStatistics]] = []
    else:
        number, created = known.id, known.created
        stored = read_statistics(connection, known, background, path)
    for wav, session in zip(paths, collected, strict=True):
        notes += records.note_same_audio(connection, name, wav, session.audio_sha256, path)
        _insert_session(connection, ledger, number, name, background, session)
    statistics = [each for _, each in stored] + [session.statistics for session in collected]
    model = adapt_speaker(background, statistics, name=name, settings=settings)
    packed = pack_ratio(*ratio_terms(background.mixture, model.mixture, settings.parameters))
    records.write_speaker(
        connection, ledger, number, name, created, write_large(connection, "models", number, packed)
    )
    detail = {
        "recordings": len(collected),
        "speech_seconds": round(sum(session.speech_seconds for session in collected), 3),
        "software": software_versions()["speakergmm"],
    }
    records.write_log(connection, ledger, "enroll", name, detail)
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
    connection: sqlite3.Connection,
    ledger: Ledger,
    speaker_id: int,
    speaker: str,
    background: BackgroundModel,
    session: Session,
) -> None:
    packed = pack(
        SessionStatistics(session.statistics, speaker, background.digest, session.audio_sha256)
    )
    number = next_number(connection, "sessions")
    values = (
        number,
        speaker_id,
        session.file_name,
        session.audio_sha256,
        session.seconds,
        session.speech_seconds,
        session.n_frames,
        utc_now(),
        software_versions()["speakergmm"],
        write_large(connection, "statistics", number, packed),
    )
    ledger.insert(connection, "sessions", values)


def read_statistics(
    connection: sqlite3.Connection,
    speaker: records.SpeakerRow,
    background: BackgroundModel,
    path: Path,
) -> list[tuple[records.SessionRow, MixtureStatistics]]:
    """Read and check a speaker's recordings, in the order of enrolment.

    Raises
    ------
    ModelFormatError
        If a row is damaged, or is of another speaker or background model.
    """
    found = []
    for _, row in records.read_sessions(connection, path, speaker=speaker):
        source = f"{path}: recording {row.id} of {speaker.name!r}"
        blob = connection.execute(
            "SELECT packed FROM statistics WHERE id = ?", (row.id,)
        ).fetchone()
        what = f"the statistics of recording {row.id} of {speaker.name!r}"
        packed = check_large(blob and blob[0], row.statistics_sha256, path, what)
        stored = unpack(SessionStatistics, bytes(packed), source=source)
        whose = (stored.speaker, stored.background, stored.audio_sha256)
        if whose != (speaker.name, background.digest, row.audio_sha256):
            raise ModelFormatError(f"{source}: damaged store (its statistics belong elsewhere)")
        statistics = stored.statistics
        if statistics.first_order.shape != background.mixture.means.shape:
            raise ModelFormatError(f"{source}: damaged store (its statistics have another shape)")
        if row.n_frames != round(statistics.n_frames):
            raise ModelFormatError(
                f"{source}: damaged store (its statistics are of {statistics.n_frames:g} frames, "
                f"not {row.n_frames})"
            )
        features = background.features
        expected_seconds = row.n_frames * features.shift_samples / features.sample_rate
        if abs(row.speech_seconds - expected_seconds) > 1e-6 * expected_seconds:
            raise ModelFormatError(
                f"{source}: damaged store ({row.n_frames} frames are {expected_seconds:g} s of "
                f"speech, not {row.speech_seconds:g} s)"
            )
        found.append((row, statistics))
    return found


@dataclass(frozen=True, slots=True)
class _CollectSession:
    background: BackgroundModel
    second_order: bool

    def __call__(self, path: Path) -> Session:
        collected = collect_statistics(self.background, path, second_order=self.second_order)
        return Session(
            os.fsencode(path.name).decode("utf-8", "backslashreplace"),
            hash_audio(path),
            collected.statistics,
            collected.seconds,
            collected.speech_seconds,
        )
