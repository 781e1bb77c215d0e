"""The file of a speaker store: its header, creation, and errors of the database."""

import contextlib
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from speakergmm.errors import ModelFormatError, SpeakerGmmError, StoreError
from speakergmm.file_kinds import STORE_APPLICATION_ID, describe_file, needed
from speakergmm.files import UnreadableFileError, name_fault, open_regular, shown_path
from speakergmm.speakers.integrity import Ledger
from speakergmm.speakers.store_schema import SCHEMA
from speakergmm.speakers.values import StoreFile
from speakergmm.temporaries import CAN_LOCK, is_temporary, new_private_file, temporary_sibling

Result = TypeVar("Result")

SCHEMA_VERSION = 4

_UNFINISHED_ID = 0x53474D3F
_SMALLEST_LOG = 1 << 16  # bytes
_MAGIC = b"SQLite format 3\0"

# Other fields of SQLite's header in every store: pages of 4096 bytes, version numbers, no reserved
# bytes, fixed fractions; schema format 4; no automatic vacuum; UTF-8.
_PAGES = re.compile(rb"\x10\x00[\x01\x02][\x01\x02]\x00\x40\x20\x20")
_FIXED = ((44, 4), (52, 0), (56, 1), (64, 0))


def is_store(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a speaker store, according to its first bytes.

    Parameters
    ----------
    path : path
        The file; False is returned if it cannot be read.

    Examples
    --------
    >>> is_store("no such file")
    False
    """
    try:
        with open_regular(path) as file:
            header = file.read(100)
        if is_temporary(Path(os.path.realpath(path))):
            return False
    except (OSError, ValueError, SpeakerGmmError):
        return False
    return header.startswith(_MAGIC) and _number(header, 68) == STORE_APPLICATION_ID


class StoreExistsError(StoreError):
    """Raised if a file exists where a new store was to be made."""


def check_place(path: Path) -> None:
    """Raise an error if no store can be made at a path.

    Raises
    ------
    StoreExistsError
        If there is a file at the path.
    StoreError
        If the name is not a valid one, or the folder does not exist.
    """
    if (fault := name_fault(path)) is not None:
        raise StoreError(f"the store's name {fault}; give another name")
    name = shown_path(path)
    if is_temporary(path):
        raise StoreError(f"{name}: is a name of temporary files; give another name")
    if os.path.lexists(path):
        raise StoreExistsError(f"{name}: already exists; open it, or give the name of a new store")
    if not os.path.isdir(path.absolute().parent):  # noqa: PTH112 (Path.is_dir raises on long names)
        raise StoreError(f"{name}: cannot be made because its folder does not exist")


def create_database(
    path: Path, meta: dict[str, bytes | str], fill: Callable[[Ledger], Result]
) -> Result:
    """Make a new store, completely or not at all, and never over an existing file.

    Only its owner can read it, whatever the umask of the process: it contains biometric data.

    Parameters
    ----------
    path : Path
    meta : dict
        Rows of the table "meta".
    fill : callable
        Writes further rows; no store is made if it raises an error.

    Returns
    -------
    object
        The result of `fill`.

    Raises
    ------
    StoreExistsError
        If the file exists.
    StoreError
        If it cannot be written.
    """
    check_place(path)
    # The store is built in a temporary file next to its place and linked there when it is complete:
    # a kill leaves no half-made store, and one of two programs that make the same store is refused.
    with translated_errors(path), temporary_sibling(path, new_private_file) as (temporary, handle):
        if not CAN_LOCK:
            os.close(handle)
        try:
            connected = connect(path, os.fspath(temporary))
            with contextlib.closing(connected) as file:
                result = _build(file, meta, fill)
            _put_in_place(temporary, path)
            return result
        finally:
            for suffix in ("-wal", "-shm"):
                temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def connect(path: Path, address: str, **options: Any) -> StoreFile:
    """Connect to the file of a store, which may still be a temporary one (`address`)."""
    file = sqlite3.connect(address, isolation_level=None, factory=StoreFile, **options)
    file.path = path
    return file


def _build(
    file: StoreFile, meta: dict[str, bytes | str], fill: Callable[[Ledger], Result]
) -> Result:
    file.execute("PRAGMA page_size = 4096")
    file.execute("PRAGMA auto_vacuum = NONE")
    file.execute(f"PRAGMA application_id = {_UNFINISHED_ID}")
    file.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    # No write-ahead log yet: closing copies it, without an error if the disk is full. No journal
    # either, which a kill would leave behind: an incomplete file is thrown away.
    file.execute("PRAGMA journal_mode = MEMORY")
    file.execute("PRAGMA synchronous = FULL")
    file.execute("PRAGMA temp_store = MEMORY")
    file.executescript("BEGIN IMMEDIATE;" + SCHEMA)
    file.execute("INSERT INTO meta VALUES ('system', ?)", (meta["system"],))
    ledger = Ledger(file, {key: value for key, value in meta.items() if key != "system"})
    result = fill(ledger)
    ledger.write()
    file.execute("COMMIT")
    file.execute(f"PRAGMA application_id = {STORE_APPLICATION_ID}")
    file.execute("PRAGMA journal_mode = WAL")
    return result


@contextlib.contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Translate errors of SQLite into one-line errors of this toolkit."""
    try:
        yield
    except sqlite3.Error as error:
        raise describe_error(path, error) from None
    except UnicodeDecodeError:
        # SQLite's message quotes a damaged schema, which the module cannot decode.
        raise ModelFormatError(
            f"{shown_path(path)}: damaged store (text in it is not UTF-8)"
        ) from None
    except OSError as error:
        raise StoreError(
            f"{shown_path(path)}: cannot be used ({error.strerror or error})"
        ) from None


def error_name(error: sqlite3.Error) -> str:
    """Return the name that SQLite gives an error, such as ``"SQLITE_FULL"``."""
    return str(getattr(error, "sqlite_errorname", "") or "")


def is_full(path: Path, error: sqlite3.Error) -> bool:
    """Return whether an error means a full disk; if the log cannot grow, it is an I/O error."""
    name = error_name(error)
    if name.startswith("SQLITE_FULL"):
        return True
    try:
        free = shutil.disk_usage(path.absolute().parent).free
    except OSError:
        return False
    return name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and free < _SMALLEST_LOG


def describe_error(path: Path, error: sqlite3.Error) -> SpeakerGmmError:
    """Return the one-line error of this toolkit for an error of SQLite."""
    name, store = error_name(error), shown_path(path)
    reason = " ".join(str(error).split())
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_FORMAT", "SQLITE_MISMATCH")):
        return ModelFormatError(f"{store}: damaged store ({reason})")
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreError(f"{store}: a store object cannot be used in this way ({reason})")
    if name == "SQLITE_ERROR" or not name:
        # The statements are correct, so a table or column is missing, or text is not text.
        return ModelFormatError(f"{store}: damaged store, or not of this format ({reason})")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(f"{store}: another program has locked the store; try again later")
    if is_full(path, error):
        return StoreError(f"{store}: the disk is full; nothing was changed")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(
            f"{store}: cannot be written ({reason}); a store and its folder must be "
            "writable to change it"
        )
    return StoreError(f"{store}: the store cannot be read or written ({reason})")


def check_header(path: Path) -> None:
    """Check the first 100 bytes of a store.

    Raises
    ------
    StoreError
        If there is no file, or it is not readable.
    ModelFormatError
        If it is not a store, is damaged, or is of another version.
    """
    store = shown_path(path)
    try:
        with open_regular(path) as file:
            header = file.read(100)
    except UnreadableFileError as error:
        if error.kind == "missing":
            raise StoreError(
                f"{error.shown_path}: there is no such store; enroll with a background model, "
                "or in Python SpeakerStore.create, makes one"
            ) from None
        if error.kind == "folder":
            raise StoreError(f"{error.shown_path}: is a folder, not a speaker store") from None
        raise StoreError(str(error)) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{os.fspath(path)!r}: cannot be read ({error})") from None
    if not header.startswith(_MAGIC):
        raise ModelFormatError(f"{store}: is {describe_file(path)}, not {needed('speaker store')}")
    if is_temporary(Path(os.path.realpath(path))):
        raise ModelFormatError(
            f"{store}: is not a speaker store, but the remains of one whose creation was "
            "interrupted; delete it"
        )
    if len(header) < 100:
        raise ModelFormatError(f"{store}: damaged store (only {len(header)} bytes long)")
    if _number(header, 68) != STORE_APPLICATION_ID:
        raise ModelFormatError(
            f"{store}: an SQLite database, but not a speaker store (or a damaged one)"
        )
    version = _number(header, 60)
    if 1 <= version < SCHEMA_VERSION:
        raise ModelFormatError(
            f"{store}: store format version {version}, of an earlier speakergmm; enrol the "
            "recordings again into a new store"
        )
    if version != SCHEMA_VERSION:
        raise ModelFormatError(
            f"{store}: store format version {version}; this speakergmm reads version "
            f"{SCHEMA_VERSION}, a newer one may read it"
        )
    if not _PAGES.fullmatch(header[16:24]) or any(
        _number(header, offset) != value for offset, value in _FIXED
    ):
        raise ModelFormatError(f"{store}: damaged store (its header)")


def _put_in_place(temporary: Path, path: Path) -> None:
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            # On a file system without hard links, the check and the renaming are two steps.
            if path.exists():
                raise FileExistsError from None
            temporary.rename(path)
    except FileExistsError:
        raise StoreExistsError(
            f"{shown_path(path)}: another program has just made this store; open it"
        ) from None
    except OSError as error:
        raise StoreError(
            f"{shown_path(path)}: cannot be made ({error.strerror or error})"
        ) from None


def _number(header: bytes, offset: int) -> int:
    return int.from_bytes(header[offset : offset + 4], "big")
