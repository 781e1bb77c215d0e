"""Utterances and corpora, independent of the form in which they were stored."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from speakergmm.corpora.names import (
    check_speaker_name,
    comparison_key,
    quoted,
    shown,
    unlistable_character,
)
from speakergmm.corpora.skipped_files import SkippedFiles
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.ranges import wrong_type
from speakergmm.text_files import Fault, and_more
from speakergmm.words import clean


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording or a part of one, with its speaker.

    Parameters
    ----------
    id : str
        Name of the utterance, unique in the corpus; stored as `speakergmm.words.clean` returns it.
    path : Path
        The recording, which need not exist.
    speaker : str or None
        Name of the speaker, stored in Unicode normal form C; None if it is unknown.
    start : float, default=0.0
        Start of the utterance in the recording, in seconds.
    end : float or None
        End of the utterance, in seconds; None for the end of the recording.
    recording : str or None
        Name of the recording, in corpora that name recordings, such as Kaldi's.
    version : str
        Condition and seed of an augmented version in a feature store, such as ``"telephone/0"``;
        empty for the recording as it is. See `speakergmm.corpora.augmentation`.

    Raises
    ------
    InvalidInputError
        If the speaker's name is not allowed, the id is empty, the id or path contains a control
        character, or ``0 <= start < end`` is violated.
    InvalidTypeError
        If the id is not a string.

    Examples
    --------
    >>> Utterance("ana-1", Path("ana/1.wav"), "ana", end=2.5).end
    2.5
    """

    id: str
    path: Path
    speaker: str | None
    start: float = 0.0
    end: float | None = None
    recording: str | None = None
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if not isinstance(self.id, str):
            raise wrong_type(self.id, "the id of an utterance, Utterance(id, path, speaker),")
        object.__setattr__(self, "id", clean(self.id))
        if not self.id:
            raise InvalidInputError(f"the utterance of {shown(self.path)} has an empty id")
        for what, text in (("utterance id", self.id), ("path", str(self.path))):
            character = unlistable_character(text)
            if character is not None:
                raise InvalidInputError(
                    f"{what} {quoted(text)} contains {character}; control characters and bytes "
                    "that are not UTF-8 are not allowed"
                )
        if self.speaker is not None:
            object.__setattr__(self, "speaker", check_speaker_name(self.speaker))
        if not (math.isfinite(self.start) and self.start >= 0):
            raise InvalidInputError(
                f"utterance {quoted(self.id)} starts at {self.start:g} s; it must be 0 or later"
            )
        if self.end is not None and not (math.isfinite(self.end) and self.end > self.start):
            raise InvalidInputError(
                f"utterance {quoted(self.id)} ends at {self.end:g} s; it must end after its start "
                f"at {self.start:g} s"
            )


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two utterances that cannot belong to the same corpus.

    Parameters
    ----------
    first, second : int
        Their places in the sequence, ``first < second``.
    reason : str
        Beginning of a message, to which "of utterance X" or "on line 7" may be appended.
    """

    first: int
    second: int
    reason: str


def find_conflicts(utterances: Sequence[Utterance]) -> list[Conflict]:
    """Find repeated ids, repeated parts of a recording, and speakers with two spellings.

    Parameters
    ----------
    utterances : sequence of Utterance

    Returns
    -------
    list of Conflict
        In the order of their second utterance; each conflicting speaker is listed once.
    """
    conflicts = []
    ids: dict[str, int] = {}
    stretches: dict[tuple[str, float, float | None, str], int] = {}
    spellings: dict[str, int] = {}
    speakers: set[str | None] = set()
    for place, utterance in enumerate(utterances):
        stretch = (
            os.path.normpath(utterance.path),
            utterance.start,
            utterance.end,
            utterance.version,
        )
        earlier = ids.setdefault(utterance.id, place)
        if earlier != place:
            reason = f"utterance id {quoted(utterance.id)} repeats the id"
            conflicts.append(Conflict(earlier, place, reason))
        elif (earlier := stretches.setdefault(stretch, place)) != place:
            reason = f"{shown(utterance.path)} repeats the recording"
            conflicts.append(Conflict(earlier, place, reason))
        if utterance.speaker is None or utterance.speaker in speakers:
            continue
        speakers.add(utterance.speaker)
        earlier = spellings.setdefault(comparison_key(utterance.speaker), place)
        if earlier != place:
            other = utterances[earlier].speaker or ""
            reason = (
                f"speaker {quoted(utterance.speaker)} differs only in letter case from the "
                f"speaker {quoted(other)}"
            )
            conflicts.append(Conflict(earlier, place, reason))
    return conflicts


@dataclass(frozen=True, slots=True, repr=False)
class Corpus:
    """An immutable collection of utterances, with its source.

    Parameters
    ----------
    utterances : tuple of Utterance
        The utterances, in the order of the list, or sorted if there is no list. Either all of them
        have a speaker or none has.
    source : str
        The folder or list from which they were read, or a description of their origin.
    root : Path or None
        Folder to which paths were relative. The digest uses paths relative to it, so that a corpus
        keeps its digest when it is moved.
    notes : tuple of str
        Messages about what the reader skipped, such as a folder without recordings.
    faults : tuple of Fault
        Faults of the list whose entries were left out by reading without ``strict``.
    skipped_files : tuple of SkippedFiles
        Files and folders that the reader skipped, with counts; the notes mention them as well.
    listing : bytes or None
        Content of the list, if it came through a pipe, which cannot be read again.

    Raises
    ------
    CorpusError
        If ids or recordings repeat, two speakers differ only in letter case, or only some
        utterances have a speaker.

    Examples
    --------
    >>> corpus = Corpus((Utterance("a1", Path("a/1.wav"), "a"),), source="two files")
    >>> corpus.speakers
    ('a',)
    """

    utterances: tuple[Utterance, ...]
    source: str
    root: Path | None = None
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    skipped_files: tuple[SkippedFiles, ...] = ()
    listing: bytes | None = None

    def __post_init__(self) -> None:
        for name in ("utterances", "notes", "faults", "skipped_files"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        strange = next((u for u in self.utterances if not isinstance(u, Utterance)), None)
        if strange is not None:
            raise wrong_type(strange, "an utterance, Utterance(id, path, speaker),")
        conflicts = find_conflicts(self.utterances)
        if conflicts:
            found = conflicts[0]
            other = quoted(self.utterances[found.first].id)
            raise CorpusError(
                f"{shown(self.source)}: {found.reason} of utterance {other}{and_more(conflicts)}"
            )
        unnamed = [u for u in self.utterances if u.speaker is None]
        if unnamed and len(unnamed) < len(self.utterances):
            raise CorpusError(
                f"{shown(self.source)}: utterance {quoted(unnamed[0].id)} has no speaker, but "
                f"others have one{and_more(unnamed)}; name all speakers or none"
            )

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __repr__(self) -> str:
        extra = "".join(
            f", {len(found)} {what}{'s' if len(found) > 1 else ''}"
            for found, what in ((self.faults, "fault"), (self.notes, "note"))
            if found
        )
        return (
            f"Corpus({len(self)} utterances of {len(self.speakers)} speakers, "
            f"source={self.source!r}{extra})"
        )

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, sorted; empty if the corpus names none."""
        return tuple(sorted({u.speaker for u in self.utterances if u.speaker is not None}))

    def by_speaker(self) -> dict[str, tuple[Utterance, ...]]:
        """Return the utterances grouped by speaker.

        Returns
        -------
        dict of str to tuple of Utterance
            Sorted by speaker; utterances are in the order of the corpus.

        Raises
        ------
        CorpusError
            If the corpus names no speakers.
        """
        groups: dict[str, list[Utterance]] = {speaker: [] for speaker in self.speakers}
        if self.utterances and not groups:
            raise CorpusError(
                f"{shown(self.source)} names no speakers; give its list a column 'speaker'"
            )
        for utterance in self.utterances:
            groups[utterance.speaker or ""].append(utterance)
        return {speaker: tuple(group) for speaker, group in groups.items()}

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the ids, paths, speakers, starts and ends of all utterances.

        It does not depend on the order of the utterances, on the place of the corpus for recordings
        below ``root``, or on the content of the recordings.
        """
        rows = sorted(
            (u.id, relative_name(u.path, self.root), u.speaker or "", float(u.start), u.end or -1.0)
            for u in self.utterances
        )
        text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def relative_name(path: PurePath, root: PurePath | None) -> str:
    """Return a path with ``/`` between folders, relative to `root` if it lies below it."""
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()
