"""Transcripts in files beside the recordings: one for each, or one for a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from speakergmm.audio import has_audio_suffix, has_unreadable_suffix
from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.kaldi_text import fault_of, read_kaldi_text
from speakergmm.corpora.names import first_few, quoted
from speakergmm.corpora.transcript import Transcript, TranscriptError
from speakergmm.corpora.walking import TRANSCRIPT_SUFFIXES
from speakergmm.text_files import Fault, FaultList, FaultyFileError, read_lines
from speakergmm.words import Case, clean, split_words

CHAPTER_SUFFIX = ".trans.txt"
"""Ending of a file, as LibriSpeech has it, that says what is said in all recordings beside it."""


def read_sidecar_transcripts(
    corpus: Corpus, case: Case | None = None, *, notes: list[str] | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read what stands in files beside the recordings of a corpus.

    Parameters
    ----------
    corpus : Corpus
    case : {"upper", "lower"}, optional
    notes : list of str, optional
        Gets a line where there are transcripts without a recording.

    Returns
    -------
    found : dict of str to Transcript
        By utterance id.
    faults : tuple of Fault
    """
    folders: dict[Path, _Folder] = {}
    found: dict[str, Transcript] = {}
    faults: list[Fault] = []
    for utterance in corpus:
        parent = utterance.path.parent
        if parent not in folders:
            folders[parent] = _Folder(parent, case)
        folder = folders[parent]
        said, wrong = folder.said_in(utterance)
        faults += wrong
        if said is not None and not wrong:
            found[utterance.id] = said
    left = [name for folder in folders.values() for name in folder.without_recording()]
    if left and notes is not None:
        named = first_few(left, limit=300)
        notes.append(f"transcripts without a recording ({len(left):,}): {named}")
    faults += [fault for folder in folders.values() for fault in folder.faults]
    return found, tuple(faults)


class _Folder:
    """What is told in one folder, by what recordings are called without their endings."""

    def __init__(self, folder: Path, case: Case | None) -> None:
        self._case = case
        # Files with the words of one recording, and what stands in files for all of them.
        self._told: dict[str, list[Path | Transcript]] = defaultdict(list)
        self._recordings: set[str] = set()
        self.faults: list[Fault] = []
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
        except OSError:  # there are no recordings either, and validation says so
            names = []
        for name in names:
            if name.startswith("."):
                continue
            stem, ending = os.path.splitext(name)  # noqa: PTH122 - of every file
            if name.lower().endswith(CHAPTER_SUFFIX):
                self._read_chapter(folder / name)
            elif ending.lower() in TRANSCRIPT_SUFFIXES:
                self._told[clean(stem)].append(folder / name)
            elif has_audio_suffix(name) or has_unreadable_suffix(name):
                self._recordings.add(clean(stem))

    def said_in(self, utterance: Utterance) -> tuple[Transcript | None, list[Fault]]:
        """Return what is said, None where nothing says it, and what is wrong with the files."""
        key = clean(utterance.path.stem)
        self._recordings.add(key)
        if key not in self._told:
            return None, []
        said, *others = sorted(self._told[key], key=_rank)
        faults = FaultList(str(_place(said)))
        if others:
            message = f"there is {_place(others[0]).name} beside {_place(said).name}; keep one"
            faults.add(None, message)
        elif utterance.start or utterance.end is not None:
            message = f"utterance {quoted(utterance.id)} is part of a recording; list its text"
            faults.add(None if isinstance(said, Path) else said.line, message)
        elif isinstance(said, Path):
            said = _read_file(said, self._case, faults)
        wrong = [replace(fault, utterance=utterance.id) for fault in faults.sorted()]
        return (None if isinstance(said, Path) else said), wrong

    def without_recording(self) -> list[str]:
        """Name transcripts that no recording has."""
        return [
            str(said) if isinstance(said, Path) else f"{said.path}:{said.line}"
            for key, told in self._told.items()
            if key not in self._recordings
            for said in told
        ]

    def _read_chapter(self, path: Path) -> None:
        try:
            found, faults = read_kaldi_text(path, self._case)
        except TranscriptError as error:
            found, faults = {}, error.faults
        self.faults += faults
        for name, said in found.items():
            self._told[clean(name)].append(said)


def _place(said: Path | Transcript) -> Path:
    return said if isinstance(said, Path) else Path(said.path or "")


def _rank(said: Path | Transcript) -> int:
    """Put files of one recording first, by their endings."""
    return TRANSCRIPT_SUFFIXES.index(said.suffix.lower()) if isinstance(said, Path) else 9


def _read_file(path: Path, case: Case | None, faults: FaultList) -> Transcript:
    try:
        lines = list(read_lines(path, faults))
    except FaultyFileError as error:
        faults.faults += error.faults
        lines = []
    words: tuple[str, ...] = ()
    for line, text in lines:
        said = split_words(text, case)
        if fault := fault_of(said):
            faults.add(line, fault)
        words += said
    return Transcript(words, str(path), lines[0][0] if lines else None)
