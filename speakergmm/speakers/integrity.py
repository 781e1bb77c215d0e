"""Integrity of a store: digests of its rows, and a digest of the set of rows.

SQLite detects damage to the structure of its file, but not rows that are missing, duplicated or
changed. Therefore each row of the tables in `ROWS` carries a digest of its content, and the table
"meta" contains the sum, modulo 2^256, of the digests of each table, which is updated in constant
time when a row is added or deleted. Opening a store compares these sums with the stored digests,
and the tables with their indexes; the content of a row is compared with its digest when the row is
read. This detects damage. It does not protect against people who can write to the file and know
the scheme.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from speakergmm.documents import parse_json
from speakergmm.speakers.store_schema import ROWS, SCHEMA, Row, check_row, row_digest
from speakergmm.speakers.values import StoreFile, is_document, is_time, shown_value

# Large values are in tables of their own, with one row per row of these tables, so that the rest
# can be read without them. Their digests are in the rows of these tables.
_LARGE = {"models": "speakers", "statistics": "sessions"}

_MODULUS = 1 << 256

# SQLite moves rows, but not their overflow pages, and may leave copies of what it moved in unused
# parts of a page, which a deletion does not reach. Therefore the beginning of a row has no data.
_BEGINNING = bytes(4096)

# Large values that one query reads; SQLite may allow no more than 999 numbers in one.
_ROWS_AT_A_TIME = 500


class Ledger:
    """The rows of the table "meta" of a store, except the system.

    All changes of rows go through a ledger, which keeps the sums of digests up to date.

    Attributes
    ----------
    file : StoreFile
        The store.
    values : dict
        Values of the table by key.
    """

    def __init__(self, file: StoreFile, values: dict[str, Any]) -> None:
        self.file = file
        self.values = values
        self._counts = {row.TABLE: 0 for row in ROWS}
        self._sums = {row.TABLE: 0 for row in ROWS}

    @classmethod
    def read(cls, file: StoreFile) -> "Ledger":
        """Read and check the table "meta" of a store.

        Raises
        ------
        ModelFormatError
            If it does not match its own hash.
        """
        rows = file.execute("SELECT key, value FROM meta WHERE key <> 'system'")
        ledger = cls(file, dict(rows))
        seal = ledger.values.pop("seal", None)
        ledger._check_values()
        if seal != ledger._seal():
            raise file.damaged("its table meta does not match its own hash")
        try:
            for table, (count, total) in parse_json(ledger.values["rows"]).items():
                ledger._counts[table], ledger._sums[table] = int(count), int(total, 16)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise file.damaged("the sums of its rows are missing") from None
        return ledger

    def insert(self, row: Row) -> None:
        """Write a row, and replace the row of the same number if there is one.

        Parameters
        ----------
        row : Row
        """
        self.delete(row.TABLE, row.id)
        values = [getattr(row, column) for column in row.columns()]
        digest = row_digest(row.TABLE, values)
        _insert(self.file, row.TABLE, [(*values, digest)])
        self._count(row.TABLE, 1, digest)

    def delete(self, table: str, number: int) -> None:
        """Delete a row, if it exists.

        Parameters
        ----------
        table : str
            Name of the table.
        number : int
            Number of the row.
        """
        digest = self.file.value(f"SELECT digest FROM {table} WHERE id = ?", number)
        if digest is not None:
            self.file.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
            self._count(table, -1, digest)

    def write(self) -> None:
        """Count a change, and write the table "meta".

        Other programs recognise by the count that models in their memory are outdated.
        """
        self.values["generation"] = self.values.get("generation", -1) + 1
        self.values["rows"] = json.dumps(
            {table: [count, f"{self._sums[table]:064x}"] for table, count in self._counts.items()}
        )
        self.file.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [*self.values.items(), ("seal", self._seal())],
        )

    def check_rows(self, *, content: bool = False) -> None:
        """Compare the stored digests with their sums and, if asked for, with the rows.

        Parameters
        ----------
        content : bool, default=False
            Compare each row with its digest.


        Raises
        ------
        ModelFormatError
            If a row is missing, duplicated or changed.
        """
        for row in ROWS:
            table, count, total = row.TABLE, 0, 0
            read = (*row.columns(), "digest") if content else ("digest",)
            for *values, digest in self.file.execute(f"SELECT {', '.join(read)} FROM {table}"):
                if content:
                    check_row(self.file, table, values, digest)
                if not isinstance(digest, bytes):
                    raise self.file.damaged(f"a row of {table} has no digest")
                count += 1
                total += int.from_bytes(digest, "big")
            if (count, total % _MODULUS) != (self._counts[table], self._sums[table]):
                raise self.file.damaged(f"the rows of {table} are not those that were written")

    def _check_values(self) -> None:
        for key, what, valid in (
            ("created", "created", is_time),
            ("software", "software", is_document),
            ("generation", "the count of changes", lambda n: isinstance(n, int) and n >= 0),
        ):
            value = self.values.get(key)
            self.file.check(valid(value), f"{shown_value(value)} for {what}")

    def _count(self, table: str, change: int, digest: bytes) -> None:
        self._counts[table] += change
        self._sums[table] += change * int.from_bytes(digest, "big")
        self._sums[table] %= _MODULUS

    def _seal(self) -> str:
        values = json.dumps(sorted(self.values.items(), key=str), default=repr)
        return hashlib.sha256(values.encode()).hexdigest()


def check_small(file: StoreFile, *, content: bool = False) -> None:
    """Check everything apart from large values, which takes milliseconds, when a store is opened.

    Parameters
    ----------
    file : StoreFile
    content : bool, default=False
        Compare each row with its digest; otherwise a row is compared when it is read.

    Raises
    ------
    ModelFormatError
        If the schema, a table's structure, an index or the set of rows is damaged.
    """
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    if file.execute(schema.replace("schema ", "master ")).fetchall() != _expected_schema():
        raise file.damaged("or not of this format: it has other tables")
    for table in ("meta", *(row.TABLE for row in ROWS)):
        _check_structure(file, f"integrity_check({table})")
    Ledger.read(file).check_rows(content=content)


def check_whole(file: StoreFile, *, content: bool = True) -> None:
    """Check the set of rows and the structure of the whole file; parameters as for `check_small`.

    Raises
    ------
    ModelFormatError
        If a page is damaged, used twice or not used, or rows and their large values do not belong
        together.
    """
    check_small(file, content=content)
    _check_structure(file, "quick_check")
    for large, table in _LARGE.items():
        query = f"SELECT id FROM {large} EXCEPT SELECT id FROM {table}"
        other = f"SELECT id FROM {table} EXCEPT SELECT id FROM {large}"
        if file.value(f"SELECT * FROM ({query}) UNION SELECT * FROM ({other})") is not None:
            raise file.damaged(f"rows of {large} and {table} do not belong together")


def write_large(file: StoreFile, table: str, number: int, packed: bytes) -> str:
    """Write the large value of a row; return its SHA-256, which belongs in the row."""
    file.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (number, _BEGINNING + packed))
    return hashlib.sha256(packed).hexdigest()


def read_large(file: StoreFile, table: str, number: int, sha256: str, what: str) -> memoryview:
    """Return the large value of a row.

    Raises
    ------
    ModelFormatError
        If it does not match its SHA-256.
    """
    ((_, packed),) = read_large_values(file, table, {number: (sha256, what)})
    return packed


def read_large_values(
    file: StoreFile, table: str, wanted: Mapping[int, tuple[str, str]]
) -> Iterator[tuple[int, memoryview]]:
    """Yield the numbers and large values of some rows, in the order in which they are stored.

    Parameters
    ----------
    file : StoreFile
    table : str
    wanted : mapping of int to (str, str)
        By number of the row, the SHA-256 of the large value, and what it is, for messages.

    Raises
    ------
    ModelFormatError
        If one is missing or does not match its SHA-256.
    """
    numbers = sorted(wanted)
    for start in range(0, len(numbers), _ROWS_AT_A_TIME):
        some = numbers[start : start + _ROWS_AT_A_TIME]
        marks = ", ".join("?" * len(some))
        query = f"SELECT id, packed FROM {table} WHERE id IN ({marks}) ORDER BY id"
        missing = set(some)
        for number, found in file.execute(query, some):
            sha256, what = wanted[number]
            if not isinstance(found, bytes):
                break
            missing.remove(number)
            packed = memoryview(found)[len(_BEGINNING) :]
            if hashlib.sha256(packed).hexdigest() != sha256:
                raise file.damaged(f"{what} does not match its digest")
            yield number, packed
        if missing:
            raise file.damaged(f"{wanted[min(missing)][1]} is not a blob")


def rewrite_small(file: StoreFile) -> None:
    """Rewrite the tables that name speakers onto pages that are zeroed.

    Deleting a row zeroes its bytes in their present place, but not the copies that SQLite left
    behind when it moved the row.
    """
    for row in ROWS:
        rows = file.execute(f"SELECT * FROM {row.TABLE} ORDER BY id").fetchall()
        file.execute(f"DELETE FROM {row.TABLE}")
        _insert(file, row.TABLE, rows)


def _insert(file: StoreFile, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        file.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def next_number(file: StoreFile, table: str) -> int:
    """Return the number of the next row of a table."""
    return int(file.value(f"SELECT coalesce(max(id), 0) + 1 FROM {table}"))


def _check_structure(file: StoreFile, pragma: str) -> None:
    found = str(file.value(f"PRAGMA {pragma}") or "it cannot be checked")
    file.check(found == "ok", " ".join(found.split())[:200])


@cache
def _expected_schema() -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
        return connection.execute(query).fetchall()
    finally:
        connection.close()
