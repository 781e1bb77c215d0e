"""Corpora given as a Kaldi data directory: wav.scp, utt2spk and, where there is one, segments."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.lists import parse_seconds
from speakergmm.corpora.locations import locate
from speakergmm.corpora.names import (
    Spellings,
    check_speaker_name,
    quoted,
    shown,
    unescaped_name,
)
from speakergmm.corpora.refusals import Refusals, without_conflicts
from speakergmm.corpora.tables import text_lines
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.text_files import Fault

_BLANKS = re.compile("[ \t]+")
_OFFSET = re.compile(r":[0-9]+(\[[0-9:,]*\])?$")


@dataclass(frozen=True, slots=True)
class _Segment:
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
    refusals = Refusals(strict=strict)
    recordings, listed = _read_recordings(wav_scp, folder, refusals)
    if segments.exists():
        origin, stretches = segments, _read_segments(segments, recordings, listed, refusals)
    else:
        origin = wav_scp
        stretches = {n: _Segment(n, 0.0, None, line) for n, (_, line) in recordings.items()}
    notes = _uncut_recordings(segments, recordings, stretches) if origin is segments else []
    named: Mapping[str, str | None] | None = None
    if speakers:
        named = _read_speakers(utt2spk, stretches, origin, refusals)
    if named is None:
        named = dict.fromkeys(stretches)

    utterances, lines = [], []
    for name, stretch in stretches.items():
        if name not in named:
            continue
        path = recordings[stretch.recording][0]
        try:
            utterance = Utterance(
                name, path, named[name], stretch.start, stretch.end, stretch.recording
            )
        except InvalidInputError as error:
            refusals.take(origin, stretch.line, error, utterance=name)
            continue
        utterances.append(utterance)
        lines.append(stretch.line)
    kept = without_conflicts(origin, utterances, lines, refusals)
    return Corpus(
        tuple(kept),
        source=str(directory),
        root=folder,
        notes=tuple(notes),
        faults=tuple(refusals.faults),
    )


def _read_speakers(
    utt2spk: Path, stretches: Mapping[str, _Segment], origin: Path, refusals: Refusals
) -> dict[str, str] | None:
    """Return the speakers by utterance; None where the file says nothing at all."""
    try:
        if not utt2spk.exists():
            raise CorpusError(
                f"{shown(utt2spk.parent)} has wav.scp and no utt2spk; a Kaldi data directory needs "
                "both"
            )
        speakers = _read_pairs(utt2spk, "utterance", refusals)
    except CorpusError as error:
        if refusals.strict:
            raise
        refusals.add(utt2spk, None, str(error).removeprefix(f"{shown(utt2spk)} "))
        return None
    # What was told of already is no longer missing anywhere.
    told = {fault.utterance for fault in refusals.faults}
    return _check_speakers(utt2spk, speakers, stretches, origin, told, refusals)


def _uncut_recordings(
    segments: Path, recordings: Mapping[str, object], stretches: Mapping[str, _Segment]
) -> list[str]:
    used = {stretch.recording for stretch in stretches.values()}
    unused = [name for name in recordings if name not in used]
    if not unused:
        return []
    named = ", ".join(quoted(name) for name in unused[:3])
    more = f" and {len(unused) - 3} more" if len(unused) > 3 else ""
    return [f"{shown(segments)} has no stretch of the recordings {named}{more}; they are not used"]


def _read_recordings(
    path: Path, folder: Path, refusals: Refusals
) -> tuple[dict[str, tuple[Path, int]], set[str]]:
    """Read files by recording, and the names that are listed, those with faults among them."""
    recordings: dict[str, tuple[Path, int]] = {}
    pairs = _read_pairs(path, "recording", refusals)
    for name, (rest, line) in pairs.items():
        try:
            recordings[name] = _locate_rest(rest, folder, path, line), line
        except CorpusError as error:
            refusals.take(path, line, error, utterance=name)
    return recordings, {*pairs, *(f.utterance for f in refusals.faults if f.utterance)}


def _read_lines(path: Path, refusals: Refusals) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines without blanks at their ends; blank lines are passed over."""
    lines = text_lines(path, None if refusals.strict else refusals.faults)
    for line, text in enumerate(lines, start=1):
        bare = text.strip(" \t\r\n")
        if bare:
            yield line, bare


def _read_pairs(path: Path, what: str, refusals: Refusals) -> dict[str, tuple[str, int]]:
    """Read ``name rest-of-line``; return the rest, as it stands, and the line number by name."""
    pairs: dict[str, tuple[str, int]] = {}
    first: dict[str, int] = {}
    for line, text in _read_lines(path, refusals):
        name, *rest = _BLANKS.split(text, maxsplit=1)
        name = unescaped_name(name)
        if not rest:
            message = f"only {quoted(name)}; a line holds the {what} and what belongs to it"
            refusals.add(path, line, message, utterance=name)
        elif first.setdefault(name, line) != line:
            message = f"{what} {quoted(name)} stands on line {first[name]} too"
            refusals.add(path, line, message, utterance=name)
            pairs.pop(name, None)  # nobody knows which is meant
        else:
            pairs[name] = rest[0], line
    return pairs


def _read_segments(
    path: Path, recordings: Container[str], listed: Container[str], refusals: Refusals
) -> dict[str, _Segment]:
    segments: dict[str, _Segment] = {}
    first: dict[str, int] = {}
    for line, text in _read_lines(path, refusals):
        words = _BLANKS.split(text)
        where = f"{shown(path)}:{line}"
        name = unescaped_name(words[0])
        if len(words) != 4:
            message = f"{len(words)} words; a segment is 'utterance recording start end'"
            refusals.add(path, line, message, utterance=name)
            continue
        try:
            start = parse_seconds(words[2], "start", where)
            end = parse_seconds(words[3], "end", where)
        except CorpusError as error:
            refusals.take(path, line, error, utterance=name)
            continue
        recording = unescaped_name(words[1])
        if first.setdefault(name, line) != line:
            message = f"utterance {quoted(name)} stands on line {first[name]} too"
            refusals.add(path, line, message, utterance=name)
            segments.pop(name, None)
        elif recording not in recordings:
            fault = "is wrong in wav.scp" if recording in listed else "is not in wav.scp"
            message = f"recording {quoted(recording)} {fault}"
            refusals.add(path, line, message, utterance=name)
        else:
            # Kaldi writes -1 for the end of the recording.
            segments[name] = _Segment(recording, start, None if end == -1 else end, line)
    return segments


def _locate_rest(rest: str, folder: Path, path: Path, line: int) -> Path:
    where = f"{shown(path)}:{line}"
    if rest.startswith("|") or rest.endswith("|"):
        raise CorpusError(
            f"{where}: {quoted(rest)} is a command; commands are never run, so decode the "
            "recordings to files and list those"
        )
    if rest == "-":
        raise CorpusError(f"{where}: '-' is standard input; list a file")
    if _OFFSET.search(rest):
        raise CorpusError(
            f"{where}: {quoted(rest)} is a place inside an archive; only whole files can be read"
        )
    return locate(rest, folder, where=where)


def _check_speakers(
    path: Path,
    speakers: Mapping[str, tuple[str, int]],
    stretches: Mapping[str, _Segment],
    origin: Path,
    told: Container[str | None],
    refusals: Refusals,
) -> dict[str, str]:
    """Return the speakers of utterances that have one and nothing is wrong with."""
    missing = [name for name in stretches if name not in speakers and name not in told]
    if refusals.strict:
        refusals.add_all(
            [
                Fault(str(path), None, f"no speaker for utterance {quoted(name)} of {origin.name}")
                for name in missing
            ]
        )
    refusals.add_all(
        [
            Fault(
                str(origin),
                stretches[name].line,
                f"utterance {quoted(name)} has no speaker in {path.name}",
                name,
            )
            for name in missing
        ]
    )
    refusals.add_all(
        [
            Fault(str(path), line, f"utterance {quoted(name)} is not in {origin.name}", name)
            for name, (_, line) in speakers.items()
            if name not in stretches and name not in told
        ]
    )
    named: dict[str, str] = {}
    spellings = Spellings()
    for name, (speaker, line) in speakers.items():
        fault = None
        if _BLANKS.search(speaker):
            fault = f"speaker {quoted(speaker)} holds a space; a line is 'utterance speaker'"
        elif clash := spellings.clash(speaker, f"line {line}"):
            fault = f"speaker {clash}"
        else:
            try:
                named[name] = check_speaker_name(speaker)
            except InvalidInputError as error:
                fault = str(error)
        if fault is not None:
            refusals.add(path, line, fault, utterance=name)
    return named
