"""Corpora in a Kaldi data directory: wav.scp, utt2spk and, if present, segments."""

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from speakergmm.corpora.conflicts import without_conflicts
from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.delimited_tables import text_lines
from speakergmm.corpora.kaldi_text import BLANKS, read_by_name
from speakergmm.corpora.locations import locate
from speakergmm.corpora.names import Spellings, first_few, quoted, shown, unescaped_name
from speakergmm.corpora.recording_lists import parse_seconds
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault, FaultList

_OFFSET = re.compile(r":[0-9]+(\[[0-9:,]*\])?$")


class _Segment(NamedTuple):
    path: Path
    line: int
    recording: str | None = None
    start: float = 0.0
    end: float | None = None


def read_kaldi(
    directory: Path, *, folder: Path, strict: bool = True, speakers: bool = True
) -> Corpus:
    """Read a Kaldi data directory; ids are stored as `speakergmm.words.clean` returns them.

    Parameters
    ----------
    directory : Path
        Directory with ``wav.scp`` and ``utt2spk``, and optionally ``segments``.
    folder : Path
        Folder to which paths in ``wav.scp`` are relative. (In Kaldi they are relative to the
        working directory of the script.)
    strict : bool, default=True
        Raise an error if the directory has faults. Otherwise utterances with faults are left out,
        and the result lists the faults.
    speakers : bool, default=True
        Read the speakers; without it ``utt2spk`` is not needed, and no speaker is named.

    Returns
    -------
    Corpus
        In the order of ``segments``, or of ``wav.scp`` if there are none: then the id of an
        utterance is the name of its recording. White space in names is escaped, see
        `escaped_name`.

    Raises
    ------
    CorpusError
        With file and line, if anything is wrong; without ``strict`` only if ``wav.scp`` or
        ``segments`` cannot be read or is empty. A line of ``wav.scp`` with a command, standard
        input or an offset in an archive is an error; commands are never run.
    """
    wav_scp, utt2spk, segments = (directory / n for n in ("wav.scp", "utt2spk", "segments"))
    faults = FaultList(str(wav_scp), error=CorpusError, strict=strict)

    def read_recording(rest: str, line: int) -> _Segment:
        return _Segment(_locate_rest(rest, folder), line)

    recordings = read_by_name("recording", _lines(faults), faults, read_recording)
    parts: Mapping[str, _Segment] = recordings
    origin, notes = faults, []
    if segments.exists():
        listed = {*recordings, *(fault.utterance or "" for fault in faults.faults)}
        origin = faults.of(segments)
        parts = _read_segments(origin, recordings, listed)
        used = {part.recording for part in parts.values()}
        if unused := [name for name in recordings if name not in used]:
            notes.append(
                f"{shown(segments)} has no segment of the recordings {first_few(unused)}; they are "
                "not used"
            )
    named: Mapping[str, str | None] = dict.fromkeys(parts)
    if speakers:
        named = _read_speakers(faults.of(utt2spk), parts, origin)
    utterances = []
    for name, (path, line, recording, start, end) in parts.items():
        if name in named:
            with origin.of_line(line, name):
                utterance = Utterance(name, path, named[name], start, end, recording or name)
                utterances.append((utterance, line))
    return Corpus(
        without_conflicts(utterances, origin),
        source=str(directory),
        root=folder,
        notes=tuple(notes),
        faults=tuple(faults.faults),
    )


def _read_speakers(
    faults: FaultList, parts: Mapping[str, _Segment], origin: FaultList
) -> Mapping[str, str | None]:
    """Return the speakers by utterance; if `faults` is not strict, None for all without a file."""
    utt2spk = Path(faults.path)
    spellings = Spellings()

    def read_speaker(speaker: str, line: int) -> tuple[str, int]:
        if BLANKS.search(speaker):
            raise CorpusError(
                f"speaker {quoted(speaker)} holds a space; a line is 'utterance speaker'"
            )
        return spellings.take(speaker, f"line {line}"), line

    try:
        if not utt2spk.exists():
            raise CorpusError(
                f"{shown(utt2spk.parent)} has wav.scp but no utt2spk; a Kaldi data directory needs "
                "both"
            )
        speakers = read_by_name("utterance", _lines(faults), faults, read_speaker)
    except CorpusError as error:
        if faults.strict:
            raise
        faults.add(None, str(error).removeprefix(f"{shown(utt2spk)} "))
        return dict.fromkeys(parts)
    # Utterances that already have a fault are not reported again.
    known = {fault.utterance for fault in faults.faults} | (speakers.keys() & parts.keys())
    missing = {name: part.line for name, part in parts.items()}
    beyond = {name: line for name, (_, line) in speakers.items()}
    for where, lines, reason in (
        (origin, missing, "has no speaker in utt2spk"),
        (faults, beyond, f"is not in {Path(origin.path).name}"),
    ):
        where.add_all(
            [
                Fault(where.path, line, f"utterance {quoted(name)} {reason}", name)
                for name, line in lines.items()
                if name not in known
            ]
        )
    return {name: speaker for name, (speaker, _) in speakers.items()}


def _lines(faults: FaultList) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not blank, without blanks at the ends."""
    for line, text in enumerate(text_lines(Path(faults.path), faults), start=1):
        if bare := text.strip(" \t\r\n"):
            yield line, bare


def _read_segments(
    faults: FaultList, recordings: Mapping[str, _Segment], listed: Container[str]
) -> Mapping[str, _Segment]:
    """Read ``segments``: the parts of recordings by utterance."""

    def read_segment(rest: str, line: int) -> _Segment:
        words = [word for word in BLANKS.split(rest) if word]
        if len(words) != 3:
            raise CorpusError(
                f"{len(words) + 1} words; a segment is 'utterance recording start end'"
            )
        recording = unescaped_name(words[0])
        start, end = parse_seconds(words[1], "start"), parse_seconds(words[2], "end")
        if recording not in recordings:
            fault = "is wrong in wav.scp" if recording in listed else "is not in wav.scp"
            raise CorpusError(f"recording {quoted(recording)} {fault}")
        # In Kaldi -1 is the end of the recording.
        stop = None if end == -1 else end
        return _Segment(recordings[recording].path, line, recording, start, stop)

    return read_by_name("utterance", _lines(faults), faults, read_segment)


def _locate_rest(rest: str, folder: Path) -> Path:
    """Return the path of a recording from a line of ``wav.scp``."""
    if rest.startswith("|") or rest.endswith("|"):
        raise CorpusError(
            f"{quoted(rest)} is a command; commands are never run, so decode the recordings to "
            "files and list those"
        )
    if rest == "-":
        raise CorpusError("'-' is standard input; list a file")
    if _OFFSET.search(rest):
        raise CorpusError(
            f"{quoted(rest)} is an offset in an archive; only whole files can be read"
        )
    return locate(rest, folder)
