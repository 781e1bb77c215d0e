"""What a corpus is described by, and how its folders become a list that the toolkit reads."""

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
        What the user calls the part of the corpus, and the folder that it is unpacked into.
    url : str
        Where the archive is.
    checksum : str or None
        ``algorithm:hexadecimal`` as its publisher gives it; None where none is published.
    """

    name: str
    url: str
    checksum: str | None = None

    @property
    def file_name(self) -> str:
        """Name to store the archive under: archives of several corpora may share a folder."""
        return f"{self.name}.tar.gz"


@dataclass(frozen=True, slots=True)
class Size:
    """How much a complete corpus, or part of it, holds."""

    n_speakers: int
    n_recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDescription:
    """All that one script knows about its corpus.

    Attributes
    ----------
    name : str
        Short name.
    title : str
        One line on what it is.
    homepage, licence, citation : str
        As the corpus's makers give them.
    layout : str
        Regular expression that a recording's path, relative to the corpus's folder and with ``/``
        between its parts, must match as a whole; it names a group ``speaker`` and, where the
        corpus has parts, a group ``part``.
    archives : tuple of Archive
        Empty where the user has to obtain the corpus herself.
    sizes : dict of str to Size
        What each part holds when complete; the part is ``""`` where there are none.
    obtain : str
        How the user obtains it, where there is nothing to download.
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
        """Names of the parts; empty where there is only one."""
        return tuple(part for part in self.sizes if part)

    def archive(self, name: str) -> Archive:
        """Get an archive by name.

        Raises
        ------
        InvalidInputError
            If there is none of that name.
        """
        for archive in self.archives:
            if archive.name == name:
                return archive
        known = ", ".join(archive.name for archive in self.archives)
        raise InvalidInputError(f"{self.name} has no part {name!r}; it has {known}")


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds of a corpus.

    Attributes
    ----------
    corpus : Corpus
        Its recordings, sorted by path.
    sizes : dict of str to Size
        By part.
    passed_over : tuple of str
        Audio files, relative to the folder, that are not named as the corpus's recordings are.
    """

    corpus: Corpus
    sizes: dict[str, Size]
    passed_over: tuple[str, ...]


def find_recordings(
    folder: Path, description: CorpusDescription, *, parts: tuple[str, ...] = ()
) -> Found:
    """Look through a folder for the recordings of a corpus.

    Parameters
    ----------
    folder : Path
        The corpus, or a folder that it lies in at any depth.
    description : CorpusDescription
        How recordings are named.
    parts : tuple of str
        Take these parts only; all where empty.

    Returns
    -------
    Found

    Raises
    ------
    CorpusError
        If the folder is missing or holds no recording named as expected.
    InvalidInputError
        If a part is unknown.
    """
    for part in parts:
        if part not in description.parts:
            known = ", ".join(description.parts) or "no parts"
            raise InvalidInputError(f"{description.name} has no part {part!r}; it has {known}")
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder; give the one that {description.name} lies in")
    pattern = re.compile(description.layout)
    utterances: list[Utterance] = []
    speakers: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    passed_over: list[str] = []
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if (has_audio_suffix(path.name) or has_unreadable_suffix(path.name))
        and not path.name.startswith(".")
    )
    for name in names:
        match = pattern.fullmatch(name)
        if match is None:
            passed_over.append(name)
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
            f"{folder} holds no recording{wanted} named as {description.name} names them "
            f"({len(names)} audio files seen); give the folder that the corpus lies in"
        )
    corpus = Corpus(tuple(utterances), source=str(folder), root=folder)
    sizes = {part: Size(len(speakers[part]), counts[part]) for part in sorted(counts)}
    return Found(corpus, sizes, tuple(passed_over))


def compare_sizes(found: Found, description: CorpusDescription) -> list[str]:
    """Say, part by part, how much there is and whether that is all of it."""
    lines = []
    for part, size in found.sizes.items():
        held = f"{size.n_recordings} recordings of {size.n_speakers} speakers"
        label = f"{part}: " if part else ""
        expected = description.sizes.get(part)
        if expected is None or expected == size:
            lines.append(f"{label}{held}" + ("" if expected is None else ", complete"))
        else:
            lines.append(
                f"{label}{held}; the whole has {expected.n_recordings} of {expected.n_speakers}"
            )
    return lines
