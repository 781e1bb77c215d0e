"""What people give where a corpus is wanted: often a path, or recordings."""

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
    """Something of a corpus was passed over."""


AnyPath = str | os.PathLike[str]
CorpusLike = Corpus | Iterable[Utterance | AnyPath] | Utterance | AnyPath
"""A corpus, or where it lies; or recordings, as utterances or paths."""


def as_corpus(given: CorpusLike, *, strict: bool = True) -> Corpus:
    """Return a corpus, read the one that lies at a path, or make one of recordings.

    Parameters
    ----------
    given : Corpus, path, or iterable of Utterance or path
        As `as_utterances` has it.
    strict : bool, default=True
        As `read_corpus` has it, of one that is read; what was passed over is then warned of.
    """
    if isinstance(given, Corpus):
        return given
    if is_path(given) and not has_audio_suffix(os.fspath(given)):
        return _read(given) if strict else read_corpus(given, strict=False)
    source = os.fspath(given) if is_path(given) else "given"
    return Corpus(as_utterances(given), source=source)


def as_utterances(given: CorpusLike) -> tuple[Utterance, ...]:
    """Return the utterances of a corpus, of one that lies at a path, or of recordings.

    Parameters
    ----------
    given : Corpus, path, or iterable of Utterance or path
        The path of a recording stands for that alone. Recordings that are given as paths have no
        speakers, and are called as their files without the ending, or by path where two are alike.
    """
    if is_path(given):
        if not has_audio_suffix(os.fspath(given)):
            return tuple(_read(given))
        given = [given]
    elif isinstance(given, Utterance):
        given = [given]
    elif not isinstance(given, Iterable) or isinstance(given, bytes | np.ndarray):
        raise wrong_type(given, "recordings, read_corpus(path) or a list of utterances or paths")
    listed = list(given)
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
    """Read a corpus that the caller never sees, so that its notes must be told here."""
    corpus = read_corpus(path)
    for note in corpus.notes:
        warnings.warn(note, CorpusWarning, stacklevel=4)
    return corpus


def is_path(given: Any) -> TypeGuard[AnyPath]:
    """Tell a path from everything else."""
    return isinstance(given, str | os.PathLike)
