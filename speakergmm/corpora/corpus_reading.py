"""Reading of a corpus of any kind from a path."""

import os
from pathlib import Path

from speakergmm.audio import has_audio_suffix, has_unreadable_suffix
from speakergmm.corpora.corpus import Corpus
from speakergmm.corpora.folders import read_folder
from speakergmm.corpora.kaldi import read_kaldi
from speakergmm.corpora.locations import data_folder, exists, is_folder
from speakergmm.corpora.names import shown
from speakergmm.corpora.patterns import NamePattern, name_speakers
from speakergmm.corpora.recording_lists import read_list
from speakergmm.errors import CorpusError
from speakergmm.file_kinds import describe_file, with_article
from speakergmm.files import kind_of
from speakergmm.ranges import wrong_type


def read_corpus(
    path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    speaker_pattern: str | None = None,
    strict: bool = True,
) -> Corpus:
    r"""Read a corpus from a folder, a Kaldi data directory or a list.

    A folder with ``wav.scp`` is a Kaldi data directory (``wav.scp``, ``utt2spk``, optional
    ``segments``); any other folder must hold one folder of recordings per speaker; a file is a CSV
    or TSV list with the column ``path`` and optional columns ``speaker``, ``start``, ``end`` (in
    seconds) and ``id``. LibriSpeech's folders and Common Voice's lists are read as they are. With
    a ``speaker_pattern`` a folder may be flat. Recordings are not opened and need not exist:
    `validate_corpus` checks them. `Corpus.notes` lists what was skipped.

    Parameters
    ----------
    path : path
        The folder or list.
    data_dir : path, optional
        Folder to which paths in a list are relative; by default the folder of the list. Not used
        for a folder of speaker folders.
    speaker_pattern : str, optional
        Pattern by which file names, rather than folders or lists, determine the speaker:
        ``"{speaker}_*.wav"``, with ``*`` for any characters, or a regular expression whose group
        ``speaker``, or otherwise the first group, is the speaker. A pattern with ``/`` is compared
        with the path below the folder.
    strict : bool, default=True
        Raise an error if a list has faults. Otherwise utterances with faults (repeated ids,
        recordings or speakers, wrong times, no speaker, unreadable folders) are left out, and
        `Corpus.faults` lists all faults with file and line.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If the path is none of these, or its content is wrong; the message states file and line.
    InvalidTypeError
        If `path` is not a path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     listing = Path(folder, "list.csv")
    ...     _ = listing.write_text("path,speaker\nana/1.wav,ana\nbea/1.wav,bea\n")
    ...     corpus = read_corpus(listing)
    >>> corpus.speakers
    ('ana', 'bea')
    """
    if not isinstance(path, str | os.PathLike):
        remedy = "; functions that take a corpus take a list of recordings as well"
        raise wrong_type(path, "the path of a folder or list", remedy)
    if speaker_pattern is None:
        return read_utterances(path, data_dir=data_dir, strict=strict)
    pattern = NamePattern(speaker_pattern)
    unnamed = read_utterances(path, data_dir=data_dir, strict=strict, speakers=False)
    return name_speakers(unnamed, pattern, strict=strict)


def read_utterances(
    path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    strict: bool = True,
    speakers: bool = True,
) -> Corpus:
    """Read a corpus as `read_corpus` does; without `speakers` no speaker is named or needed.

    Ids do not depend on `speakers`.
    """
    given = Path(path)
    if is_folder(given):
        _refuse_store(given)
        if exists(given / "wav.scp"):
            folder = data_folder(given / "wav.scp", data_dir)
            return read_kaldi(given, folder=folder, strict=strict, speakers=speakers)
        if data_dir is not None:
            data_folder(given, data_dir)  # not needed here, but a wrong one is refused
        return read_folder(given, owner="speaker" if speakers else None, strict=strict)
    if has_unreadable_suffix(given.name):
        raise CorpusError(
            f"{shown(given)} has the name of a recording in a format that cannot be read; convert "
            "it to WAV or FLAC"
        )
    if has_audio_suffix(given.name):
        raise CorpusError(
            f"{shown(given)} has the name of a recording; a corpus is a folder of speaker "
            "folders, a Kaldi data directory, or a CSV or TSV list"
        )
    if not exists(given):
        raise CorpusError(f"{shown(given)} does not exist; give a folder or a list of recordings")
    if given.name in ("wav.scp", "utt2spk", "spk2utt", "segments"):
        raise CorpusError(
            f"{shown(given)} is a part of a Kaldi data directory; give the folder "
            f"{shown(given.parent)}"
        )
    return read_list(given, folder=data_folder(given, data_dir), strict=strict, speakers=speakers)


def _refuse_store(folder: Path) -> None:
    """Raise an error if a folder is a feature store, which has no recordings."""
    index = folder / "index.safetensors"
    if kind_of(index) == "file" and describe_file(index) == with_article("feature store"):
        raise CorpusError(
            f"{shown(folder)} is a feature store, not a folder of recordings; give the corpus from "
            "which it was extracted"
        )
