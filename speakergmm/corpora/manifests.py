"""Writing of corpora and protocols as lists, from which the same can be read back."""

import csv
import os
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path

from speakergmm.corpora.corpus import Utterance, relative_name
from speakergmm.corpora.corpus_inputs import CorpusLike, as_corpus, is_path
from speakergmm.corpora.names import shown
from speakergmm.corpora.protocol import Protocol
from speakergmm.corpora.recording_lists import default_id
from speakergmm.errors import CorpusError, SpeakerGmmError
from speakergmm.files import atomic_text_writer, make_folders
from speakergmm.ranges import wrong_type


def write_corpus(
    path: str | os.PathLike[str],
    corpus: CorpusLike,
    *,
    relative_to: str | os.PathLike[str] | None = None,
) -> None:
    """Write a corpus as a tab-separated list, whole or not at all.

    Columns without information are left out: if no utterance has a speaker, if all are whole
    recordings, or if ids equal paths.

    Parameters
    ----------
    path : path
        The list to write.
    corpus : Corpus, path, or recordings
        The corpus, with at least one utterance.
    relative_to : path, optional
        Folder to which paths below it are written relative; other paths are written absolute. By
        default the folder of the list, as `read_corpus` expects.

    Raises
    ------
    CorpusError
        If the corpus is empty.
    InvalidTypeError
        If an argument has the wrong type, or the arguments are in another order.
    SpeakerGmmError
        If the list cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from speakergmm.corpora import Corpus, read_corpus
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     listed = Utterance("ana/1.wav", Path(folder, "ana/1.wav"), "ana", end=2.0)
    ...     write_corpus(Path(folder, "list.tsv"), Corpus((listed,), source="example"))
    ...     read_corpus(Path(folder, "list.tsv")).utterances == (listed,)
    True
    """
    if not is_path(path):
        raise wrong_type(path, "a path, write_corpus(path, corpus),")
    target = Path(path)
    corpus = as_corpus(corpus)
    if not corpus.utterances:
        raise CorpusError(f"{shown(target)}: the corpus has no utterance; there is nothing to list")
    root = target.parent if relative_to is None else Path(relative_to)
    rows = [_row(utterance, root) for utterance in corpus]
    names = ("id", "speaker", "path", "start", "end")
    columns = [name for name in names if name == "path" or any(row[name] for row in rows)]
    _write_table(target, columns, ([row[name] for name in columns] for row in rows))


def write_protocol(
    directory: str | os.PathLike[str],
    protocol: Protocol,
    *,
    relative_to: str | os.PathLike[str] | None = None,
) -> None:
    """Write the lists of a protocol into a folder, which is created if it is missing.

    Parameters
    ----------
    directory : path
        The folder; lists of the same names are replaced.
    protocol : Protocol
        The protocol to write.
    relative_to : path, optional
        As in `write_corpus`.

    Raises
    ------
    InvalidTypeError
        If an argument has the wrong type, or the arguments are in another order.
    SpeakerGmmError
        If the folder or a list cannot be written.
    """
    if not is_path(directory) or not isinstance(protocol, Protocol):
        wrong = directory if not is_path(directory) else protocol
        raise wrong_type(wrong, "a path and a protocol, write_protocol(directory, protocol),")
    folder = Path(directory)
    try:
        make_folders(folder)
    except SpeakerGmmError as error:
        raise CorpusError(f"{shown(folder)} cannot be created: {error}") from None
    root = folder if relative_to is None else Path(relative_to)
    if protocol.background is not None:
        write_corpus(folder / "background.tsv", protocol.background, relative_to=root)
    for name, split in protocol.splits.items():
        enrolled = [(m, _listed(p, root)) for m, paths in split.enrolment.items() for p in paths]
        _write_table(folder / f"{name}_enroll.tsv", ["model", "path"], enrolled)
        columns = ["model", "path", "label"][: 3 if split.labelled else 2]
        further = zip(*split.conditions.values(), strict=True) if split.conditions else repeat(())
        rows = (
            (*(trial.model, _listed(trial.path, root), trial.label or "")[: len(columns)], *values)
            for trial, values in zip(split.trials, further, strict=False)
        )
        _write_table(folder / f"{name}_trials.tsv", [*columns, *split.conditions], rows)


def _row(utterance: Utterance, root: Path) -> dict[str, str]:
    """Return the cells of an utterance by column, empty where they hold no information."""
    listed = _listed(utterance.path, root)
    plain = utterance.id == default_id(listed, utterance.start, utterance.end)
    return {
        "id": "" if plain else utterance.id,
        "speaker": utterance.speaker or "",
        "path": listed,
        "start": repr(float(utterance.start)) if utterance.start else "",
        "end": "" if utterance.end is None else repr(float(utterance.end)),
    }


def _listed(path: Path, root: Path) -> str:
    """Return a path as it is listed: the same path is read back relative to `root`."""
    if not path.is_absolute() and not path.is_relative_to(root):
        path = path.absolute()
    if ".." in path.parts:  # written absolute: it may lead out of the folder, which readers refuse
        return path.absolute().as_posix()
    return relative_name(path, root)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a tab-separated table, whole or not at all."""
    with atomic_text_writer(path) as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
