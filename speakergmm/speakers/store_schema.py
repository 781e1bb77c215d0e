"""The tables of a store whose rows carry a digest, with the columns and their valid values.

SQLite stores any value in any column. Therefore every value that is read is checked, and every row
is compared with its digest. The SQL of a table is derived from the class that declares it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Self

from speakergmm.speakers import values

# A damaged row may contain bytes, which match no digest.
_ENCODER = json.JSONEncoder(default=repr)


def _column(sql: str, valid: Callable[[Any], bool] | None = None) -> Any:
    return field(metadata={"sql": sql, "valid": valid})


class Row:
    """A row of a table; its fields are the columns, which the digest follows."""

    TABLE: ClassVar[str]
    ORDER: ClassVar[str] = "id"
    LABEL: ClassVar[str]
    """Template of the name of a column in messages."""
    CONSTRAINTS: ClassVar[tuple[str, ...]] = ()

    id: int

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the names of the columns, apart from the digest."""
        return tuple(each.name for each in fields(cls))  # type: ignore[arg-type] # a dataclass

    @classmethod
    def create_statement(cls) -> str:
        """Return the SQL statement that creates the table."""
        declared = [f"{f.name} {f.metadata['sql']}" for f in fields(cls)]  # type: ignore[arg-type]
        lines = ",\n    ".join([*declared, "digest BLOB NOT NULL", *cls.CONSTRAINTS])
        return f"CREATE TABLE {cls.TABLE} (\n    {lines}\n);\n"

    def invalid_columns(self) -> Iterator[str]:
        """Yield the names of columns whose values have a wrong type or are out of range."""
        for name, valid in self._rules():
            if not valid(getattr(self, name)):
                yield name

    @classmethod
    @cache
    def _rules(cls) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
        """Return the columns whose values are checked, with their checks."""
        declared = fields(cls)  # type: ignore[arg-type] # a dataclass
        return tuple(
            (each.name, each.metadata["valid"]) for each in declared if each.metadata["valid"]
        )

    @classmethod
    def read(
        cls,
        file: values.StoreFile,
        owner: Callable[[Self], str] | None = None,
        *,
        after: str | None = None,
        limit: int | None = None,
        **where: Any,
    ) -> Iterator[Self]:
        """Read and check the rows in which columns have certain values, by default all rows.

        Parameters
        ----------
        file : StoreFile
        owner : callable, optional
            Returns the name of the speaker of a row, for messages.
        after : str, optional
            Only rows that come after this value of the column by which the table is ordered.
        limit : int, optional
            Largest number of rows.
        **where
            Values by name of the column.

        Raises
        ------
        ModelFormatError
            If a value has a wrong type or is out of range, or a row does not match its digest.
        """
        conditions = {f"{column} = ?": value for column, value in where.items()}
        if after is not None:
            conditions[f"{cls.ORDER} > ?"] = after
        wanted = " AND ".join(conditions)
        query = (
            f"SELECT {', '.join(cls.columns())}, digest FROM {cls.TABLE}"
            f"{wanted and f' WHERE {wanted}'} ORDER BY {cls.ORDER} LIMIT ?"
        )
        most = -1 if limit is None else limit
        for *stored, digest in file.execute(query, (*conditions.values(), most)):
            row = cls(*stored)
            suffix = "" if owner is None else f" of {owner(row)!r}"
            for name in row.invalid_columns():
                found = values.shown_value(getattr(row, name))
                raise file.damaged(f"{found} for {cls.LABEL.format(name)}{suffix}")
            check_row(file, cls.TABLE, stored, digest)
            yield row


@dataclass(frozen=True)
class SpeakerRow(Row):
    """A speaker, without the model."""

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
    """A recording, without its statistics."""

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
    measures: str = _column("TEXT NOT NULL", values.is_document)

    def invalid_columns(self) -> Iterator[str]:
        """Yield the names of columns that are wrong or contradict each other."""
        yield from super().invalid_columns()
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
    action: str = _column("TEXT NOT NULL", lambda value: value in ("enroll", "remove", "calibrate"))
    speaker: str | None = _column("TEXT", lambda value: value is None or values.is_text(value))
    detail: str = _column("TEXT NOT NULL", values.is_document)


ROWS: tuple[type[Row], ...] = (SpeakerRow, SessionRow, LogRow)
"""Tables whose rows carry a digest."""

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
    """Compare the content of a row with its digest.

    Raises
    ------
    ModelFormatError
        If they differ.
    """
    if row_digest(table, stored) != digest:
        raise file.damaged(f"a row of {table} does not match its own digest")


def row_digest(table: str, stored: Sequence[Any]) -> bytes:
    """Return the digest, of 32 bytes, of the values of a row in the order of the columns."""
    return hashlib.sha256(_ENCODER.encode([table, *stored]).encode()).digest()
