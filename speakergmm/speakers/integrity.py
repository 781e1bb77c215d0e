"""Whether a store is what its own programs wrote: digests of its rows, and of the set of them.

SQLite notices damage to the structure of its file, but not that a row is missing, doubled or
changed. Each row of the tables in `TABLES` therefore carries a digest of its content, and the table
"meta" the sum, modulo 2^256, of each table's digests: adding and deleting a row change it in
constant time. Opening compares the sums with the digests that are stored, and the tables with their
indexes; a row's content is compared with its digest when it is read. All of this finds damage. It
keeps out nobody who can write to the file and knows how.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from speakergmm.documents import parse_json
from speakergmm.speakers.values import check, damaged, is_time, parsed, shown

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE speakers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    folded TEXT NOT NULL,
    created TEXT NOT NULL,
    model_sha256 TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE INDEX speakers_by_folded ON speakers (folded);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    speaker_id INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    audio_sha256 TEXT NOT NULL,
    seconds REAL NOT NULL,
    speech_seconds REAL NOT NULL,
    n_frames INTEGER NOT NULL,
    enrolled TEXT NOT NULL,
    software TEXT NOT NULL,
    statistics_sha256 TEXT NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE (speaker_id, audio_sha256)
);
CREATE INDEX sessions_by_audio ON sessions (audio_sha256);
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    speaker TEXT,
    detail TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE statistics (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE models (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
"""

TABLES = {
    "speakers": ("id", "name", "folded", "created", "model_sha256"),
    "sessions": (
        "id", "speaker_id", "file_name", "audio_sha256", "seconds", "speech_seconds", "n_frames",
        "enrolled", "software", "statistics_sha256",
    ),
    "log": ("id", "at", "action", "speaker", "detail"),
}  # fmt: skip
"""The tables whose rows carry a digest, and the columns it is of."""

# What is large lies apart, one row for a row of these: the rest can be read without it. Its digest
# stands in that row.
_LARGE = {"models": "speakers", "statistics": "sessions"}

_MODULUS = 1 << 256

# SQLite moves rows, but not what overflows from them, and may leave copies of what it moved in
# unused places of a page, where no deletion finds them. A row's beginning never holds data.
_BEGINNING = bytes(4096)


class Ledger:
    """What a store says about itself: the rows of its table "meta", except the background model.

    Attributes
    ----------
    values : dict
        By key.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self._counts = dict.fromkeys(TABLES, 0)
        self._sums = dict.fromkeys(TABLES, 0)

    @classmethod
    def read(cls, connection: sqlite3.Connection, path: Path) -> "Ledger":
        """Read and check what a store says about itself.

        Raises
        ------
        ModelFormatError
            If it doesn't match its own hash.
        """
        rows = connection.execute("SELECT key, value FROM meta WHERE key <> 'background'")
        ledger = cls(dict(rows))
        seal = ledger.values.pop("seal", None)
        ledger._check_values(path)
        if seal != ledger._seal():
            raise damaged(path, "what it says about itself doesn't match its own hash")
        try:
            for table, (count, total) in parse_json(ledger.values["rows"]).items():
                ledger._counts[table], ledger._sums[table] = int(count), int(total, 16)
        except (KeyError, TypeError, ValueError):
            raise damaged(path, "its rows are not summed up") from None
        return ledger

    def insert(self, connection: sqlite3.Connection, table: str, values: Sequence[Any]) -> None:
        """Write a row, in place of one of the same number if there is one."""
        self.delete(connection, table, values[0])
        digest = row_digest(table, values)
        marks = ", ".join("?" * (len(values) + 1))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", (*values, digest))
        self._count(table, 1, digest)

    def delete(self, connection: sqlite3.Connection, table: str, number: int) -> None:
        """Delete a row by its number, if there is one."""
        row = connection.execute(f"SELECT digest FROM {table} WHERE id = ?", (number,)).fetchone()
        if row is not None:
            connection.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
            self._count(table, -1, row[0])

    def write(self, connection: sqlite3.Connection) -> None:
        """Count a change, and write what the store says about itself.

        Other programs see by the count that what they hold in memory is old.
        """
        self.values["generation"] = self.values.get("generation", -1) + 1
        self.values["rows"] = json.dumps(
            {table: [self._counts[table], f"{self._sums[table]:064x}"] for table in TABLES}
        )
        connection.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [*self.values.items(), ("seal", self._seal())],
        )

    def check_rows(
        self, connection: sqlite3.Connection, path: Path, *, content: bool = False
    ) -> None:
        """Compare the digests that are stored with their sums, and on demand with the rows.

        Raises
        ------
        ModelFormatError
            If a row is missing, doubled or another one.
        """
        for table, columns in TABLES.items():
            count = total = 0
            read = (*columns, "digest") if content else ("digest",)
            for *values, digest in connection.execute(f"SELECT {', '.join(read)} FROM {table}"):
                if content:
                    check_row(table, values, digest, path)
                if not isinstance(digest, bytes):
                    raise damaged(path, f"a row of {table} has no digest")
                count += 1
                total += int.from_bytes(digest, "big")
            if (count, total % _MODULUS) != (self._counts[table], self._sums[table]):
                raise damaged(path, f"the rows of {table} are not those that were written")

    def _check_values(self, path: Path) -> None:
        found = self.values
        count = found.get("generation")
        for key, what, valid in (
            ("created", "created", is_time(found.get("created"))),
            ("software", "software", isinstance(parsed(found.get("software")), dict)),
            ("generation", "the count of changes", isinstance(count, int) and count >= 0),
        ):
            check(valid, path, f"{shown(found.get(key))} for {what}")

    def _count(self, table: str, change: int, digest: bytes) -> None:
        self._counts[table] += change
        self._sums[table] += change * int.from_bytes(digest, "big")
        self._sums[table] %= _MODULUS

    def _seal(self) -> str:
        return hashlib.sha256(_json(sorted(self.values.items(), key=str)).encode()).hexdigest()


def check_small(connection: sqlite3.Connection, path: Path, *, content: bool = False) -> Ledger:
    """Check everything but what is large, in milliseconds: what opening a store does.

    Parameters
    ----------
    connection : sqlite3.Connection
    path : Path
    content : bool, default=False
        Compare each row with its digest; without, it is compared when it is read.

    Raises
    ------
    ModelFormatError
        If the schema, a table's structure, an index or the set of rows is damaged.
    """
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    if connection.execute(schema.replace("schema ", "master ")).fetchall() != _expected_schema():
        raise damaged(path, "or not of this format: its tables are others")
    for table in ("meta", *TABLES):
        _check_structure(connection, path, f"integrity_check({table})")
    ledger = Ledger.read(connection, path)
    ledger.check_rows(connection, path, content=content)
    return ledger


def check_whole(connection: sqlite3.Connection, path: Path, *, content: bool = True) -> None:
    """Check the set of rows and the structure of the whole file; parameters as `check_small`.

    Raises
    ------
    ModelFormatError
        If a page is damaged, used twice or by nothing, or a row and what is large of it don't
        belong together.
    """
    check_small(connection, path, content=content)
    _check_structure(connection, path, "quick_check")
    for large, table in _LARGE.items():
        query = f"SELECT id FROM {large} EXCEPT SELECT id FROM {table}"
        other = f"SELECT id FROM {table} EXCEPT SELECT id FROM {large}"
        if connection.execute(f"SELECT * FROM ({query}) UNION SELECT * FROM ({other})").fetchone():
            raise damaged(path, f"rows of {large} and {table} don't belong together")


def check_row(table: str, values: Sequence[Any], digest: Any, path: Path) -> None:
    """Compare a row's content with its digest.

    Raises
    ------
    ModelFormatError
        If they differ.
    """
    if row_digest(table, values) != digest:
        raise damaged(path, f"a row of {table} doesn't match its own digest")


def row_digest(table: str, values: Sequence[Any]) -> bytes:
    """Return the digest, 32 bytes, of a row's columns in the order of `TABLES`."""
    return hashlib.sha256(_json([table, *values]).encode()).digest()


def write_large(connection: sqlite3.Connection, table: str, number: int, packed: bytes) -> str:
    """Write what is large of a row; return the SHA-256 that belongs into the row."""
    connection.execute(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (number, _BEGINNING + packed)
    )
    return hashlib.sha256(packed).hexdigest()


def check_large(found: Any, sha256: str, path: Path, what: str) -> memoryview:
    """Return what is large of a row, if it is what was written.

    Raises
    ------
    ModelFormatError
        If it is not.
    """
    if not isinstance(found, bytes):
        raise damaged(path, f"{what} is no blob")
    packed = memoryview(found)[len(_BEGINNING) :]
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise damaged(path, f"{what} doesn't match its digest")
    return packed


def rewrite_small(connection: sqlite3.Connection) -> None:
    """Write the tables that name speakers anew, onto pages that are zeroed.

    Deleting a row zeroes its bytes where they are, but not what SQLite left of it where it was
    before it moved.
    """
    for table in TABLES:
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        connection.execute(f"DELETE FROM {table}")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def next_number(connection: sqlite3.Connection, table: str) -> int:
    """Return the number of a table's next row."""
    return int(connection.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0])


def _check_structure(connection: sqlite3.Connection, path: Path, pragma: str) -> None:
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}").fetchall()]
    if found != ["ok"]:
        raise damaged(path, " ".join(found[0].split())[:200] if found else "it can't be checked")


@cache
def _expected_schema() -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _json(value: Any) -> str:
    # A column of a damaged row may hold bytes; they match no digest.
    return json.dumps(value, default=repr)
