"""Transcripts in sidecar files: one beside each recording, or one per folder."""

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
"""Suffix of LibriSpeech's files with the transcripts of all recordings in the same folder."""


def read_sidecar_transcripts(
    corpus: Corpus, case: Case | None = None, *, notes: list[str] | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read transcripts from files beside the recordings of a corpus.

    Parameters
    ----------
    corpus : Corpus
        The recordings.
    case : {"upper", "lower"}, optional
        Letter case to which words are converted.
    notes : list of str, optional
        A line is appended if there are transcripts without a recording.

    Returns
    -------
    found : dict of str to Transcript
        Transcripts by utterance id.
    faults : tuple of Fault
        Faults of the files, with the utterances that they concern.
    """
    folders: dict[Path, _Folder] = {}
    found: dict[str, Transcript] = {}
    faults: list[Fault] = []
    for utterance in corpus:
        parent = utterance.path.parent
        if parent not in folders:
            folders[parent] = _Folder(parent, case)
        folder = folders[parent]
        transcript, wrong = folder.transcript_of(utterance)
        faults += wrong
        if transcript is not None and not wrong:
            found[utterance.id] = transcript
    unused = [name for folder in folders.values() for name in folder.without_recording()]
    if unused and notes is not None:
        named = first_few(unused, limit=300)
        notes.append(f"transcripts without a recording ({len(unused):,}): {named}")
    faults += [fault for folder in folders.values() for fault in folder.faults]
    return found, tuple(faults)


class _Folder:
    """Transcripts in one folder, by the names of recordings without suffix."""

    def __init__(self, folder: Path, case: Case | None) -> None:
        self._case = case
        # Paths of files for one recording, and transcripts read from files for a whole folder.
        self._transcripts: dict[str, list[Path | Transcript]] = defaultdict(list)
        self._recordings: set[str] = set()
        self.faults: list[Fault] = []
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
        except OSError:  # the recordings are missing as well, which validation reports
            names = []
        for name in names:
            if name.startswith("."):
                continue
            stem, ending = os.path.splitext(name)  # noqa: PTH122 - of every file
            if name.lower().endswith(CHAPTER_SUFFIX):
                self._read_chapter(folder / name)
            elif ending.lower() in TRANSCRIPT_SUFFIXES:
                self._transcripts[clean(stem)].append(folder / name)
            elif has_audio_suffix(name) or has_unreadable_suffix(name):
                self._recordings.add(clean(stem))

    def transcript_of(self, utterance: Utterance) -> tuple[Transcript | None, list[Fault]]:
        """Return the transcript of an utterance, or None, and the faults of its files."""
        key = clean(utterance.path.stem)
        self._recordings.add(key)
        if key not in self._transcripts:
            return None, []
        found, *others = sorted(self._transcripts[key], key=_rank)
        faults = FaultList(str(_place(found)))
        if others:
            message = f"there is {_place(others[0]).name} beside {_place(found).name}; keep one"
            faults.add(None, message)
        elif utterance.start or utterance.end is not None:
            message = f"utterance {quoted(utterance.id)} is part of a recording; list its text"
            faults.add(None if isinstance(found, Path) else found.line, message)
        elif isinstance(found, Path):
            found = _read_file(found, self._case, faults)
        wrong = [replace(fault, utterance=utterance.id) for fault in faults.sorted()]
        return (None if isinstance(found, Path) else found), wrong

    def without_recording(self) -> list[str]:
        """Return the places of transcripts without a recording."""
        return [
            str(each) if isinstance(each, Path) else f"{each.path}:{each.line}"
            for key, transcripts in self._transcripts.items()
            if key not in self._recordings
            for each in transcripts
        ]

    def _read_chapter(self, path: Path) -> None:
        """Read a file with the transcripts of all recordings in the folder."""
        try:
            found, faults = read_kaldi_text(path, self._case)
        except TranscriptError as error:
            found, faults = {}, error.faults
        self.faults += faults
        for name, transcript in found.items():
            self._transcripts[clean(name)].append(transcript)


def _place(found: Path | Transcript) -> Path:
    """Return the file of a transcript."""
    return found if isinstance(found, Path) else Path(found.path or "")


def _rank(found: Path | Transcript) -> int:
    """Return a key that sorts files of one recording first, by their suffixes."""
    return TRANSCRIPT_SUFFIXES.index(found.suffix.lower()) if isinstance(found, Path) else 9


def _read_file(path: Path, case: Case | None, faults: FaultList) -> Transcript:
    """Read all words of a file as one transcript."""
    try:
        lines = list(read_lines(path, faults))
    except FaultyFileError as error:
        faults.faults += error.faults
        lines = []
    words: list[str] = []
    for line, text in lines:
        in_line = split_words(text, case)
        if fault := fault_of(in_line):
            faults.add(line, fault)
        words += in_line
    return Transcript(tuple(words), str(path), lines[0][0] if lines else None)
