"""Conversion of what a caller may pass as a corpus: paths, utterances or recordings."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from speakergmm.audio import has_audio_suffix
from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.corpus_reading import read_corpus
from speakergmm.ranges import wrong_type


class CorpusWarning(UserWarning):
    """A part of a corpus was skipped."""


AnyPath = str | os.PathLike[str]
CorpusLike = Corpus | Iterable[Utterance | AnyPath] | Utterance | AnyPath
"""A corpus or its path, or recordings as utterances or paths."""


def as_corpus(corpus: CorpusLike, *, strict: bool = True) -> Corpus:
    """Return a corpus: the same one, one that is read from a path, or one made of recordings.

    Parameters
    ----------
    corpus : Corpus, path, or iterable of Utterance or path
        As in `as_utterances`.
    strict : bool, default=True
        As in `read_corpus`, if the corpus is read; with ``strict`` the notes of the reader are
        issued as warnings.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If the corpus cannot be read, or recordings repeat.
    InvalidTypeError
        If `corpus` is something else.

    Warns
    -----
    CorpusWarning
        If the reader skipped something.
    """
    if isinstance(corpus, Corpus):
        return corpus
    if is_path(corpus) and not has_audio_suffix(os.fspath(corpus)):
        return _read(corpus) if strict else read_corpus(corpus, strict=False)
    source = os.fspath(corpus) if is_path(corpus) else "given"
    return Corpus(as_utterances(corpus), source=source)


def as_utterances(corpus: CorpusLike) -> tuple[Utterance, ...]:
    """Return the utterances of a corpus, of a corpus at a path, or of recordings.

    Parameters
    ----------
    corpus : Corpus, path, or iterable of Utterance or path
        The path of a recording stands for that recording alone. Recordings given as paths have no
        speaker; their ids are the names of the files without suffix, or the paths if two names are
        equal.

    Returns
    -------
    tuple of Utterance

    Raises
    ------
    CorpusError
        If the corpus at a path cannot be read.
    InvalidTypeError
        If `corpus`, or an item of it, is something else.
    """
    if is_path(corpus):
        if not has_audio_suffix(os.fspath(corpus)):
            return tuple(_read(corpus))
        corpus = [corpus]
    elif isinstance(corpus, Utterance):
        corpus = [corpus]
    elif not isinstance(corpus, Iterable) or isinstance(corpus, bytes | np.ndarray):
        raise wrong_type(corpus, "recordings, read_corpus(path) or a list of utterances or paths")
    listed = list(corpus)
    stems = Counter(Path(item).stem for item in listed if is_path(item))
    utterances = []
    for item in listed:
        if is_path(item):
            path = Path(item)
            name = path.stem if stems[path.stem] == 1 else str(path)
            utterances.append(Utterance(name, path, None))
        elif isinstance(item, Utterance):
            utterances.append(item)
        else:
            raise wrong_type(item, "an utterance, Utterance(id, path, speaker), or a path")
    return tuple(utterances)


def _read(path: AnyPath) -> Corpus:
    """Read a corpus that the caller never sees, and issue its notes as warnings."""
    corpus = read_corpus(path)
    for note in corpus.notes:
        warnings.warn(note, CorpusWarning, stacklevel=4)
    return corpus


def is_path(value: Any) -> TypeGuard[AnyPath]:
    """Return whether a value is a path, as a string or an object."""
    return isinstance(value, str | os.PathLike)
