"""What a corpus is: utterances of speakers, wherever they came from."""

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
    """A recording, or a stretch of one, and who speaks in it.

    Parameters
    ----------
    id : str
        What the corpus calls it; unique in the corpus. Kept as `speakergmm.words.clean` has it.
    path : Path
        The recording. Whether it exists is not looked at.
    speaker : str or None
        Who speaks; None where nobody said. Kept in Unicode normal form C.
    start : float, default=0.0
        Where the stretch begins, in seconds.
    end : float or None
        Where it ends, in seconds; None for the end of the recording.
    recording : str or None
        What the corpus calls the recording, where it has a name for it, as Kaldi's have.

    Raises
    ------
    InvalidInputError
        If the name is not allowed, the id is empty, the id or path holds a control character, or
        not ``0 <= start < end``.
    InvalidTypeError
        If the id is no str.

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
                    f"{what} {quoted(text)} holds {character}; control characters and bytes that "
                    "are not UTF-8 are not allowed"
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
    """Two utterances that cannot stand in one corpus.

    Parameters
    ----------
    first, second : int
        Their places, ``first < second``.
    reason : str
        What is wrong, ending so that "... of utterance X" or "... on line 7" may follow.
    """

    first: int
    second: int
    reason: str


def find_conflicts(utterances: Sequence[Utterance]) -> list[Conflict]:
    """Find repeated ids, repeated stretches of a recording, and speakers spelled in two ways.

    Parameters
    ----------
    utterances : sequence of Utterance

    Returns
    -------
    list of Conflict
        In the order of their second utterance; each conflicting speaker is named once.
    """
    conflicts = []
    ids: dict[str, int] = {}
    stretches: dict[tuple[str, float, float | None], int] = {}
    spellings: dict[str, int] = {}
    speakers: set[str | None] = set()
    for place, utterance in enumerate(utterances):
        stretch = (os.path.normpath(utterance.path), utterance.start, utterance.end)
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
    """Utterances and where they came from; immutable.

    Parameters
    ----------
    utterances : tuple of Utterance
        In the order of the list, or sorted where there is no list. Either all of them have a
        speaker or none has.
    source : str
        The folder or list they were read from, or a word on how they were made.
    root : Path or None
        The folder that relative paths were taken from. The digest names recordings relative to
        it, so that a corpus keeps its digest when it is moved.
    notes : tuple of str
        What the reader passed over, such as a speaker's folder without recordings.
    faults : tuple of Fault
        What is wrong with the list, and was left out in reading without ``strict``.
    passed_over : tuple of PassedOver
        What of the notes is about files and folders, with counts.
    listing : bytes or None
        The list, where it came through a pipe, which cannot be read again for its texts.

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
    passed_over: tuple[SkippedFiles, ...] = ()
    listing: bytes | None = None

    def __post_init__(self) -> None:
        for name in ("utterances", "notes", "faults", "passed_over"):
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
                f"{shown(self.source)}: utterance {quoted(unnamed[0].id)} has no speaker and others"
                f" have{and_more(unnamed)}; name all speakers or none"
            )

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __repr__(self) -> str:
        told = "".join(
            f", {len(found)} {what}{'s' if len(found) > 1 else ''}"
            for found, what in ((self.faults, "fault"), (self.notes, "note"))
            if found
        )
        return (
            f"Corpus({len(self)} utterances of {len(self.speakers)} speakers, "
            f"source={self.source!r}{told})"
        )

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, sorted; empty where the corpus names none."""
        return tuple(sorted({u.speaker for u in self.utterances if u.speaker is not None}))

    def by_speaker(self) -> dict[str, tuple[Utterance, ...]]:
        """Group the utterances by speaker.

        Returns
        -------
        dict of str to tuple of Utterance
            Speakers sorted, their utterances in the corpus's order.

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
        """SHA-256 (hexadecimal) of what is listed: ids, paths, speakers, starts and ends.

        It does not depend on the order of the list, nor, for recordings under ``root``, on where
        the data lie. The recordings' content is not part of it.
        """
        rows = sorted(
            (u.id, relative_name(u.path, self.root), u.speaker or "", float(u.start), u.end or -1.0)
            for u in self.utterances
        )
        text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def relative_name(path: PurePath, root: PurePath | None) -> str:
    """Name a recording relative to a folder where it lies below it, with ``/`` between folders."""
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()
