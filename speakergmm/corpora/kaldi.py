"""Corpora given as a Kaldi data directory: wav.scp, utt2spk and, where there is one, segments."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speakergmm.corpora.corpus import Corpus, Utterance, and_more, find_conflicts
from speakergmm.corpora.lists import parse_seconds, refuse_conflicts
from speakergmm.corpora.locations import locate
from speakergmm.corpora.names import Spellings, check_speaker_name, quoted, shown
from speakergmm.corpora.tables import read_text
from speakergmm.errors import CorpusError, InvalidInputError

_BLANKS = re.compile("[ \t]+")
_OFFSET = re.compile(r":[0-9]+(\[[0-9:,]*\])?$")


@dataclass(frozen=True, slots=True)
class _Segment:
    recording: str
    start: float
    end: float | None
    line: int


def read_kaldi(directory: Path, *, folder: Path) -> Corpus:
    """Read a Kaldi data directory.

    Parameters
    ----------
    directory : Path
        Holds ``wav.scp`` and ``utt2spk``, and may hold ``segments``.
    folder : Path
        What relative paths in ``wav.scp`` are relative to. (Kaldi takes them from wherever a
        script happens to run.)

    Returns
    -------
    Corpus
        In the order of ``segments``, or of ``wav.scp`` where there is none: then an utterance is
        called as its recording.

    Raises
    ------
    CorpusError
        With file and line, if anything is wrong; a ``wav.scp`` line that is a command, standard
        input or a place inside an archive is refused, never run.
    """
    wav_scp, utt2spk, segments = (directory / n for n in ("wav.scp", "utt2spk", "segments"))
    recordings = {
        name: (_locate_rest(rest, folder, wav_scp, line), line)
        for name, (rest, line) in _read_pairs(wav_scp, "recording").items()
    }
    if not utt2spk.exists():
        raise CorpusError(
            f"{shown(directory)} has wav.scp and no utt2spk; a Kaldi data directory needs both"
        )
    speakers = _read_pairs(utt2spk, "utterance")
    if segments.exists():
        origin, stretches = segments, _read_segments(segments, recordings.keys())
    else:
        origin = wav_scp
        stretches = {n: _Segment(n, 0.0, None, line) for n, (_, line) in recordings.items()}
    _check_speakers(utt2spk, speakers, stretches.keys(), origin)

    utterances, lines = [], []
    for name, stretch in stretches.items():
        path, speaker = recordings[stretch.recording][0], speakers[name][0]
        try:
            utterances.append(Utterance(name, path, speaker, stretch.start, stretch.end))
        except InvalidInputError as error:
            raise CorpusError(f"{shown(origin)}:{stretch.line}: {error}") from error
        lines.append(stretch.line)
    refuse_conflicts(origin, find_conflicts(utterances), lines)
    return Corpus(tuple(utterances), source=str(directory), root=folder)


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines without blanks at their ends; blank lines are passed over."""
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        bare = text.strip(" \t\r")
        if bare:
            yield line, bare


def _read_pairs(path: Path, what: str) -> dict[str, tuple[str, int]]:
    """Read ``name rest-of-line``; return the rest, as it stands, and the line number by name."""
    pairs: dict[str, tuple[str, int]] = {}
    for line, text in _read_lines(path):
        name, *rest = _BLANKS.split(text, maxsplit=1)
        if not rest:
            raise CorpusError(
                f"{shown(path)}:{line}: only {quoted(name)}; a line has a {what} and what belongs "
                "to it"
            )
        if name in pairs:
            raise CorpusError(
                f"{shown(path)}:{line}: {what} {quoted(name)} stands on line {pairs[name][1]} too"
            )
        pairs[name] = rest[0], line
    return pairs


def _read_segments(path: Path, recordings: Iterable[str]) -> dict[str, _Segment]:
    known = set(recordings)
    segments: dict[str, _Segment] = {}
    for line, text in _read_lines(path):
        words = _BLANKS.split(text)
        where = f"{shown(path)}:{line}"
        if len(words) != 4:
            raise CorpusError(
                f"{where}: {len(words)} words; a segment is 'utterance recording start end'"
            )
        name, recording = words[:2]
        start = parse_seconds(words[2], "start", where)
        end = parse_seconds(words[3], "end", where)
        if name in segments:
            raise CorpusError(
                f"{where}: utterance {quoted(name)} stands on line {segments[name].line} too"
            )
        if recording not in known:
            raise CorpusError(f"{where}: recording {quoted(recording)} is not in wav.scp")
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
    path: Path, speakers: dict[str, tuple[str, int]], utterances: Iterable[str], origin: Path
) -> None:
    known = dict.fromkeys(utterances)
    missing = [name for name in known if name not in speakers]
    if missing:
        raise CorpusError(
            f"{shown(path)}: no speaker for utterance {quoted(missing[0])} of {origin.name}"
            f"{and_more(missing)}"
        )
    surplus = [name for name in speakers if name not in known]
    if surplus:
        raise CorpusError(
            f"{shown(path)}:{speakers[surplus[0]][1]}: utterance {quoted(surplus[0])} is not in "
            f"{origin.name}{and_more(surplus)}"
        )
    spellings = Spellings()
    for speaker, line in speakers.values():
        where = f"{shown(path)}:{line}"
        if _BLANKS.search(speaker):
            raise CorpusError(
                f"{where}: speaker {quoted(speaker)} holds a space; a line is 'utterance speaker'"
            )
        if clash := spellings.clash(speaker, f"line {line}"):
            raise CorpusError(f"{where}: speaker {clash}")
        try:
            check_speaker_name(speaker)
        except InvalidInputError as error:
            raise CorpusError(f"{where}: {error}") from error
