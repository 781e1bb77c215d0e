"""The files that alignments are written to: a TextGrid each, and CTM, JSON lines and a table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import IO, Any, Self

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.files import atomic_text_writer, kind_of, make_folders, open_regular
from speakergmm.metrics.boundaries import TimedLabel
from speakergmm.ranges import choice
from speakergmm.recognition.alignment_diagnostics import Diagnosis
from speakergmm.recognition.corpus_alignment import AlignedUtterance
from speakergmm.recognition.ctm import ctm_lines, read_ctm
from speakergmm.recognition.file_names import FileNames
from speakergmm.recognition.textgrids import write_textgrid
from speakergmm.recognition.timelines import By, Timelines, own_times

FORMATS = ("textgrid", "ctm", "json")
"""What alignments can be written as."""

_TABLE_COLUMNS = ("rank", "utterance", "suspicion", "reasons", "recording", "transcript")
# By a file's ending: how ours begins, and what stands in its beginning.
_BEGINNINGS = {
    ".textgrid": (b'File type = "ooTextFile"', b'"TextGrid"'),
    ".jsonl": (b'{"utterance": ', b""),
    ".tsv": ("\t".join(_TABLE_COLUMNS).encode(), b""),
}


@dataclass(eq=False)
class AlignmentFiles:
    """Writer of alignments, one utterance at a time; files of a corpus are written atomically.

    Use as a context manager: leaving it without an error puts ``words.ctm``, ``phones.ctm``,
    ``states.ctm`` and ``alignments.jsonl`` in their places. TextGrids go to
    ``textgrids/UTTERANCE.TextGrid``, each as it is done; see `name_of`. By recording, there is a
    TextGrid for each, with tiers for each speaker, and all are written on leaving.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    formats : sequence of {"textgrid", "ctm", "json"}
    states : bool, default=False
        Write states too.
    silence : str or None
        Label of silence, whose intervals are empty in the TextGrids' phones and written in CTM.
    by : {"utterance", "recording"}
        What CTM and TextGrids are of. CTM names utterances, whose times count from where each
        begins; or recordings, whose times count from their beginning. Times of TextGrids and JSON
        are always those of the recording.

    Raises
    ------
    InvalidInputError
        If a format is unknown, or a file stands in the way that is not an older one of its kind.
    SpeakerGmmError
        If the folder cannot be written.
    """

    folder: Path
    _: KW_ONLY
    formats: Sequence[str] = FORMATS
    states: bool = False
    silence: str | None = "SIL"
    by: By = "utterance"

    def __post_init__(self) -> None:
        """Raise an error if the options are wrong or a file is in the way."""
        for name in self.formats or ("none",):
            choice("formats", name, FORMATS)
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInputError(f"{self.folder}: is a file; give a folder to write to")
        self._names = FileNames()
        self._heard, self._drawn = Timelines(), Timelines()
        self._textgrids: set[Path] = set()
        self._open: dict[str, IO[str]] = {}
        self._writing = self._write_together()
        tiers = ("words", "phones", "states") if self.states else ("words", "phones")
        self._together = [f"{tier}.ctm" for tier in tiers] if "ctm" in self.formats else []
        self._together += ["alignments.jsonl"] if "json" in self.formats else []
        for name in self._together:
            check_kind(self.folder / name)

    def __enter__(self) -> Self:
        self._writing.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._writing.__exit__(*raised)

    @contextlib.contextmanager
    def _write_together(self) -> Iterator[None]:
        """Open the files of all utterances; after an error no file and no empty folder is left."""
        made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        try:
            make_folders(self.folder)
            with contextlib.ExitStack() as stack:
                for name in self._together:
                    writer = atomic_text_writer(self.folder / name)
                    self._open[name] = stack.enter_context(writer)
                yield
                self._write_recordings()
        except BaseException:
            with contextlib.suppress(OSError):
                for folder in made:
                    folder.rmdir()
            raise

    def write(self, aligned: AlignedUtterance) -> None:
        """Write one utterance.

        Raises
        ------
        InvalidInputError
            If a file stands in the way that is not a TextGrid.
        SpeakerGmmError
            If a file cannot be written.
        """
        tiers = {"words": aligned.word_labels(), "phones": aligned.phone_labels()}
        if self.states:
            tiers["states"] = aligned.state_labels()
        if "json" in self.formats:
            document = aligned.to_dict(states=self.states)
            text = json.dumps(document, ensure_ascii=False, allow_nan=False)
            self._open["alignments.jsonl"].write(text + "\n")
        # What is silent is an empty interval of a TextGrid.
        drawn = tiers | {"phones": _without(self.silence, tiers["phones"])}
        if self.by == "recording":
            for timelines, kept in ((self._heard, tiers), (self._drawn, drawn)):
                timelines.add(aligned.utterance, kept, duration=aligned.recording_duration)
            return
        if "ctm" in self.formats:
            for name, labels in tiers.items():
                self._write_ctm(name, aligned.utterance.id, own_times(aligned.utterance, labels))
        self._write_textgrid(aligned.utterance.id, drawn, aligned.recording_duration)

    def _write_recordings(self) -> None:
        """Write the files of recordings, whose utterances have been collected."""
        for name in [name.removesuffix(".ctm") for name in self._open if name.endswith(".ctm")]:
            for recording, labels in self._heard.tier(name).items():
                self._write_ctm(name, recording, labels)
        for recording, tiers, duration in self._drawn.by_speaker():
            self._write_textgrid(recording, tiers, duration)

    def _write_ctm(self, tier: str, name: str, labels: Sequence[TimedLabel]) -> None:
        self._open[f"{tier}.ctm"].writelines(line + "\n" for line in ctm_lines(name, labels))

    def _write_textgrid(
        self, name: str, tiers: Mapping[str, Sequence[TimedLabel]], duration: float
    ) -> None:
        if "textgrid" not in self.formats:
            return
        path = self.textgrid_path(name)
        check_kind(path)
        make_folders(path.parent)
        write_textgrid(path, tiers, duration=duration)
        self._textgrids.add(path)

    def textgrid_path(self, utterance: str) -> Path:
        """Return the path of the TextGrid of an utterance or recording; see `name_of`."""
        return self.folder / "textgrids" / f"{self.name_of(utterance)}.TextGrid"

    def name_of(self, utterance: str) -> str:
        """Return the name of an utterance's files without the ending; see `FileNames`."""
        return self._names.of(utterance)

    def left_over(self) -> list[Path]:
        """Return the TextGrids in the folder that were not written by this run."""
        if "textgrid" not in self.formats:
            return []
        folder = self.folder / "textgrids"
        return sorted(path for path in folder.rglob("*.TextGrid") if path not in self._textgrids)


def _without(silence: str | None, labels: Sequence[TimedLabel]) -> tuple[TimedLabel, ...]:
    return tuple(item._replace(label="") if item.label == silence else item for item in labels)


def write_diagnoses(path: Path, diagnoses: Sequence[Diagnosis]) -> None:
    """Write the table of all utterances atomically, the most suspicious first.

    Parameters
    ----------
    path : Path
    diagnoses : sequence of Diagnosis

    Raises
    ------
    SpeakerGmmError
        If the file cannot be written.
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


def check_kind(path: Path) -> None:
    """Raise an error if a file would be overwritten that is not of the kind of its name.

    Raises
    ------
    InvalidInputError
        If the file is there, not empty, and something else.
    """
    kind = kind_of(path)
    if kind == "folder":
        raise InvalidInputError(f"{path}: is a folder; give another --output, or remove it first")
    if kind != "file" or path.stat().st_size == 0:
        return
    with open_regular(path) as file:
        start = file.read(4096)
    with contextlib.suppress(SpeakerGmmError):
        if path.suffix.lower() in _BEGINNINGS:
            begins, holds = _BEGINNINGS[path.suffix.lower()]
            if start.removeprefix(b"\xef\xbb\xbf").startswith(begins) and holds in start:
                return
        elif read_ctm(path) is not None:
            return
    raise InvalidInputError(
        f"{path}: exists and is not what would be written there; give another --output, or "
        "remove it first"
    )
