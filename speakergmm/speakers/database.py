"""The SQLite side of a speaker store: schema, connections, transactions, errors, erasure."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from speakergmm.errors import ModelFormatError, SpeakerGmmError, StoreError
from speakergmm.serialization import describe_file

APPLICATION_ID = 0x53474D4D
"""Marks our databases in the file header ("SGMM")."""

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE speakers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL
);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    speaker_id INTEGER NOT NULL REFERENCES speakers (id) ON DELETE CASCADE,
    statistics BLOB NOT NULL,
    file_name TEXT NOT NULL,
    audio_sha256 TEXT NOT NULL,
    seconds REAL NOT NULL,
    speech_seconds REAL NOT NULL,
    n_frames INTEGER NOT NULL,
    enrolled TEXT NOT NULL,
    software TEXT NOT NULL,
    UNIQUE (speaker_id, audio_sha256)
);
CREATE INDEX sessions_by_audio ON sessions (audio_sha256);
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    speaker TEXT,
    detail TEXT NOT NULL
);
"""

_SMALLEST_LOG = 1 << 16  # bytes
_MAGIC = b"SQLite format 3\0"


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a speaker store, by its first bytes.

    Examples
    --------
    >>> is_store("no such file")
    False
    """
    try:
        with Path(path).open("rb") as file:
            header = file.read(100)
    except (OSError, ValueError):
        return False
    return header.startswith(_MAGIC) and _number(header, 68) == APPLICATION_ID


class StoreExistsError(StoreError):
    """There is a file where a new store should be."""


def check_place(path: Path) -> None:
    """Refuse a place where no store can be made.

    Raises
    ------
    StoreExistsError
        If there is a file.
    StoreError
        If the name is none, or the folder doesn't exist.
    """
    if "\0" in os.fspath(path):
        raise StoreError("the store's name holds a NUL character; give another name")
    if os.path.lexists(path):
        raise StoreExistsError(f"{path}: exists already; open it, or give the name of a new store")
    if not path.absolute().parent.is_dir():
        raise StoreError(f"{path}: can't be made, its folder doesn't exist")


def create_database(
    path: Path,
    meta: dict[str, bytes | str | int],
    fill: Callable[[sqlite3.Connection], None] | None = None,
) -> None:
    """Make a new store, whole or not at all, never over an existing file.

    Parameters
    ----------
    path : Path
    meta : dict
        Rows of the table of that name.
    fill : callable, optional
        Writes further rows; if it raises, no store is made.

    Raises
    ------
    StoreExistsError
        If the file exists.
    StoreError
        If it can't be written.
    """
    check_place(path)
    # Built beside its place and linked to it when complete: a kill leaves no half store, and of
    # two programs that make the same store one is refused.
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        with (
            translated_errors(path),
            contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection,
        ):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            # No write-ahead log yet: closing copies it, and says nothing where the disk is full.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            if fill is not None:
                fill(connection)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
        _put_in_place(temporary, path)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def connect(path: Path, *, busy_timeout: float) -> sqlite3.Connection:
    """Open an existing store for reading and writing.

    Raises
    ------
    StoreError
        If there is no store, or the system doesn't let us use it.
    ModelFormatError
        If the file is something else, damaged, or of a newer version.
    """
    _check_header(path)
    with translated_errors(path):
        connection = sqlite3.connect(
            f"file:{quote(os.fspath(path.absolute()))}?mode=rw",
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
        )
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            # Nothing of a voice goes to the system's folder of temporary files.
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # Takes the write lock for a moment: on read-only media we want to hear of it now.
            with writing(connection):
                pass
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock; commit at the end, or undo everything if something is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


@contextlib.contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """See one state of the store throughout, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        _roll_back(connection)


def erase_deleted(connection: sqlite3.Connection) -> bool:
    """Rewrite the store without what was deleted, and empty the write-ahead log.

    Returns
    -------
    bool
        False if another program reads or writes the store and deleted bytes are still on disk.
    """
    try:
        # secure_delete zeroes what was deleted; rewriting also drops what moving rows left behind.
        connection.execute("VACUUM")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except sqlite3.OperationalError as error:
        if _error_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return False
        raise


@contextlib.contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into one-line errors of this toolkit."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from None
    except UnicodeDecodeError:
        # SQLite's own message quotes a damaged schema, and the module can't decode it.
        raise ModelFormatError(f"{path}: damaged store (text in it is not UTF-8)") from None


def _translated(path: Path, error: sqlite3.Error) -> SpeakerGmmError:
    name = _error_name(error)
    reason = " ".join(str(error).split())
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_FORMAT", "SQLITE_MISMATCH")):
        return ModelFormatError(f"{path}: damaged store ({reason})")
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreError(f"{path}: a store object can't be used that way ({reason})")
    if name == "SQLITE_ERROR" or not name:
        # Our statements are right, so a table or column is missing or text isn't text.
        return ModelFormatError(f"{path}: damaged store, or not of this format ({reason})")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(f"{path}: another program keeps the store locked; try again later")
    # SQLite calls a log that can't grow an I/O error, whatever the reason.
    if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and _is_full(path)):
        return StoreError(f"{path}: the disk is full; nothing was stored")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(
            f"{path}: can't be opened for writing ({reason}); a store and its folder must be "
            "writable even to read it, so copy it to where they are"
        )
    return StoreError(f"{path}: the store can't be read or written ({reason})")


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.absolute().parent).free < _SMALLEST_LOG
    except OSError:
        return False


def _check_header(path: Path) -> None:
    try:
        if path.is_dir():
            raise StoreError(f"{path}: is a folder, not a speaker store")
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise StoreError(f"{path}: no such store") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{os.fspath(path)!r}: can't be read ({error})") from None
    if not header.startswith(_MAGIC):
        raise ModelFormatError(f"{path}: not a speaker store; it is {describe_file(path)}")
    if len(header) < 100:
        raise ModelFormatError(f"{path}: damaged store (only {len(header)} bytes long)")
    if _number(header, 68) != APPLICATION_ID:
        raise ModelFormatError(
            f"{path}: an SQLite database, but not a speaker store (or a damaged one)"
        )
    version = _number(header, 60)
    if version != SCHEMA_VERSION:
        raise ModelFormatError(
            f"{path}: store format version {version}; this speakergmm reads version "
            f"{SCHEMA_VERSION}, a newer one may read it"
        )


def _put_in_place(temporary: Path, path: Path) -> None:
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: the check and the renaming are two steps there.
            if path.exists():
                raise FileExistsError from None
            temporary.rename(path)
    except FileExistsError:
        raise StoreExistsError(
            f"{path}: another program has just made this store; open it"
        ) from None
    except OSError as error:
        raise StoreError(f"{path}: can't be made ({error.strerror or error})") from None


def _roll_back(connection: sqlite3.Connection) -> None:
    # Some errors end the transaction by themselves; then there is nothing to undo.
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _error_name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", "") or "")


def _number(header: bytes, offset: int) -> int:
    return int.from_bytes(header[offset : offset + 4], "big")
