"""Descriptions of corpora, and search for their recordings in a folder."""

import re
from dataclasses import dataclass
from pathlib import Path

from speakergmm.audio import has_audio_suffix, has_unreadable_suffix
from speakergmm.corpora import Corpus, Utterance, check_speaker_name
from speakergmm.errors import CorpusError, InvalidInputError


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download.

    Attributes
    ----------
    name : str
        Name of the part of the corpus, and of the folder into which it is unpacked.
    url : str
        Address of the archive.
    checksum : str or None
        Published checksum as ``algorithm:hexadecimal``; None if none is published.
    """

    name: str
    url: str
    checksum: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the stored archive, so that archives of several corpora may share a folder."""
        return f"{self.name}.tar.gz"


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of speakers and recordings in a corpus or a part of it."""

    n_speakers: int
    n_recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDescription:
    """Description of a corpus, from which its script is made.

    Attributes
    ----------
    name : str
        Short name.
    title : str
        Description in one line.
    homepage, licence, citation : str
        Information from the authors of the corpus.
    layout : str
        Regular expression that matches the whole path of a recording, relative to the folder of
        the corpus and with ``/`` between its parts. It has a group ``speaker`` and, if the corpus
        has parts, a group ``part``.
    archives : tuple of Archive
        Files to download; empty if users must obtain the corpus themselves.
    sizes : dict of str to Size
        Size of each complete part; the name is ``""`` if there are no parts.
    obtain : str
        How to obtain the corpus, if it cannot be downloaded.
    """

    name: str
    title: str
    homepage: str
    licence: str
    citation: str
    layout: str
    archives: tuple[Archive, ...] = ()
    sizes: dict[str, Size]
    obtain: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts; empty if there are no parts."""
        return tuple(part for part in self.sizes if part)

    def archive(self, name: str) -> Archive:
        """Return an archive by name.

        Raises
        ------
        InvalidInputError
            If there is no archive of that name.
        """
        for archive in self.archives:
            if archive.name == name:
                return archive
        known = ", ".join(archive.name for archive in self.archives)
        raise InvalidInputError(f"{self.name} has no part {name!r}; it has {known}")


@dataclass(frozen=True, slots=True)
class Found:
    """Recordings of a corpus that were found in a folder.

    Attributes
    ----------
    corpus : Corpus
        The recordings, sorted by path.
    sizes : dict of str to Size
        Size of each part.
    skipped : tuple of str
        Audio files, relative to the folder, whose names are not those of the corpus.
    """

    corpus: Corpus
    sizes: dict[str, Size]
    skipped: tuple[str, ...]


def find_recordings(
    folder: Path, description: CorpusDescription, *, parts: tuple[str, ...] = ()
) -> Found:
    """Find the recordings of a corpus in a folder.

    Parameters
    ----------
    folder : Path
        Folder of the corpus, or one that contains it at any depth.
    description : CorpusDescription
        Description of the corpus, with the names of recordings.
    parts : tuple of str
        Parts to include; all if empty.

    Returns
    -------
    Found

    Raises
    ------
    CorpusError
        If the folder is missing or contains no recording with an expected name.
    InvalidInputError
        If a part is unknown.
    """
    for part in parts:
        if part not in description.parts:
            known = ", ".join(description.parts) or "no parts"
            raise InvalidInputError(f"{description.name} has no part {part!r}; it has {known}")
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder; give the folder of {description.name}")
    pattern = re.compile(description.layout)
    utterances: list[Utterance] = []
    speakers: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    skipped: list[str] = []
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if (has_audio_suffix(path.name) or has_unreadable_suffix(path.name))
        and not path.name.startswith(".")
    )
    for name in names:
        match = pattern.fullmatch(name)
        if match is None:
            skipped.append(name)
            continue
        part = match.groupdict().get("part") or ""
        if parts and part not in parts:
            continue
        speaker = check_speaker_name(match["speaker"])
        utterances.append(Utterance(name, folder / name, speaker))
        speakers.setdefault(part, set()).add(speaker)
        counts[part] = counts.get(part, 0) + 1
    if not utterances:
        wanted = f" of {', '.join(parts)}" if parts else ""
        raise CorpusError(
            f"{folder} contains no recording{wanted} with a name of {description.name} "
            f"({len(names)} audio files found); give the folder of the corpus"
        )
    corpus = Corpus(tuple(utterances), source=str(folder), root=folder)
    sizes = {part: Size(len(speakers[part]), counts[part]) for part in sorted(counts)}
    return Found(corpus, sizes, tuple(skipped))


def compare_sizes(found: Found, description: CorpusDescription) -> list[str]:
    """Return a line per part that states its size and whether it is complete."""
    lines = []
    for part, size in found.sizes.items():
        held = f"{size.n_recordings} recordings of {size.n_speakers} speakers"
        label = f"{part}: " if part else ""
        expected = description.sizes.get(part)
        if expected is None or expected == size:
            lines.append(f"{label}{held}" + ("" if expected is None else ", complete"))
        else:
            lines.append(
                f"{label}{held}, of {expected.n_recordings} recordings of "
                f"{expected.n_speakers} speakers in all"
            )
    return lines
