"""Connection to an open store: transactions that read and write, and the write-ahead log.

Readers never wait for writers, and a store in a read-only file or folder can be read as well.
SQLite's write-ahead log is kept empty: after each change its content is moved into the store,
unless another program is reading an older state at that moment.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from speakergmm.errors import StoreError
from speakergmm.speakers import database
from speakergmm.speakers.integrity import Ledger, check_small, check_whole
from speakergmm.speakers.values import StoreFile

# SQLite keeps a file of shared memory next to the store; these errors mean that it cannot be made.
_READ_ONLY_ERRORS = (
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
    "SQLITE_IOERR_SHM",
    "SQLITE_FULL",
    "SQLITE_PERM",
)
# Seconds to wait for readers of an older state before a removal reports them.
_READERS_WAIT = 2.0


class StoreConnection:
    """An open store file, which is checked when it is opened.

    Parameters
    ----------
    path : Path
    busy_timeout : float
        Longest wait for other programs that write to the store, in seconds.

    Raises
    ------
    StoreError
        If there is no store, or it is not readable.
    ModelFormatError
        If the file is not a store, is damaged, or is of another version.
    """

    def __init__(self, path: Path, *, busy_timeout: float) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self._connection: StoreFile | None = None
        self._frozen_state: tuple[int, ...] | None = None
        self._read_only_reason = ""
        self._written = False
        self._open()

    def close(self) -> None:
        """Close the file; it may be closed twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[StoreFile]:
        """Read one state of the store throughout, whatever other programs write in the meantime.

        Raises
        ------
        StoreError
            If SQLite's own files could not be made next to the store, and the store was changed in
            the meantime.
        """
        connection = self._opened()
        with database.translated_errors(self.path):
            if self._frozen_state is not None and self._frozen_state != self._file_state():
                self.close()
                self._open()
                connection = self._opened()
            connection.execute("BEGIN")
            try:
                yield connection
                if self._frozen_state is not None and self._frozen_state != self._file_state():
                    raise StoreError(f"{self.path}: was changed while it was read; try again")
            finally:
                _roll_back(connection)

    @contextlib.contextmanager
    def writing(self, *, thorough: bool = False) -> Iterator[Ledger]:
        """Hold the write lock; commit at the end, or undo all changes if an error is raised.

        Parameters
        ----------
        thorough : bool, default=False
            Check the structure of the whole file before and after this change, instead of only
            before the first change.
        """
        connection = self._opened()
        if self._frozen_state is not None:
            raise StoreError(self._read_only_reason)
        with database.translated_errors(self.path):
            connection.execute("PRAGMA query_only = OFF")
            try:
                connection.execute("BEGIN IMMEDIATE")
                if thorough or not self._written:
                    check_whole(connection, content=thorough)
                ledger = Ledger.read(connection)
                yield ledger
                ledger.write()
                if thorough:
                    check_whole(connection)
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("PRAGMA query_only = ON")
        self._written = True

    def empty_log(self, *, wait: bool) -> str | None:
        """Move the content of the write-ahead log into the store, and empty the log.

        Parameters
        ----------
        wait : bool
            Wait a moment for readers of an older state.

        Returns
        -------
        str or None
            The reason why the log is not empty; all changes are stored in any case.
        """
        connection = self._opened()
        seconds = min(_READERS_WAIT, self._busy_timeout) if wait else 0.0
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            if database.is_full(self.path, error):
                return "the disk is full"
            if database.error_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                return "another program uses the store"
            return f"it cannot be written ({' '.join(str(error).split())})"
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(1000 * self._busy_timeout)}")
        return "another program uses the store" if busy else None

    def _opened(self) -> StoreFile:
        if self._connection is None:
            raise StoreError(f"{self.path}: the store is closed; open it again")
        return self._connection

    def _open(self) -> None:
        database.check_header(self.path)
        with database.translated_errors(self.path):
            self._frozen_state = None
            try:
                connection = self._connected("mode=rw")
            except sqlite3.Error as error:
                if not database.error_name(error).startswith(_READ_ONLY_ERRORS):
                    raise
                self._read_only_reason = str(database.describe_error(self.path, error))
                connection = self._connected_without_log()
            try:
                connection.execute("BEGIN")
                check_small(connection)
                connection.execute("ROLLBACK")
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def _connected_without_log(self) -> StoreFile:
        # SQLite then neither locks the file nor notices changes: the stamp of the file is compared
        # before and after reading, and digests detect changes that the stamp does not show.
        stamp = self._file_state()
        if stamp[-1]:
            raise StoreError(
                f"{self.path}: cannot be read in a read-only folder, because changes wait in "
                f"{self.path.name}-wal; open it once where the file and its folder are writable"
            )
        connection = self._connected("mode=ro&immutable=1")
        self._frozen_state = stamp
        return connection

    def _connected(self, mode: str) -> StoreFile:
        # With "rw", SQLite opens a write-protected file for reading; in another mode it would leave
        # its log behind.
        address = f"file:{quote(os.fspath(self.path.absolute()))}?{mode}"
        connection = database.connect(self.path, address, uri=True, timeout=self._busy_timeout)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA secure_delete = ON")
            # No biometric data in the system's folder of temporary files.
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _file_state(self) -> tuple[int, ...]:
        """Return numbers that change when the file does; the last is the size of its log."""
        place = Path(os.path.realpath(self.path))
        found = place.stat()
        log = place.with_name(f"{place.name}-wal")
        waiting = log.stat().st_size if log.exists() else 0
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, waiting


def _roll_back(connection: StoreFile) -> None:
    # Some errors have already ended the transaction; then there is nothing to undo.
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
