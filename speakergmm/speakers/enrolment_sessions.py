"""Recordings in a store: collecting their statistics, and rows of the database."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from speakergmm.corpora import hash_audio
from speakergmm.corpora.names import comparison_key
from speakergmm.errors import StoreError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.parallel import parallel_map
from speakergmm.provenance import software_versions, utc_now
from speakergmm.records import pack, unpack
from speakergmm.speakers import enrolment, store_queries
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.integrity import Ledger, next_number, read_large, write_large
from speakergmm.speakers.ratios import pack_ratio, ratio_terms
from speakergmm.speakers.store_results import EnrolledRecording, EnrolmentReport
from speakergmm.speakers.store_schema import SessionRow, SpeakerRow
from speakergmm.speakers.values import StoreFile


@dataclass(frozen=True, slots=True)
class StoredStatistics:
    """The statistics of a recording, and whose they are: a damaged row can't pass for another's."""

    file_kind: ClassVar[str] = "speaker statistics"

    statistics: MixtureStatistics
    speaker: str
    background: str
    audio_sha256: str


@dataclass(frozen=True, slots=True)
class EnrolmentSession(enrolment.SessionStatistics):
    """What one recording says about its speaker, and which recording it is.

    Parameters
    ----------
    statistics, seconds, speech_seconds
        As `SessionStatistics` has them.
    path : Path
        Where it was read.
    audio_sha256 : str
        Of the decoded samples, so that the same audio in another file format is recognised.
    """

    path: Path
    audio_sha256: str

    @property
    def file_name(self) -> str:
        """Its name without folders, as a store keeps it."""
        return os.fsencode(self.path.name).decode("utf-8", "backslashreplace")


def collect_sessions(
    background: BackgroundModel,
    paths: Sequence[Path],
    *,
    second_order: bool = False,
    n_jobs: int = 1,
    progress: bool = False,
) -> list[EnrolmentSession]:
    """Collect the statistics of recordings; the first bad one is refused.

    Raises
    ------
    StoreError
        If two are the same audio.
    """
    collect = partial(_collect_session, background, second_order)
    description = "recordings" if progress else None
    collected = list(parallel_map(collect, paths, n_jobs=n_jobs, description=description))
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
    background: BackgroundModel,
    settings: enrolment.AdaptationOptions,
) -> EnrolmentReport:
    """Write a speaker's recordings and model, and an entry in the log.

    The caller holds the transaction.

    Raises
    ------
    StoreError
        If the same audio is enrolled for the speaker already.
    """
    file = ledger.file
    known = next(SpeakerRow.read(file, name=name), None)
    notes = store_queries.note_alike(file, name) if known is None else []
    stored = [] if known is None else read_statistics(file, known, background)
    number = next_number(file, "speakers") if known is None else known.id
    created = utc_now() if known is None else known.created
    for session in collected:
        notes += store_queries.note_same_audio(file, name, session.path, session.audio_sha256)
        _insert_session(ledger, number, name, background, session)
    statistics = [each for _, each in stored] + [session.statistics for session in collected]
    model = enrolment.adapt_speaker(background, statistics, name=name, settings=settings)
    packed = pack_ratio(*ratio_terms(background.mixture, model.mixture, settings.parameters))
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
    )
    ledger.insert(row)


def read_statistics(
    file: StoreFile, speaker: SpeakerRow, background: BackgroundModel
) -> list[tuple[SessionRow, MixtureStatistics]]:
    """Read and check a speaker's recordings, in the order of enrolment.

    Raises
    ------
    ModelFormatError
        If a row is damaged, or is of another speaker or background model.
    """
    found = []
    for row in store_queries.read_sessions(file, speaker=speaker)[speaker.name]:
        called = f"recording {row.id} of {speaker.name!r}"
        what = f"the statistics of {called}"
        packed = read_large(file, "statistics", row.id, row.statistics_sha256, what)
        held = unpack(StoredStatistics, bytes(packed), source=f"{file.path}: {called}")
        statistics, n_frames = held.statistics, row.n_frames
        whose = (held.speaker, held.background, held.audio_sha256)
        expected = (speaker.name, background.digest, row.audio_sha256)
        file.check(whose == expected, f"{what} belong elsewhere")
        same_shape = statistics.first_order.shape == background.mixture.means.shape
        file.check(same_shape, f"{what} have another shape")
        counted = f"{what} are of {statistics.n_frames:g} frames, not {n_frames}"
        file.check(n_frames == round(statistics.n_frames), counted)
        seconds = background.features.grid(n_frames).duration
        measured = f"{n_frames} frames of {called} are {seconds:g} s, not {row.speech_seconds:g} s"
        file.check(abs(row.speech_seconds - seconds) <= 1e-6 * seconds, measured)
        found.append((row, statistics))
    return found


def _collect_session(
    background: BackgroundModel, second_order: bool, path: Path
) -> EnrolmentSession:
    found = enrolment.collect_statistics(background, path, second_order=second_order)
    return EnrolmentSession(
        found.statistics, found.seconds, found.speech_seconds, path, hash_audio(path)
    )
