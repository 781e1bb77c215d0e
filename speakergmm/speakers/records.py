"""The rows of a store: speakers, their recordings, and the enrolment log.

Every function takes an open connection; the caller holds the transaction. SQLite stores what it is
given, whatever the type of the column, so what is read is checked, and compared with its digest.
"""

import difflib
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from speakergmm.corpora.names import comparison_key
from speakergmm.errors import StoreError, UnknownSpeakerError
from speakergmm.provenance import utc_now
from speakergmm.speakers.integrity import (
    TABLES,
    Ledger,
    check_row,
    next_number,
    rewrite_small,
)
from speakergmm.speakers.results import EnrolledSpeaker
from speakergmm.speakers.values import check, is_positive, is_text, is_time, parsed, shown


@dataclass(frozen=True, slots=True)
class SpeakerRow:
    """What the store says about a speaker, without the model; the columns of its table."""

    id: int
    name: str
    folded: str
    created: str
    model_sha256: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the store says about a recording, without its statistics; the columns of its table."""

    id: int
    speaker_id: int
    file_name: str
    audio_sha256: str
    seconds: float
    speech_seconds: float
    n_frames: int
    enrolled: str
    software: str
    statistics_sha256: str


_SPEAKERS = ", ".join(f"speakers.{column}" for column in (*TABLES["speakers"], "digest"))
_SESSIONS = ", ".join(f"sessions.{column}" for column in (*TABLES["sessions"], "digest"))
_DIGEST = re.compile("[0-9a-f]{64}")


def read_speakers(
    connection: sqlite3.Connection,
    path: Path,
    *,
    name: str | None = None,
    folded: str | None = None,
    number: int | None = None,
) -> Iterator[SpeakerRow]:
    """Read all speakers' rows, sorted by name, or those of one name, folded name or number.

    Raises
    ------
    ModelFormatError
        If a row is not what was written.
    """
    wanted = {"name": name, "folded": folded, "id": number}
    given = {column: value for column, value in wanted.items() if value is not None}
    where = "".join(f" WHERE {column} = ?" for column in given)
    for *columns, digest in connection.execute(
        f"SELECT {_SPEAKERS} FROM speakers{where} ORDER BY name", tuple(given.values())
    ):
        row = SpeakerRow(*columns)
        check(is_text(row.name), path, f"{shown(row.name)} for a speaker's name")
        check_row("speakers", columns, digest, path)
        yield row


def read_sessions(
    connection: sqlite3.Connection, path: Path, *, speaker: SpeakerRow | None = None
) -> Iterator[tuple[str, SessionRow]]:
    """Read all recordings' rows, or one speaker's, by speaker's name and in order of enrolment.

    Yields
    ------
    name : str
    row : SessionRow

    Raises
    ------
    ModelFormatError
        If a value is of a wrong type or out of range, a row is not what was written, or a speaker
        has no recording.
    """
    names = {
        row.id: row.name for row in ([speaker] if speaker else read_speakers(connection, path))
    }
    found: dict[int, list[tuple[SessionRow, Any]]] = {number: [] for number in names}
    where, values = ("", ()) if speaker is None else ("WHERE speaker_id = ?", (speaker.id,))
    for *columns, digest in connection.execute(
        f"SELECT {_SESSIONS} FROM sessions {where} ORDER BY id", values
    ):
        row = SessionRow(*columns)
        check(row.speaker_id in names, path, f"recording {shown(row.id)} is nobody's")
        _check_session(row, names[row.speaker_id], path)
        found[row.speaker_id].append((row, digest))
    for number, name in names.items():
        check(bool(found[number]), path, f"no recording of {name!r}")
        for row, digest in found[number]:
            check_row("sessions", astuple(row), digest, path)
            yield name, row


def _check_session(row: SessionRow, speaker: str, path: Path) -> None:
    for name, valid in (
        ("file_name", is_text(row.file_name)),
        (
            "audio_sha256",
            isinstance(row.audio_sha256, str) and bool(_DIGEST.fullmatch(row.audio_sha256)),
        ),
        ("seconds", is_positive(row.seconds)),
        (
            "speech_seconds",
            # Both are sums of frame shifts, rounded.
            is_positive(row.speech_seconds)
            and (not is_positive(row.seconds) or row.speech_seconds <= row.seconds + 1e-3),
        ),
        ("n_frames", isinstance(row.n_frames, int) and row.n_frames > 0),
        ("enrolled", is_time(row.enrolled)),
        ("software", is_text(row.software)),
    ):
        found = shown(getattr(row, name))
        check(valid, path, f"{found} for {name} of a recording of {speaker!r}")


def find_speaker(connection: sqlite3.Connection, name: str, path: Path) -> SpeakerRow:
    """Return a speaker's row.

    Raises
    ------
    UnknownSpeakerError
        If there is no such speaker; names one that is spelled alike, if there is one.
    """
    for row in read_speakers(connection, path, name=name):
        return row
    known = [row[0] for row in connection.execute("SELECT name FROM speakers ORDER BY name")]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it holds {len(known)} speakers"
    raise UnknownSpeakerError(f"{path}: no speaker {name!r}; {hint}")


def write_speaker(
    connection: sqlite3.Connection,
    ledger: Ledger,
    number: int,
    name: str,
    created: str,
    model_sha256: str,
) -> None:
    """Write a speaker's row, in place of the one of the same number if there is one."""
    row = SpeakerRow(number, name, comparison_key(name), created, model_sha256)
    ledger.insert(connection, "speakers", astuple(row))


def note_alike(connection: sqlite3.Connection, name: str, path: Path) -> list[str]:
    """Say which other speakers' names are spelled nearly the same."""
    return [
        f"{name!r} is new; {row.name!r}, spelled nearly the same, is another speaker"
        for row in read_speakers(connection, path, folded=comparison_key(name))
        if row.name != name
    ]


def delete_speaker(connection: sqlite3.Connection, ledger: Ledger, speaker: SpeakerRow) -> None:
    """Delete a speaker and everything that names the speaker, and overwrite it in the file."""
    query = "SELECT id FROM sessions WHERE speaker_id = ?"
    for (number,) in connection.execute(query, (speaker.id,)).fetchall():
        ledger.delete(connection, "sessions", number)
        connection.execute("DELETE FROM statistics WHERE id = ?", (number,))
    ledger.delete(connection, "speakers", speaker.id)
    connection.execute("DELETE FROM models WHERE id = ?", (speaker.id,))
    query = "SELECT id FROM log WHERE speaker = ?"
    for (number,) in connection.execute(query, (speaker.name,)).fetchall():
        ledger.delete(connection, "log", number)
    rewrite_small(connection)


def note_same_audio(
    connection: sqlite3.Connection, name: str, wav: Path, audio_sha256: str, path: Path
) -> list[str]:
    """Say for whom else a recording is enrolled.

    Raises
    ------
    StoreError
        If it is enrolled for this very speaker.
    """
    notes = []
    for *columns, digest in connection.execute(
        f"SELECT {_SESSIONS} FROM sessions WHERE audio_sha256 = ? ORDER BY id", (audio_sha256,)
    ).fetchall():
        row = SessionRow(*columns)
        check_row("sessions", columns, digest, path)
        for other in read_speakers(connection, path, number=row.speaker_id):
            if other.name == name:
                raise StoreError(
                    f"{wav}: the same audio is already enrolled for {name!r} ({row.file_name}, "
                    f"{row.enrolled}); nothing was stored"
                )
            notes.append(f"{wav.name}: the same audio is enrolled for {other.name!r} too")
    return notes


def list_speakers(connection: sqlite3.Connection, path: Path) -> tuple[EnrolledSpeaker, ...]:
    """Return all speakers, sorted by name."""
    found: dict[str, list[SessionRow]] = {}
    for name, row in read_sessions(connection, path):
        found.setdefault(name, []).append(row)
    return tuple(
        EnrolledSpeaker(
            name,
            len(rows),
            sum(row.speech_seconds for row in rows),
            min(row.enrolled for row in rows),
            max(row.enrolled for row in rows),
            tuple(row.file_name for row in rows),
        )
        for name, rows in found.items()
    )


def write_log(
    connection: sqlite3.Connection,
    ledger: Ledger,
    action: str,
    speaker: str | None,
    detail: dict[str, Any],
) -> None:
    """Add an entry to the log."""
    number = next_number(connection, "log")
    values = (number, utc_now(), action, speaker, json.dumps(detail, sort_keys=True))
    ledger.insert(connection, "log", values)


def list_log(connection: sqlite3.Connection, path: Path) -> tuple[dict[str, Any], ...]:
    """Return the log, oldest entry first.

    Raises
    ------
    ModelFormatError
        If a value is of a wrong type.
    """
    entries = []
    for *columns, digest in connection.execute(
        "SELECT id, at, action, speaker, detail, digest FROM log ORDER BY id"
    ):
        _, at, action, name, detail = columns
        document = parsed(detail)
        for column, value, valid in (
            ("at", at, is_time(at)),
            ("action", action, action in ("enroll", "remove")),
            ("speaker", name, name is None or is_text(name)),
            ("detail", detail, isinstance(document, dict)),
        ):
            check(valid, path, f"{shown(value)} for {column} of an entry in the log")
        check_row("log", columns, digest, path)
        entries.append({"at": at, "action": action, "speaker": name, "detail": document})
    return tuple(entries)
