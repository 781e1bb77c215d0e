"""The files of a model that others have trained, in a folder or a zip.

Nothing is unpacked to disk, and nothing but what is asked for to memory.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from speakergmm.corpora import AnyPath
from speakergmm.corpora.names import quoted, shown
from speakergmm.errors import ModelFormatError
from speakergmm.files import kind_of, open_regular, read_bytes

_LARGEST = 1 << 28
_MOST_FILES = 1000
# Models compress by half; text by twenty.
_UNPACKED_AT_LEAST, _UNPACKED_AT_MOST = 1 << 20, 100
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_REFUSALS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, ArithmeticError,
             RuntimeError, LookupError)  # fmt: skip


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model by their names, below the folder that holds them all.

    Parameters
    ----------
    path : Path
        The folder, or the zip.
    names : tuple of str
        Names of its files; in a folder of its own of a zip, those below it.
    prefix : str
        That folder of the zip, with a slash; empty for none.
    """

    path: Path
    names: tuple[str, ...]
    prefix: str = ""

    @classmethod
    def of(cls, path: AnyPath) -> ModelFiles:
        """Return the files of a folder or of a zip.

        Raises
        ------
        UnreadableFileError
            If it cannot be read.
        ModelFormatError
            If it is a zip that is damaged, or that has links, files outside of it, the same file
            twice, or files that are encrypted or a hundred times as long when they are unpacked.
        """
        place = Path(path)
        if kind_of(place) == "folder":
            found = (*place.iterdir(), *(place / "phones").glob("*"), *(place / "conf").glob("*"))
            files = sorted(each for each in found if kind_of(each) == "file")
            return cls(place, tuple(each.relative_to(place).as_posix() for each in files))
        with _opened(place) as archive:
            names = _checked_names(place, archive)
        tops = {name.split("/")[0] if "/" in name else "" for name in names}
        prefix = f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""
        return cls(place, tuple(name[len(prefix) :] for name in names), prefix)

    def shown(self, name: str) -> Path:
        """Return the place of a file, for messages."""
        return self.path / self.prefix / name

    def first(self, *names: str) -> str | None:
        """Return the first of some names that there is."""
        return next((name for name in names if name in self.names), None)

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        UnreadableFileError, ModelFormatError
            If there is none, or it is damaged.
        """
        if name not in self.names:
            listed = ", ".join(self.names[:20]) or "nothing"
            raise ModelFormatError(f"{shown(self.path)}: has no file {name}; it has {listed}")
        if kind_of(self.path) == "folder":
            return read_bytes(self.path / name, limit=_LARGEST)
        with _opened(self.path) as archive:
            return archive.read(self.prefix + name)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; errors of its reading name it."""
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except _REFUSALS as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelFormatError(
                f"{shown(path)}: is no whole zip, and no folder ({reason})"
            ) from None


def _checked_names(path: Path, archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Return the names of the files of a zip, if it is none that could do harm."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    faults = [fault for entry in entries if (fault := _fault_of(entry))]
    names = tuple(entry.filename for entry in entries)
    if len(entries) > _MOST_FILES:
        faults = [f"has {len(entries):,} files, more than {_MOST_FILES}"]
    elif len(set(names)) < len(names):
        faults.append("has the same file twice")
    elif not names:
        faults.append("has no file")
    # What the entries themselves state may be made up.
    packed, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries)
    if unpacked > min(_LARGEST, _UNPACKED_AT_LEAST + _UNPACKED_AT_MOST * packed):
        faults.append(f"becomes {unpacked:,} bytes, over {_UNPACKED_AT_MOST} times its length")
    if faults:
        raise ModelFormatError(f"{shown(path)}: {faults[0]}")
    return names


def _fault_of(entry: zipfile.ZipInfo) -> str | None:
    name, place = quoted(entry.filename), PurePosixPath(entry.filename)
    if place.is_absolute() or ".." in place.parts or set(entry.filename) & {"\\", ":", "\0"}:
        return f"has the file {name}, which lies outside of it"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return f"{name} is a link; models have files alone"
    if entry.flag_bits & _ENCRYPTED:
        return f"{name} is encrypted"
    if entry.compress_type not in _METHODS:
        return f"{name} is packed by a method other than deflate"
    return None
