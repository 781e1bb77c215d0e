"""The rows of a store: speakers, the enrolment log, and the count of changes.

Every function takes an open connection; the caller holds the transaction.
"""

import difflib
import json
import sqlite3
from pathlib import Path
from typing import Any

from speakergmm.corpora.names import comparison_key
from speakergmm.errors import ModelFormatError, StoreError, UnknownSpeakerError
from speakergmm.speakers.provenance import utc_now
from speakergmm.speakers.results import EnrolledSpeaker


def names_of(connection: sqlite3.Connection) -> list[str]:
    """Return the speakers' names, sorted."""
    return [row[0] for row in connection.execute("SELECT name FROM speakers ORDER BY name")]


def find_speaker(connection: sqlite3.Connection, name: str, path: Path) -> int:
    """Return a speaker's number.

    Raises
    ------
    UnknownSpeakerError
        If there is no such speaker; names one that is spelled alike, if there is one.
    """
    row = connection.execute("SELECT id FROM speakers WHERE name = ?", (name,)).fetchone()
    if row is None:
        known = names_of(connection)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it holds {len(known)} speakers"
        raise UnknownSpeakerError(f"{path}: no speaker {name!r}; {hint}")
    if not isinstance(row[0], int):
        raise ModelFormatError(f"{path}: damaged store (speaker {name!r} has no number)")
    return row[0]


def add_speaker(connection: sqlite3.Connection, name: str) -> tuple[bool, list[str]]:
    """Make sure that a speaker is there; say whether she is new, and whose name is alike."""
    known = names_of(connection)
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
    set_erasing(connection, True)


def set_erasing(connection: sqlite3.Connection, pending: bool) -> None:
    """Note whether deleted bytes may still be on disk."""
    connection.execute("UPDATE meta SET value = ? WHERE key = 'erasing'", (int(pending),))


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


def list_speakers(connection: sqlite3.Connection) -> tuple[EnrolledSpeaker, ...]:
    """Return all speakers, sorted by name."""
    found: dict[str, list[tuple[float, str, str]]] = {}
    for name, *session in connection.execute(
        "SELECT name, speech_seconds, enrolled, file_name FROM speakers"
        " JOIN sessions ON speaker_id = speakers.id ORDER BY name, sessions.id"
    ):
        found.setdefault(name, []).append(tuple(session))
    return tuple(
        EnrolledSpeaker(
            name,
            len(group),
            sum(session[0] for session in group),
            min(session[1] for session in group),
            max(session[1] for session in group),
            tuple(session[2] for session in group),
        )
        for name, group in found.items()
    )


def total_of(connection: sqlite3.Connection, speaker_id: int) -> tuple[int, float]:
    """Return how many recordings a speaker has, and seconds of speech in them."""
    count, seconds = connection.execute(
        "SELECT COUNT(*), SUM(speech_seconds) FROM sessions WHERE speaker_id = ?", (speaker_id,)
    ).fetchone()
    return count, seconds


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


def count_changes(connection: sqlite3.Connection) -> int:
    """Return the count of changes; -1 if it can't be read."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else -1


def list_log(connection: sqlite3.Connection) -> tuple[dict[str, Any], ...]:
    """Return the log, oldest entry first."""
    rows = connection.execute("SELECT at, action, speaker, detail FROM log ORDER BY id")
    return tuple(
        {"at": at, "action": action, "speaker": name, "detail": parsed(detail)}
        for at, action, name, detail in rows
    )


def parsed(text: Any) -> Any:
    """Return what JSON text says, or the text itself if it is none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
