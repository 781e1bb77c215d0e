"""Corpora given as a folder that holds one folder per speaker."""

import os
from collections.abc import Iterator
from pathlib import Path

from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.names import (
    Spellings,
    check_speaker_name,
    quoted,
    shown,
    unlistable_character,
)
from speakergmm.errors import CorpusError, InvalidInputError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
"""Endings, in any letter case, by which a recording is told from other files in a folder."""


def has_audio_suffix(name: str) -> bool:
    """Say whether a file name ends as recordings do.

    Examples
    --------
    >>> has_audio_suffix("A.WAV"), has_audio_suffix("notes.txt")
    (True, False)
    """
    return name.lower().endswith(AUDIO_SUFFIXES)


def read_folder(folder: Path) -> Corpus | None:
    """Read a folder of speaker folders, however deep the recordings lie in them.

    Names that begin with a dot are passed over, as are files that don't end as recordings do.
    Links are followed.

    Parameters
    ----------
    folder : Path
        The folder; the names of the folders in it are the speakers'.

    Returns
    -------
    Corpus or None
        Sorted by speaker and path; None if no folder in it holds a recording. Ids are paths
        relative to ``folder``.

    Raises
    ------
    CorpusError
        If recordings lie beside the speaker folders, a speaker's name isn't allowed, two differ
        only in letter case or Unicode normal form, or a folder can't be read.
    """
    utterances: list[Utterance] = []
    notes: list[str] = []
    passed_over: list[str] = []
    spellings = Spellings()
    beside = None
    for entry in _entries(folder):
        if not entry.is_dir():
            if beside is None and _is_recording(entry):
                beside = entry.name
            continue
        found = list(_recordings(Path(entry.path), ()))
        if not found:
            notes.append(f"folder {quoted(entry.name)} holds no recording ({_endings()})")
            continue
        if clash := spellings.clash(entry.name, "in the same folder"):
            raise CorpusError(f"{shown(folder)}: speaker folder {clash}; rename or merge them")
        for path in found:
            if character := unlistable_character(path.name):
                passed_over.append(
                    f"recording {quoted(str(path.relative_to(folder)))} was passed over: its name "
                    f"holds {character}; rename it"
                )
            else:
                utterances.append(_utterance(path, folder, entry.name))
    if utterances and beside is not None:
        raise CorpusError(
            f"{shown(folder)}: recording {quoted(beside)} lies beside the speaker folders; move it "
            "into one, or name the recordings in a list"
        )
    if not utterances:
        if passed_over:
            raise CorpusError(f"{shown(folder)}: {passed_over[0]}; there is no other")
        return None
    return Corpus(tuple(utterances), source=str(folder), root=folder, notes=(*notes, *passed_over))


def _utterance(path: Path, folder: Path, speaker: str) -> Utterance:
    try:
        name = check_speaker_name(speaker)
        return Utterance(path.relative_to(folder).as_posix(), path, name)
    except InvalidInputError as error:
        raise CorpusError(f"{shown(folder)}: {error}") from error


def _recordings(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    try:
        found = folder.stat()
    except OSError as error:
        raise CorpusError(f"{shown(folder)} can't be read: {error.strerror}") from error
    here = (found.st_dev, found.st_ino)
    if here in above:  # a link back up: its recordings have been seen
        return
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _recordings(Path(entry.path), (*above, here))
        elif _is_recording(entry):
            yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise CorpusError(f"{shown(folder)} can't be read: {error.strerror}") from error
    return sorted(visible, key=lambda entry: entry.name)


def _is_recording(entry: os.DirEntry[str]) -> bool:
    # A broken link stays in the corpus, so that validation can name it; a pipe or device doesn't,
    # because opening it may never return.
    return has_audio_suffix(entry.name) and (entry.is_file() or entry.is_symlink())


def _endings() -> str:
    return ", ".join(suffix[1:] for suffix in AUDIO_SUFFIXES)
