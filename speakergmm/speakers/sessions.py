"""Recordings in a store: collecting their statistics, and rows of the database."""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speakergmm.corpora.same_audio import hash_audio
from speakergmm.errors import InvalidInputError, ModelFormatError, StoreError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.parallel import parallel_map
from speakergmm.provenance import software_versions, utc_now
from speakergmm.serialization import pack_arrays, unpack_arrays
from speakergmm.speakers import records
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.enrolment import collect_statistics
from speakergmm.speakers.results import EnrolledRecording, EnrolmentReport

STATISTICS_KIND = "speaker statistics"


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
) -> list[Session]:
    """Collect the statistics of recordings; the first bad one is refused.

    Raises
    ------
    StoreError
        If two are the same audio.
    """
    collect = _CollectSession(background, second_order)
    collected = list(parallel_map(collect, paths, n_jobs=n_jobs))
    first_paths: dict[str, Path] = {}
    for path, session in zip(paths, collected, strict=True):
        first = first_paths.setdefault(session.audio_sha256, path)
        if first is not path:
            raise StoreError(f"{path}: is the same audio as {first}; give each recording once")
    return collected


def insert_session(
    connection: sqlite3.Connection,
    speaker_id: int,
    speaker: str,
    background_digest: str,
    session: Session,
) -> None:
    """Write one recording's row."""
    # The blob repeats whose it is: a damaged row can't pass for somebody else's.
    metadata = {
        "speaker": speaker,
        "background": background_digest,
        "audio_sha256": session.audio_sha256,
    }
    packed = pack_arrays(session.statistics.to_arrays(), kind=STATISTICS_KIND, metadata=metadata)
    connection.execute(
        "INSERT INTO sessions (speaker_id, statistics, file_name, audio_sha256, seconds,"
        " speech_seconds, n_frames, enrolled, software) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            speaker_id,
            packed,
            session.file_name,
            session.audio_sha256,
            session.seconds,
            session.speech_seconds,
            session.n_frames,
            utc_now(),
            software_versions()["speakergmm"],
        ),
    )


def enroll_sessions(
    connection: sqlite3.Connection,
    name: str,
    paths: Sequence[Path],
    collected: Sequence[Session],
    *,
    background_digest: str,
    path: Path,
) -> EnrolmentReport:
    """Write a speaker's recordings and an entry in the log; the caller holds the transaction.

    Raises
    ------
    StoreError
        If the same audio is enrolled for her already.
    """
    new, notes = records.add_speaker(connection, name, path)
    speaker_id = records.find_speaker(connection, name, path)
    for wav, session in zip(paths, collected, strict=True):
        notes += records.note_same_audio(connection, name, wav, session.audio_sha256)
        insert_session(connection, speaker_id, name, background_digest, session)
    detail = {
        "recordings": len(collected),
        "speech_seconds": round(sum(session.speech_seconds for session in collected), 3),
        "software": software_versions()["speakergmm"],
    }
    records.write_log(connection, "enroll", name, detail)
    count, seconds = records.total_of(connection, speaker_id, path)
    recordings = tuple(
        EnrolledRecording(s.file_name, s.seconds, s.speech_seconds, s.n_frames) for s in collected
    )
    return EnrolmentReport(name, new, recordings, count, seconds, tuple(notes))


def read_sessions(
    connection: sqlite3.Connection,
    speaker_id: int,
    speaker: str,
    background: BackgroundModel,
    path: Path,
) -> list[MixtureStatistics]:
    """Read and check the statistics of a speaker's recordings, in the order of enrolment.

    Raises
    ------
    ModelFormatError
        If a row is damaged, or is of another speaker or background model.
    """
    found = []
    for row in records.read_rows(connection, path, speaker_id=speaker_id):
        source = f"{path}: recording {row.id} of {speaker!r}"
        packed = connection.execute(
            "SELECT statistics FROM sessions WHERE id = ?", (row.id,)
        ).fetchone()[0]
        if not isinstance(packed, bytes):
            raise ModelFormatError(f"{source}: damaged store (its statistics are no blob)")
        arrays, metadata = unpack_arrays(packed, kind=STATISTICS_KIND, source=source)
        expected = {
            "speaker": speaker,
            "background": background.digest,
            "audio_sha256": row.audio_sha256,
        }
        if metadata != expected:
            raise ModelFormatError(f"{source}: damaged store (its statistics belong elsewhere)")
        try:
            statistics = MixtureStatistics.from_arrays(arrays)
        except InvalidInputError as error:
            raise ModelFormatError(f"{source}: damaged store ({error})") from None
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
        found.append(statistics)
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
