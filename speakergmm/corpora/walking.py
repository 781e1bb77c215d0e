"""Walk through the folders of a corpus that visits each file once, however it is linked."""

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from speakergmm.audio import has_audio_suffix, has_unreadable_suffix
from speakergmm.corpora.skipped_files import SkippedFilesCounter
from speakergmm.errors import CorpusError

Parts = tuple[str, ...]
"""A path relative to the corpus folder."""

TRANSCRIPT_SUFFIXES = (".txt", ".lab")
"""Suffixes of files with transcripts that may lie beside recordings."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A link to a file or folder that was reached by another path.

    Parameters
    ----------
    parts, met : tuple of str
        The link, and the path by which the target was reached before.
    met_by_link : bool
        Whether that path contains another link; then neither takes precedence.
    """

    parts: Parts
    met: Parts
    met_by_link: bool


@dataclass(slots=True)
class Walk:
    """Result of a walk through a folder.

    Parameters
    ----------
    recordings : list of tuple of str
        Files with the suffix of a readable recording, sorted.
    folders : list of tuple of str
        Folders that were read, without the corpus folder itself.
    aliases : list of Alias
        Links that were not followed, since their targets are read anyway.
    unread : list of (tuple of str, str)
        Files and folders that could not be read, with the reasons.
    skipped : SkippedFilesCounter
        Everything else that is not read.
    """

    recordings: list[Parts] = field(default_factory=list)
    folders: list[Parts] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    unread: list[tuple[Parts, str]] = field(default_factory=list)
    skipped: SkippedFilesCounter = field(default_factory=SkippedFilesCounter)


def walk_folder(root: Path) -> Walk:
    """Find the recordings below a folder.

    Links are followed after everything else: a file or folder that is reached both directly and by
    a link is found at its own place, never under the name of the link. Links to the corpus folder,
    or to a folder that contains it, are not followed.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    Walk

    Raises
    ------
    CorpusError
        If the path contains a null character, which no file system allows.
    """
    if "\0" in os.fspath(root):
        raise CorpusError(f"a path must not contain a null character, found {os.fspath(root)!r}")
    walk = _Walker(root)
    walk.read_folder((), os.fspath(root), os.path.realpath(root), by_link=False)
    walk.follow_links()
    walk.recordings.sort()
    walk.folders.sort()
    return walk


class _Walker(Walk):
    """A walk in progress."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = Path(os.path.realpath(root))
        self._links: list[tuple[Parts, str]] = []
        # By real path: the path by which it was reached, and whether that contains a link.
        self._met: dict[str, tuple[Parts, bool]] = {}

    def read_folder(self, parts: Parts, path: str, real: str, *, by_link: bool) -> None:
        """Read a folder and those below it, without recursion, since there may be thousands."""
        pending = [(parts, path, real)]
        while pending:
            parts, path, real = pending.pop()
            if self._is_known(parts, real, by_link):
                continue
            if parts:
                self.folders.append(parts)
            try:
                with os.scandir(path) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.unread.append((parts, error.strerror or str(error)))
                continue
            for entry in listed:
                below = (*parts, entry.name)
                lies_at = f"{real}{os.sep}{entry.name}"
                try:
                    if entry.name.startswith("."):
                        self.skipped.add("hidden files and folders", _joined(below))
                    elif entry.is_symlink():
                        self._links.append((below, entry.path))
                    elif entry.is_dir(follow_symlinks=False):
                        pending.append((below, entry.path, lies_at))
                    else:
                        regular = entry.is_file(follow_symlinks=False)
                        self._take(below, lies_at, regular, by_link)
                except OSError as error:  # on file systems that list names without file types
                    self.unread.append((below, error.strerror or str(error)))

    def follow_links(self) -> None:
        """Follow all links, including those that are found behind links."""
        while self._links:
            links, self._links = sorted(self._links), []
            for parts, path in links:
                real = os.path.realpath(path)
                try:
                    mode = Path(real).stat().st_mode
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                        self._take_broken(parts)
                    else:
                        self.unread.append((parts, error.strerror or str(error)))
                    continue
                if not stat.S_ISDIR(mode):
                    self._take(parts, real, stat.S_ISREG(mode), by_link=True)
                elif self._root.is_relative_to(real):
                    self.skipped.add("links back to the corpus folder", _joined(parts))
                else:
                    self.read_folder(parts, path, real, by_link=True)

    def _take(self, parts: Parts, real: str, regular: bool, by_link: bool) -> None:
        """Store a recording, or count another file as skipped."""
        name = parts[-1]
        ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - of every file
        if not regular:
            self.skipped.add("pipes, sockets and devices", _joined(parts))
        elif has_audio_suffix(name):
            if not self._is_known(parts, real, by_link):
                self.recordings.append(parts)
        elif has_unreadable_suffix(name):
            self.skipped.add(
                "recordings in formats that cannot be read",
                _joined(parts),
                advice="convert them to WAV or FLAC",
                ending=ending,
            )
        elif parts == ("text",):
            pass  # Kaldi's file of transcripts is read elsewhere
        elif not ending:
            self.skipped.add(
                "files without a suffix",
                _joined(parts),
                advice="rename recordings among them, as in 'a.wav'",
            )
        elif len(parts) == 1 and ending in (".csv", ".tsv"):
            self.skipped.add("lists", _joined(parts), advice="to read a list, give its own path")
        elif ending not in TRANSCRIPT_SUFFIXES:
            self.skipped.add("other files", _joined(parts), ending=ending)

    def _take_broken(self, parts: Parts) -> None:
        # A recording is kept, so that validation reports it as missing.
        if has_audio_suffix(parts[-1]):
            self.recordings.append(parts)
        else:
            self.skipped.add("links that lead nowhere", _joined(parts))

    def _is_known(self, parts: Parts, real: str, by_link: bool) -> bool:
        """Return whether a real path was reached before; if so, store the alias."""
        met, met_by_link = self._met.setdefault(real, (parts, by_link))
        if met is parts:
            return False
        self.aliases.append(Alias(parts, met, met_by_link))
        return True


def _joined(parts: Iterable[str]) -> str:
    return "/".join(parts)
