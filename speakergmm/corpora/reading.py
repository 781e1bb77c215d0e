"""Find out what kind of corpus a path is, and read it."""

import os
from pathlib import Path

from speakergmm.corpora.corpus import Corpus
from speakergmm.corpora.folders import has_audio_suffix, read_folder
from speakergmm.corpora.kaldi import read_kaldi
from speakergmm.corpora.lists import read_list
from speakergmm.corpora.locations import data_folder, is_folder
from speakergmm.corpora.names import shown
from speakergmm.errors import CorpusError


def read_corpus(
    path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    strict: bool = True,
) -> Corpus:
    r"""Read a corpus, whichever of three kinds it is.

    A folder with ``wav.scp`` is a Kaldi data directory (``wav.scp``, ``utt2spk``, optional
    ``segments``); any other folder must hold one folder of recordings per speaker; a file is a CSV
    or TSV list with the column ``path`` and, where wanted, ``speaker``, ``start``, ``end`` (in
    seconds) and ``id``. Recordings are not opened, nor need they exist: `validate_corpus` looks at
    them.

    Parameters
    ----------
    path : path
        The folder or list.
    data_dir : path, optional
        Where relative paths in a list begin; by default the list's own folder. A folder of speaker
        folders needs none.
    strict : bool, default=True
        Refuse lists with faults. Without it utterances with faults (ids, recordings or speakers
        that repeat, times that are none, no speaker) are left out, and all the faults, with file
        and line, are in `Corpus.faults`.

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
    given = Path(path)
    if is_folder(given):
        return _read_directory(given, data_dir, strict)
    if has_audio_suffix(given.name):
        raise CorpusError(
            f"{shown(given)} is named as a recording; a corpus is a folder of speaker folders, a "
            "Kaldi data directory, or a CSV or TSV list"
        )
    try:
        exists = given.exists()
    except (OSError, ValueError):
        exists = False
    if not exists:
        raise CorpusError(f"{shown(given)} doesn't exist; give a folder or a list of recordings")
    return read_list(given, folder=data_folder(given, data_dir), strict=strict)


def _read_directory(
    directory: Path, data_dir: str | os.PathLike[str] | None, strict: bool
) -> Corpus:
    if (directory / "wav.scp").exists():
        folder = data_folder(directory / "wav.scp", data_dir)
        return read_kaldi(directory, folder=folder, strict=strict)
    corpus = read_folder(directory)
    if corpus is not None:
        return corpus
    neither = f"{shown(directory)} is a folder with neither speaker folders holding audio nor"
    hint = "put each speaker's recordings into a folder of her own, or name them in a list"
    names = sorted(entry.name for entry in directory.iterdir())
    if any(name in ("utt2spk", "segments") for name in names):
        hint = "a Kaldi data directory needs wav.scp"
    elif any(name.endswith("_trials.tsv") for name in names):
        hint = "it looks like a protocol; its background.tsv is a corpus"
    elif any(has_audio_suffix(name) and not name.startswith(".") for name in names):
        hint = f"its recordings lie directly in it; {hint}"
    raise CorpusError(f"{neither} wav.scp; {hint}")
