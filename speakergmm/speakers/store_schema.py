"""The tables of a store whose rows carry a digest: their columns, and what each may hold.

SQLite stores what it is given, whatever the type of the column, so what is read is checked, and
compared with its digest. What a class declares is the table, to the letter of its SQL.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from speakergmm.speakers import values


def _column(sql: str, valid: Callable[[Any], bool] | None = None) -> Any:
    return field(metadata={"sql": sql, "valid": valid})


class Row:
    """A row of a table; its fields are the columns, after which comes the digest."""

    TABLE: ClassVar[str]
    ORDER: ClassVar[str] = "id"
    LABEL: ClassVar[str]
    """Names a column in messages."""
    CONSTRAINTS: ClassVar[tuple[str, ...]] = ()

    id: int

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the names of the columns, without that of the digest."""
        return tuple(each.name for each in fields(cls))  # type: ignore[arg-type] # a dataclass

    @classmethod
    def create_statement(cls) -> str:
        """Return the SQL that makes the table."""
        declared = [f"{f.name} {f.metadata['sql']}" for f in fields(cls)]  # type: ignore[arg-type]
        lines = ",\n    ".join([*declared, "digest BLOB NOT NULL", *cls.CONSTRAINTS])
        return f"CREATE TABLE {cls.TABLE} (\n    {lines}\n);\n"

    def wrong(self) -> Iterator[str]:
        """Name the columns whose values are of a wrong type or out of range."""
        for each in fields(self):  # type: ignore[arg-type] # a dataclass
            valid = each.metadata["valid"]
            if valid is not None and not valid(getattr(self, each.name)):
                yield each.name

    @classmethod
    def read(
        cls,
        file: values.StoreFile,
        owner: Callable[[Self], str] | None = None,
        **where: Any,
    ) -> Iterator[Self]:
        """Read and check the rows in which columns have the values given, or all.

        Parameters
        ----------
        file : StoreFile
        owner : callable, optional
            Says whose a row is, for messages; may refuse it.
        **where
            Values by column.

        Raises
        ------
        ModelFormatError
            If a value is of a wrong type or out of range, or a row is not what was written.
        """
        wanted = " AND ".join(f"{column} = ?" for column in where)
        query = (
            f"SELECT {', '.join(cls.columns())}, digest FROM {cls.TABLE}"
            f"{wanted and f' WHERE {wanted}'} ORDER BY {cls.ORDER}"
        )
        for *stored, digest in file.execute(query, tuple(where.values())):
            row = cls(*stored)
            whose = "" if owner is None else f" of {owner(row)!r}"
            for name in row.wrong():
                found = values.shown(getattr(row, name))
                raise file.damaged(f"{found} for {cls.LABEL.format(name)}{whose}")
            check_row(file, cls.TABLE, stored, digest)
            yield row


@dataclass(frozen=True)
class SpeakerRow(Row):
    """What the store says about a speaker, without the model."""

    TABLE = "speakers"
    ORDER = "name"
    LABEL = "a speaker's {}"

    id: int = _column("INTEGER PRIMARY KEY")
    name: str = _column("TEXT NOT NULL UNIQUE", values.is_text)
    folded: str = _column("TEXT NOT NULL")
    created: str = _column("TEXT NOT NULL")
    model_sha256: str = _column("TEXT NOT NULL")


@dataclass(frozen=True)
class SessionRow(Row):
    """What the store says about a recording, without its statistics."""

    TABLE = "sessions"
    LABEL = "{} of a recording"
    CONSTRAINTS = ("UNIQUE (speaker_id, audio_sha256)",)

    id: int = _column("INTEGER PRIMARY KEY")
    speaker_id: int = _column("INTEGER NOT NULL")
    file_name: str = _column("TEXT NOT NULL", values.is_text)
    audio_sha256: str = _column("TEXT NOT NULL", values.is_sha256)
    seconds: float = _column("REAL NOT NULL", values.is_positive)
    speech_seconds: float = _column("REAL NOT NULL", values.is_positive)
    n_frames: int = _column("INTEGER NOT NULL", values.is_count)
    enrolled: str = _column("TEXT NOT NULL", values.is_time)
    software: str = _column("TEXT NOT NULL", values.is_text)
    statistics_sha256: str = _column("TEXT NOT NULL")

    def wrong(self) -> Iterator[str]:
        """Name the columns that are wrong, or don't fit one another."""
        yield from super().wrong()
        # Both are sums of frame shifts, rounded.
        if self.speech_seconds > self.seconds + 1e-3:
            yield "speech_seconds"


@dataclass(frozen=True)
class LogRow(Row):
    """An entry of the enrolment log."""

    TABLE = "log"
    LABEL = "{} of an entry in the log"

    id: int = _column("INTEGER PRIMARY KEY")
    at: str = _column("TEXT NOT NULL", values.is_time)
    action: str = _column("TEXT NOT NULL", lambda value: value in ("enroll", "remove"))
    speaker: str | None = _column("TEXT", lambda value: value is None or values.is_text(value))
    detail: str = _column("TEXT NOT NULL", values.is_document)


ROWS: tuple[type[Row], ...] = (SpeakerRow, SessionRow, LogRow)
"""The tables whose rows carry a digest."""

SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;\n"
    + "".join(row.create_statement() for row in ROWS)
    + """
CREATE INDEX speakers_by_folded ON speakers (folded);
CREATE INDEX sessions_by_audio ON sessions (audio_sha256);
CREATE TABLE statistics (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE models (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
"""
)


def check_row(file: values.StoreFile, table: str, stored: Sequence[Any], digest: Any) -> None:
    """Compare a row's content with its digest.

    Raises
    ------
    ModelFormatError
        If they differ.
    """
    if row_digest(table, stored) != digest:
        raise file.damaged(f"a row of {table} doesn't match its own digest")


def row_digest(table: str, stored: Sequence[Any]) -> bytes:
    """Return the digest, 32 bytes, of the values of a row's columns in order."""
    # A column of a damaged row may hold bytes; they match no digest.
    return hashlib.sha256(json.dumps([table, *stored], default=repr).encode()).digest()
