"""Recordings in a store: collecting their statistics, and rows of the database."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speakergmm.corpora.same_audio import hash_audio
from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.parallel import parallel_map
from speakergmm.serialization import pack_arrays, unpack_arrays
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.enrolment import collect_statistics
from speakergmm.speakers.provenance import software_versions, utc_now

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
    """Collect the statistics of recordings; the first bad one is refused."""
    return list(parallel_map(_CollectSession(background, second_order), paths, n_jobs=n_jobs))


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
    for number, packed, audio_sha256 in connection.execute(
        "SELECT id, statistics, audio_sha256 FROM sessions WHERE speaker_id = ? ORDER BY id",
        (speaker_id,),
    ):
        source = f"{path}: recording {number} of {speaker!r}"
        if not isinstance(packed, bytes):
            raise ModelFormatError(f"{source}: damaged store (its statistics are no blob)")
        arrays, metadata = unpack_arrays(packed, kind=STATISTICS_KIND, source=source)
        expected = {
            "speaker": speaker,
            "background": background.digest,
            "audio_sha256": audio_sha256,
        }
        if metadata != expected:
            raise ModelFormatError(f"{source}: damaged store (its statistics belong elsewhere)")
        try:
            statistics = MixtureStatistics.from_arrays(arrays)
        except InvalidInputError as error:
            raise ModelFormatError(f"{source}: damaged store ({error})") from None
        if statistics.first_order.shape != background.mixture.means.shape:
            raise ModelFormatError(f"{source}: damaged store (its statistics have another shape)")
        found.append(statistics)
    return found


@dataclass(frozen=True, slots=True)
class _CollectSession:
    background: BackgroundModel
    second_order: bool

    def __call__(self, path: Path) -> Session:
        collected = collect_statistics(self.background, path, second_order=self.second_order)
        return Session(
            path.name,
            hash_audio(path),
            collected.statistics,
            collected.seconds,
            collected.speech_seconds,
        )
