"""Find out what kind of corpus a path is, and read it."""

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


def read_corpus(
    path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    speaker_pattern: str | None = None,
    strict: bool = True,
) -> Corpus:
    r"""Read a corpus, whichever of three kinds it is.

    A folder with ``wav.scp`` is a Kaldi data directory (``wav.scp``, ``utt2spk``, optional
    ``segments``); any other folder must hold one folder of recordings per speaker; a file is a CSV
    or TSV list with the column ``path`` and, where wanted, ``speaker``, ``start``, ``end`` (in
    seconds) and ``id``. LibriSpeech's folders and Common Voice's lists are read as they are. With
    a ``speaker_pattern`` a folder may be flat. Recordings are not opened, nor need they exist:
    `validate_corpus` looks at them. What is passed over stands in `Corpus.notes`.

    Parameters
    ----------
    path : path
        The folder or list.
    data_dir : path, optional
        Where relative paths in a list begin; by default the list's own folder. A folder of speaker
        folders needs none.
    speaker_pattern : str, optional
        How file names, rather than folders or lists, say who speaks: ``"{speaker}_*.wav"``, with
        ``*`` for any characters, or a regular expression whose group ``speaker``, or else the
        first, is the speaker. A pattern with ``/`` is held against the path below the folder.
    strict : bool, default=True
        Refuse lists with faults. Without it utterances with faults (ids, recordings or speakers
        that repeat, times that are none, no speaker, folders that cannot be read) are left out, and
        all the faults, with file and line, are in `Corpus.faults`.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If the path is none of these, or its content is wrong; the message has file and line.

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
    """Read a corpus; without `speakers` nobody is named, and nothing need say who speaks.

    Ids are the same with and without. See `read_corpus`.
    """
    given = Path(path)
    if is_folder(given):
        if exists(given / "wav.scp"):
            folder = data_folder(given / "wav.scp", data_dir)
            return read_kaldi(given, folder=folder, strict=strict, speakers=speakers)
        return read_folder(given, owner="speaker" if speakers else None, strict=strict)
    if has_unreadable_suffix(given.name):
        raise CorpusError(
            f"{shown(given)} has the name of a recording in a format that cannot be read; convert "
            "it to WAV or FLAC"
        )
    if has_audio_suffix(given.name):
        raise CorpusError(
            f"{shown(given)} is named as a recording; a corpus is a folder of speaker folders, a "
            "Kaldi data directory, or a CSV or TSV list"
        )
    if not exists(given):
        raise CorpusError(f"{shown(given)} does not exist; give a folder or a list of recordings")
    return read_list(given, folder=data_folder(given, data_dir), strict=strict, speakers=speakers)
