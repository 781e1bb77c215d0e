"""The files that alignments are written to: a TextGrid each, and CTM, JSON lines and a table."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from speakergmm.audio import AUDIO_SUFFIXES
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.files import atomic_text_writer, write_error
from speakergmm.recognition.aligning import AlignedUtterance
from speakergmm.recognition.ctm import ctm_lines, read_ctm
from speakergmm.recognition.diagnostics import Diagnosis
from speakergmm.recognition.textgrids import write_textgrid

FORMATS = ("textgrid", "ctm", "json")
"""What alignments can be written as."""

_TABLE_COLUMNS = ("rank", "utterance", "suspicion", "reasons", "recording", "transcript")
# What some file system or shell gives a meaning of its own.
_UNSAFE = re.compile(r'[<>:"\\|?*\x00-\x1f]')
_LONGEST = 120
# Of a recording, or before the seconds of a stretch of one, as in "one.flac#2.79-14.52".
_AUDIO_ENDING = re.compile(
    rf"(?<=[^/])(?:{'|'.join(map(re.escape, AUDIO_SUFFIXES))})(?=#[^/]*$|$)", re.IGNORECASE
)


class AlignmentFiles:
    """Writes alignments as they come; the files of all utterances stand whole or not at all.

    Use as a context manager: leaving it without an error puts ``words.ctm``, ``phones.ctm``,
    ``states.ctm`` and ``alignments.jsonl`` in their places. TextGrids go to
    ``textgrids/UTTERANCE.TextGrid``, each as it is done; see `name_of`.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    formats : sequence of {"textgrid", "ctm", "json"}
    states : bool, default=False
        Write states too.
    silence : str or None
        Label of silence, whose intervals are empty in the TextGrids' phones and written in CTM.

    Raises
    ------
    InvalidInputError
        If a format is unknown, or a file stands in the way that isn't an older one of its kind.
    SpeakerGmmError
        If the folder can't be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        formats: Sequence[str] = FORMATS,
        states: bool = False,
        silence: str | None = "SIL",
    ) -> None:
        unknown = [name for name in formats if name not in FORMATS]
        if unknown or not formats:
            raise InvalidInputError(
                f"formats must be some of {', '.join(FORMATS)}, got {', '.join(unknown) or 'none'}"
            )
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise InvalidInputError(f"{folder}: is a file; give a folder to write to")
        self._formats = tuple(formats)
        self._states = states
        self._silence = silence
        self._names: dict[str, str] = {}
        self._stack = contextlib.ExitStack()
        self._open: dict[str, IO[str]] = {}
        self._made: list[Path] = []
        for name in self._together():
            check_kind(folder / name)

    def __enter__(self) -> Self:
        self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from None
        with contextlib.ExitStack() as stack:
            for name in self._together():
                self._open[name] = stack.enter_context(atomic_text_writer(self.folder / name))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is not None:
            # Nothing was written: no folders that would look as if something had been.
            with contextlib.suppress(OSError):
                for made in self._made:
                    made.rmdir()

    def write(self, aligned: AlignedUtterance) -> None:
        """Write one utterance.

        Raises
        ------
        InvalidInputError
            If a file stands in the way that isn't a TextGrid.
        SpeakerGmmError
            If a file can't be written.
        """
        tiers = {"words": aligned.words(), "phones": aligned.phones()}
        if self._states:
            tiers["states"] = aligned.states()
        if "ctm" in self._formats:
            for name, labels in tiers.items():
                for line in ctm_lines(aligned.utterance.id, labels):
                    self._open[f"{name}.ctm"].write(line + "\n")
        if "json" in self._formats:
            document = aligned.to_dict(states=self._states)
            text = json.dumps(document, ensure_ascii=False, allow_nan=False)
            self._open["alignments.jsonl"].write(text + "\n")
        if "textgrid" in self._formats:
            path = self.textgrid_path(aligned.utterance.id)
            check_kind(path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise write_error(path, error) from None
            tiers["phones"] = tuple(
                label._replace(label="") if label.label == self._silence else label
                for label in tiers["phones"]
            )
            write_textgrid(path, tiers, duration=aligned.recording_duration)

    def textgrid_path(self, utterance: str) -> Path:
        """Say where an utterance's TextGrid goes; see `name_of`."""
        return self.folder / "textgrids" / f"{self.name_of(utterance)}.TextGrid"

    def name_of(self, utterance: str) -> str:
        """Say what an utterance's own files are called, without the ending.

        Slashes of an id make folders, of an absolute path the last one only; the ending of a
        recording is left out. Where that is another utterance's name already, more is kept.
        """
        if utterance not in self._names:
            taken = {other.casefold() for other in self._names.values()}
            digest = hashlib.sha256(utterance.encode("utf-8", "replace")).hexdigest()
            names = _short_names(utterance)
            names.append(f"{names[-1]}~{digest[:8]}")
            self._names[utterance] = next(n for n in names if n.casefold() not in taken)
        return self._names[utterance]

    def left_over(self) -> list[Path]:
        """List TextGrids in the folder that this run didn't write."""
        if "textgrid" not in self._formats:
            return []
        folder = self.folder / "textgrids"
        written = {self.textgrid_path(utterance) for utterance in self._names}
        return sorted(path for path in folder.rglob("*.TextGrid") if path not in written)

    def _together(self) -> list[str]:
        names = []
        if "ctm" in self._formats:
            names += ["words.ctm", "phones.ctm", *(["states.ctm"] if self._states else [])]
        if "json" in self._formats:
            names.append("alignments.jsonl")
        return names


def write_diagnoses(path: Path, diagnoses: Sequence[Diagnosis]) -> None:
    """Write the table of all utterances, the most suspicious first, whole or not at all.

    Parameters
    ----------
    path : Path
    diagnoses : sequence of Diagnosis

    Raises
    ------
    SpeakerGmmError
        If the file can't be written.
    """
    check_kind(path)
    indicators = list(diagnoses[0].indicators) if diagnoses else []
    with atomic_text_writer(path, errors="replace") as file:
        file.write("\t".join((*_TABLE_COLUMNS, *indicators)) + "\n")
        for rank, found in enumerate(diagnoses, start=1):
            cells = [
                str(rank),
                found.utterance,  # holds no tab and no end of a line
                f"{found.suspicion:.3f}",
                " ".join("; ".join(found.reasons).split()),
                found.recording,
                " ".join(found.transcript.split()),
                *(f"{value:.3f}" for value in found.indicators.values()),
            ]
            file.write("\t".join(cells) + "\n")


def _short_names(utterance: str) -> list[str]:
    """Names for an utterance, the shortest first; the last one is the whole id."""
    short = utterance
    if utterance.startswith("/"):
        short = "/".join(PurePosixPath(utterance).parts[1:][-2:])
    bare = _AUDIO_ENDING.sub("", short)
    return list(dict.fromkeys(safe_name(name) for name in (bare, short, utterance)))


def safe_name(utterance: str) -> str:
    r"""Turn an utterance id into a relative path that stays below its folder.

    Examples
    --------
    >>> safe_name("ana/first take"), safe_name("../../etc/passwd"), safe_name("C:\\x")
    ('ana/first take', '_/_/etc/passwd', 'C__x')
    """
    parts = []
    for part in utterance.split("/"):
        part = _UNSAFE.sub("_", part).rstrip(". ") if set(part) - {"."} else "_"
        if len(part.encode("utf-8", "replace")) > _LONGEST:
            digest = hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()
            part = f"{part[:30]}~{digest[:8]}"
        parts.append(part or "_")
    return "/".join(parts)


def check_kind(path: Path) -> None:
    """Refuse to write over anything but an older file of the kind that the name says.

    Raises
    ------
    InvalidInputError
        If the file is there, not empty, and something else.
    """
    if path.is_dir():
        raise InvalidInputError(f"{path}: is a folder; give another --output, or remove it first")
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        start = file.read(4096)
    first = start.split(b"\n", 1)[0].removeprefix(b"\xef\xbb\xbf")
    suffix = path.suffix.lower()
    if suffix == ".textgrid":
        ours = first.startswith(b'File type = "ooTextFile"') and b'"TextGrid"' in start
    elif suffix == ".jsonl":
        ours = first.startswith(b'{"utterance": ')
    elif suffix == ".tsv":
        ours = first.startswith("\t".join(_TABLE_COLUMNS).encode())
    else:
        try:
            read_ctm(path)
            ours = True
        except SpeakerGmmError:
            ours = False
    if not ours:
        raise InvalidInputError(
            f"{path}: exists and is not what would be written there; give another --output, or "
            "remove it first"
        )
