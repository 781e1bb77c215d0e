"""Queries on an open store: speakers, their recordings, and the enrolment log.

The caller of each function holds the transaction.
"""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speakergmm.corpora.names import comparison_key
from speakergmm.errors import StoreError, UnknownSpeakerError
from speakergmm.provenance import utc_now
from speakergmm.speakers.integrity import Ledger, next_number, rewrite_small
from speakergmm.speakers.store_results import EnrolledSpeaker
from speakergmm.speakers.store_schema import LogRow, SessionRow, SpeakerRow
from speakergmm.speakers.values import StoreFile, parsed_json, shown_value


def read_sessions(
    file: StoreFile, speakers: Sequence[SpeakerRow] | None = None
) -> dict[str, list[SessionRow]]:
    """Read the rows of all recordings, or of those of some speakers, in the order of enrolment.

    Returns
    -------
    dict of str to list of SessionRow
        By name of the speaker.


    Raises
    ------
    ModelFormatError
        If a row is damaged, or a speaker has no recordings.
    """
    listed = list(SpeakerRow.read(file)) if speakers is None else speakers
    names = {row.id: row.name for row in listed}

    def owner(row: SessionRow) -> str:
        file.check(row.speaker_id in names, f"recording {shown_value(row.id)} has no speaker")
        return names[row.speaker_id]

    found: dict[str, list[SessionRow]] = {name: [] for name in names.values()}
    queries: list[dict[str, Any]] = (
        [{}] if speakers is None else [{"speaker_id": number} for number in names]
    )
    for where in queries:
        for row in SessionRow.read(file, owner, **where):
            found[names[row.speaker_id]].append(row)
    for name, rows in found.items():
        file.check(bool(rows), f"no recordings of {name!r}")
    return found


def find_speaker(file: StoreFile, name: str) -> SpeakerRow:
    """Return the row of a speaker.

    Raises
    ------
    UnknownSpeakerError
        If the speaker is not enrolled; the message names one with a similar name, if there is one.
    """
    for row in SpeakerRow.read(file, name=name):
        return row
    known = [row[0] for row in file.execute("SELECT name FROM speakers ORDER BY name")]
    close = difflib.get_close_matches(name, known, n=1)
    count = "1 speaker" if len(known) == 1 else f"{len(known)} speakers"
    hint = f"did you mean {close[0]!r}?" if close else f"the store contains {count}"
    raise UnknownSpeakerError(f"{file.path}: no speaker {name!r}; {hint}")


def note_alike(file: StoreFile, name: str) -> list[str]:
    """Return a warning for each other speaker whose name is spelled nearly the same."""
    return [
        f"{name!r} is a new speaker; {row.name!r}, spelled nearly the same, is another one"
        for row in SpeakerRow.read(file, folded=comparison_key(name))
        if row.name != name
    ]


def delete_speaker(ledger: Ledger, speaker: SpeakerRow) -> None:
    """Delete a speaker and all rows that name the speaker, and overwrite them in the file."""
    file = ledger.file
    for row in read_sessions(file, [speaker])[speaker.name]:
        ledger.delete("sessions", row.id)
        file.execute("DELETE FROM statistics WHERE id = ?", (row.id,))
    ledger.delete("speakers", speaker.id)
    file.execute("DELETE FROM models WHERE id = ?", (speaker.id,))
    for entry in list(LogRow.read(file, speaker=speaker.name)):
        ledger.delete("log", entry.id)
    rewrite_small(file)


def note_same_audio(file: StoreFile, name: str, wav: Path, audio_sha256: str) -> list[str]:
    """Return a warning for each other speaker under whose name the same audio is enrolled.

    Raises
    ------
    StoreError
        If it is already enrolled for this speaker.
    """
    notes = []
    for row in SessionRow.read(file, audio_sha256=audio_sha256):
        for other in SpeakerRow.read(file, id=row.speaker_id):
            if other.name == name:
                raise StoreError(
                    f"{wav}: the same audio is already enrolled for {name!r} ({row.file_name}, "
                    f"{row.enrolled}); nothing was stored"
                )
            notes.append(f"{wav.name}: the same audio is enrolled for {other.name!r} as well")
    return notes


def list_speakers(
    file: StoreFile, *, limit: int | None = None, after: str | None = None
) -> tuple[EnrolledSpeaker, ...]:
    """Return all speakers, sorted by name, or some of those that come after a name."""
    whole = limit is None and after is None
    rows = None if whole else list(SpeakerRow.read(file, after=after, limit=limit))
    return tuple(
        EnrolledSpeaker(
            name,
            len(sessions),
            sum(row.speech_seconds for row in sessions),
            min(row.enrolled for row in sessions),
            max(row.enrolled for row in sessions),
            tuple(row.file_name for row in sessions),
        )
        for name, sessions in read_sessions(file, rows).items()
    )


def write_log(ledger: Ledger, action: str, speaker: str | None, detail: dict[str, Any]) -> None:
    """Add an entry to the log."""
    number, text = next_number(ledger.file, "log"), json.dumps(detail, sort_keys=True)
    ledger.insert(LogRow(number, utc_now(), action, speaker, text))


def list_log(file: StoreFile) -> tuple[dict[str, Any], ...]:
    """Return the log, oldest entry first.

    Raises
    ------
    ModelFormatError
        If a value has a wrong type.
    """
    return tuple(
        {
            "at": row.at,
            "action": row.action,
            "speaker": row.speaker,
            "detail": parsed_json(row.detail),
        }
        for row in LogRow.read(file)
    )
