"""The rows of a store: speakers, the enrolment log, and the count of changes.

Every function takes an open connection; the caller holds the transaction. SQLite stores what it is
given, whatever the type of the column, so whatever is read is checked.
"""

import difflib
import json
import math
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from speakergmm.corpora.names import comparison_key
from speakergmm.errors import ModelFormatError, StoreError, UnknownSpeakerError
from speakergmm.provenance import utc_now
from speakergmm.speakers.results import EnrolledSpeaker


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the store says about a recording, without its statistics; checked."""

    id: int
    speaker: str
    file_name: str
    audio_sha256: str
    seconds: float
    speech_seconds: float
    n_frames: int
    enrolled: str
    software: str


_DIGEST = re.compile("[0-9a-f]{64}")


def names_of(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Return the speakers' names, sorted.

    Raises
    ------
    ModelFormatError
        If one is no name.
    """
    names = [row[0] for row in connection.execute("SELECT name FROM speakers ORDER BY name")]
    for name in names:
        _check(_is_text(name), path, f"{_shown(name)} for a speaker's name")
    return names


def read_rows(
    connection: sqlite3.Connection, path: Path, *, speaker_id: int | None = None
) -> Iterator[SessionRow]:
    """Read all recordings' rows, or one speaker's, by speaker's name and in order of enrolment.

    Raises
    ------
    ModelFormatError
        If a value is of a wrong type or out of range, or a speaker has no recording.
    """
    rows = connection.execute(
        "SELECT sessions.id, name, file_name, audio_sha256, seconds, speech_seconds, n_frames,"
        " enrolled, software FROM speakers LEFT JOIN sessions ON speaker_id = speakers.id"
        " WHERE ?1 IS NULL OR speakers.id = ?1 ORDER BY name, sessions.id",
        (speaker_id,),
    )
    for values in rows:
        row = SessionRow(*values)
        _check(_is_text(row.speaker), path, f"{_shown(row.speaker)} for a speaker's name")
        _check(row.id is not None, path, f"no recording of {row.speaker!r}")
        for name, valid in (
            ("file_name", _is_text(row.file_name)),
            (
                "audio_sha256",
                isinstance(row.audio_sha256, str) and bool(_DIGEST.fullmatch(row.audio_sha256)),
            ),
            ("seconds", _is_positive(row.seconds)),
            (
                "speech_seconds",
                # Both are sums of frame shifts, rounded.
                _is_positive(row.speech_seconds)
                and (not _is_positive(row.seconds) or row.speech_seconds <= row.seconds + 1e-3),
            ),
            ("n_frames", isinstance(row.n_frames, int) and row.n_frames > 0),
            ("enrolled", _is_time(row.enrolled)),
            ("software", _is_text(row.software)),
        ):
            found = _shown(getattr(row, name))
            _check(valid, path, f"{found} for {name} of a recording of {row.speaker!r}")
        yield row


def find_speaker(connection: sqlite3.Connection, name: str, path: Path) -> int:
    """Return a speaker's number.

    Raises
    ------
    UnknownSpeakerError
        If there is no such speaker; names one that is spelled alike, if there is one.
    """
    row = connection.execute("SELECT id FROM speakers WHERE name = ?", (name,)).fetchone()
    if row is None:
        known = names_of(connection, path)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it holds {len(known)} speakers"
        raise UnknownSpeakerError(f"{path}: no speaker {name!r}; {hint}")
    if not isinstance(row[0], int):
        raise ModelFormatError(f"{path}: damaged store (speaker {name!r} has no number)")
    return row[0]


def add_speaker(connection: sqlite3.Connection, name: str, path: Path) -> tuple[bool, list[str]]:
    """Make sure that a speaker is there; say whether she is new, and whose name is alike."""
    known = names_of(connection, path)
    if name in known:
        return False, []
    connection.execute("INSERT INTO speakers (name, created) VALUES (?, ?)", (name, utc_now()))
    key = comparison_key(name)
    return True, [
        f"{name!r} is new; {other!r}, spelled nearly the same, is another speaker"
        for other in known
        if comparison_key(other) == key
    ]


def delete_speaker(connection: sqlite3.Connection, name: str, path: Path) -> None:
    """Delete a speaker and everything that names her, and note that bytes must be overwritten."""
    speaker_id = find_speaker(connection, name, path)
    connection.execute("DELETE FROM sessions WHERE speaker_id = ?", (speaker_id,))
    connection.execute("DELETE FROM speakers WHERE id = ?", (speaker_id,))
    connection.execute("DELETE FROM log WHERE speaker = ?", (name,))
    connection.execute("UPDATE meta SET value = 1 WHERE key = 'erasing'")


def note_erased(connection: sqlite3.Connection, generation: int) -> None:
    """Note that no deleted bytes are on disk, as of some count of changes.

    Whoever removed somebody since has counted a change: the note that her bytes must be
    overwritten then stays.
    """
    connection.execute(
        "UPDATE meta SET value = 0 WHERE key = 'erasing'"
        " AND (SELECT value FROM meta WHERE key = 'generation') = ?",
        (generation,),
    )


def note_same_audio(
    connection: sqlite3.Connection, name: str, path: Path, audio_sha256: str
) -> list[str]:
    """Say for whom else a recording is enrolled.

    Raises
    ------
    StoreError
        If it is enrolled for this very speaker.
    """
    rows = connection.execute(
        "SELECT name, file_name, enrolled FROM sessions JOIN speakers"
        " ON speakers.id = speaker_id WHERE audio_sha256 = ? ORDER BY sessions.id",
        (audio_sha256,),
    ).fetchall()
    for other, file_name, enrolled in rows:
        if other == name:
            raise StoreError(
                f"{path}: the same audio is already enrolled for {name!r} ({file_name}, "
                f"{enrolled}); nothing was stored"
            )
    return [f"{path.name}: the same audio is enrolled for {other!r} too" for other, _, _ in rows]


def list_speakers(connection: sqlite3.Connection, path: Path) -> tuple[EnrolledSpeaker, ...]:
    """Return all speakers, sorted by name."""
    found: dict[str, list[SessionRow]] = {}
    for row in read_rows(connection, path):
        found.setdefault(row.speaker, []).append(row)
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


def total_of(connection: sqlite3.Connection, speaker_id: int, path: Path) -> tuple[int, float]:
    """Return how many recordings a speaker has, and seconds of speech in them."""
    seconds = [row.speech_seconds for row in read_rows(connection, path, speaker_id=speaker_id)]
    return len(seconds), sum(seconds)


def write_log(
    connection: sqlite3.Connection, action: str, speaker: str | None, detail: dict[str, Any]
) -> None:
    """Add an entry to the log, and count the change.

    Other programs see by the count that models they hold in memory are old.
    """
    connection.execute(
        "INSERT INTO log (at, action, speaker, detail) VALUES (?, ?, ?, ?)",
        (utc_now(), action, speaker, json.dumps(detail, sort_keys=True)),
    )
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


def count_changes(connection: sqlite3.Connection, path: Path) -> int:
    """Return the count of changes.

    Raises
    ------
    ModelFormatError
        If it is missing or no count.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    count: Any = None if row is None else row[0]
    _check(isinstance(count, int) and count >= 0, path, f"{_shown(count)} for the count of changes")
    return int(count)


def list_log(connection: sqlite3.Connection, path: Path) -> tuple[dict[str, Any], ...]:
    """Return the log, oldest entry first.

    Raises
    ------
    ModelFormatError
        If a value is of a wrong type.
    """
    entries = []
    for at, action, name, detail in connection.execute(
        "SELECT at, action, speaker, detail FROM log ORDER BY id"
    ):
        document = parsed(detail)
        for column, value, valid in (
            ("at", at, _is_time(at)),
            ("action", action, action in ("enroll", "remove")),
            ("speaker", name, name is None or _is_text(name)),
            ("detail", detail, isinstance(document, dict)),
        ):
            _check(valid, path, f"{_shown(value)} for {column} of an entry in the log")
        entries.append({"at": at, "action": action, "speaker": name, "detail": document})
    return tuple(entries)


def parsed(text: Any) -> Any:
    """Return what JSON text says, None if it is none."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def check_meta(meta: dict[Any, Any], path: Path) -> None:
    """Check what the store says about itself, besides model and settings.

    Raises
    ------
    ModelFormatError
        If something is missing or of a wrong type.
    """
    for key, valid in (
        ("created", _is_time(meta.get("created"))),
        ("software", isinstance(parsed(meta.get("software")), dict)),
        ("erasing", isinstance(meta.get("erasing"), int) and meta["erasing"] in (0, 1)),
    ):
        _check(valid, path, f"{_shown(meta.get(key))} for {key}")


def _check(valid: bool, path: Path, found: str) -> None:
    if not valid:
        raise ModelFormatError(f"{path}: damaged store ({found})")


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0 and math.isfinite(value)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
