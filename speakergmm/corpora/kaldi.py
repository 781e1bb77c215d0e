"""Corpora given as a Kaldi data directory: wav.scp, utt2spk and, where there is one, segments."""

import re
from collections.abc import Container, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.kaldi_text import BLANKS
from speakergmm.corpora.lists import parse_seconds
from speakergmm.corpora.locations import locate
from speakergmm.corpora.names import (
    Spellings,
    check_speaker_name,
    first_few,
    quoted,
    shown,
    unescaped_name,
)
from speakergmm.corpora.refusals import ByName, without_conflicts
from speakergmm.corpora.tables import text_lines
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault, FaultList

_OFFSET = re.compile(r":[0-9]+(\[[0-9:,]*\])?$")


class _Segment(NamedTuple):
    recording: str
    start: float
    end: float | None
    line: int


def read_kaldi(
    directory: Path, *, folder: Path, strict: bool = True, speakers: bool = True
) -> Corpus:
    """Read a Kaldi data directory; ids come as `speakergmm.words.clean` has them.

    Parameters
    ----------
    directory : Path
        Holds ``wav.scp`` and ``utt2spk``, and may hold ``segments``.
    folder : Path
        What relative paths in ``wav.scp`` are relative to. (Kaldi takes them from wherever a
        script happens to run.)
    strict : bool, default=True
        Refuse a directory with faults. Without it utterances with faults are left out, and the
        faults are in the result.
    speakers : bool, default=True
        Read who speaks; without it there need be no ``utt2spk``, and no speaker is named.

    Returns
    -------
    Corpus
        In the order of ``segments``, or of ``wav.scp`` where there is none: then an utterance is
        called as its recording. White space in a name is written as `escaped_name` does.

    Raises
    ------
    CorpusError
        With file and line, if anything is wrong (without ``strict`` only if ``wav.scp`` or
        ``segments`` can't be read or is empty); a ``wav.scp`` line that is a command, standard
        input or a place inside an archive is refused, never run.
    """
    wav_scp, utt2spk, segments = (directory / n for n in ("wav.scp", "utt2spk", "segments"))
    faults = FaultList(str(wav_scp), error=CorpusError, strict=strict)
    recordings, listed = _read_recordings(folder, faults)
    origin, notes = faults, []
    if segments.exists():
        origin = faults.of(segments)
        stretches = _read_segments(origin, recordings, listed)
        used = {stretch.recording for stretch in stretches.values()}
        if unused := [name for name in recordings if name not in used]:
            notes.append(
                f"{shown(segments)} has no stretch of the recordings {first_few(unused)}; they are "
                "not used"
            )
    else:
        stretches = {n: _Segment(n, 0.0, None, line) for n, (_, line) in recordings.items()}
    named: Mapping[str, str | None] | None = None
    if speakers:
        named = _read_speakers(faults.of(utt2spk), stretches, origin)
    if named is None:
        named = dict.fromkeys(stretches)
    utterances = []
    for name, (recording, start, end, line) in stretches.items():
        if name in named:
            with origin.of_line(line, name):
                path, _ = recordings[recording]
                utterance = Utterance(name, path, named[name], start, end, recording)
                utterances.append((utterance, line))
    return Corpus(
        without_conflicts(utterances, origin),
        source=str(directory),
        root=folder,
        notes=tuple(notes),
        faults=tuple(faults.faults),
    )


def _read_speakers(
    faults: FaultList, stretches: Mapping[str, _Segment], origin: FaultList
) -> dict[str, str] | None:
    """Return the speakers by utterance; None where the file says nothing at all."""
    utt2spk = Path(faults.path)
    try:
        if not utt2spk.exists():
            raise CorpusError(
                f"{shown(utt2spk.parent)} has wav.scp and no utt2spk; a Kaldi data directory needs "
                "both"
            )
        speakers = _read_pairs("utterance", faults)
    except CorpusError as error:
        if faults.strict:
            raise
        faults.add(None, str(error).removeprefix(f"{shown(utt2spk)} "))
        return None
    _check_names(faults, speakers, stretches, origin)
    named: dict[str, str] = {}
    spellings = Spellings()
    checked = cache(check_speaker_name)  # a speaker stands on many lines
    for name, (speaker, line) in speakers.items():
        with faults.of_line(line, name):
            if BLANKS.search(speaker):
                raise CorpusError(
                    f"speaker {quoted(speaker)} holds a space; a line is 'utterance speaker'"
                )
            if clash := spellings.clash(speaker, f"line {line}"):
                raise CorpusError(f"speaker {clash}")
            named[name] = checked(speaker)
    return named


def _check_names(
    faults: FaultList,
    speakers: Mapping[str, tuple[str, int]],
    stretches: Mapping[str, _Segment],
    origin: FaultList,
) -> None:
    """Note utterances without a speaker, and speakers without an utterance."""
    # What was told of already is no longer missing anywhere.
    told = {fault.utterance for fault in faults.faults}
    listing = Path(origin.path).name
    missing = {n: s.line for n, s in stretches.items() if n not in speakers and n not in told}
    beyond = {n: line for n, (_, line) in speakers.items() if n not in stretches and n not in told}
    if faults.strict:
        faults.add_all(
            [
                Fault(faults.path, None, f"no speaker for utterance {quoted(name)} of {listing}")
                for name in missing
            ]
        )
    for where, names, reason in (
        (origin, missing, "has no speaker in utt2spk"),
        (faults, beyond, f"is not in {listing}"),
    ):
        where.add_all(
            [
                Fault(where.path, line, f"utterance {quoted(name)} {reason}", name)
                for name, line in names.items()
            ]
        )


def _read_recordings(
    folder: Path, faults: FaultList
) -> tuple[dict[str, tuple[Path, int]], set[str]]:
    """Read files by recording, and the names that are listed, those with faults among them."""
    recordings: dict[str, tuple[Path, int]] = {}
    pairs = _read_pairs("recording", faults)
    for name, (rest, line) in pairs.items():
        with faults.of_line(line, name):
            recordings[name] = _locate_rest(rest, folder), line
    return recordings, {*pairs, *(f.utterance for f in faults.faults if f.utterance)}


def _read_lines(faults: FaultList) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines without blanks at their ends; blank lines are passed over."""
    for line, text in enumerate(text_lines(Path(faults.path), faults), start=1):
        bare = text.strip(" \t\r\n")
        if bare:
            yield line, bare


def _read_pairs(what: str, faults: FaultList) -> dict[str, tuple[str, int]]:
    """Read ``name rest-of-line``; return the rest, as it stands, and the line number by name."""
    pairs = ByName[tuple[str, int]](what)
    for line, text in _read_lines(faults):
        name, *rest = BLANKS.split(text, maxsplit=1)
        name = unescaped_name(name)
        with faults.of_line(line, name):
            if not rest:
                raise CorpusError(
                    f"only {quoted(name)}; a line holds the {what} and what belongs to it"
                )
            pairs.take(name, line)
            pairs[name] = rest[0], line
    return pairs


def _read_segments(
    faults: FaultList, recordings: Container[str], listed: Container[str]
) -> dict[str, _Segment]:
    segments = ByName[_Segment]("utterance")
    for line, text in _read_lines(faults):
        words = BLANKS.split(text)
        name = unescaped_name(words[0])
        with faults.of_line(line, name):
            if len(words) != 4:
                raise CorpusError(
                    f"{len(words)} words; a segment is 'utterance recording start end'"
                )
            recording = unescaped_name(words[1])
            start, end = parse_seconds(words[2], "start"), parse_seconds(words[3], "end")
            segments.take(name, line)
            if recording not in recordings:
                fault = "is wrong in wav.scp" if recording in listed else "is not in wav.scp"
                raise CorpusError(f"recording {quoted(recording)} {fault}")
            # Kaldi writes -1 for the end of the recording.
            segments[name] = _Segment(recording, start, None if end == -1 else end, line)
    return segments


def _locate_rest(rest: str, folder: Path) -> Path:
    if rest.startswith("|") or rest.endswith("|"):
        raise CorpusError(
            f"{quoted(rest)} is a command; commands are never run, so decode the recordings to "
            "files and list those"
        )
    if rest == "-":
        raise CorpusError("'-' is standard input; list a file")
    if _OFFSET.search(rest):
        raise CorpusError(
            f"{quoted(rest)} is a place inside an archive; only whole files can be read"
        )
    return locate(rest, folder)
