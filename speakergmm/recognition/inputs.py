"""What people give where a model, a corpus, transcripts or a lexicon is wanted: often a path."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from speakergmm.audio import has_audio_suffix
from speakergmm.corpora import Corpus, Utterance, read_corpus, read_transcripts
from speakergmm.errors import InvalidTypeError
from speakergmm.hmm.language_model import BackoffLanguageModel
from speakergmm.hmm.lexicon import Lexicon
from speakergmm.words import split_words

if TYPE_CHECKING:
    from speakergmm.recognition.acoustic_model import AcousticModel

AnyPath = str | os.PathLike[str]
Recordings = Corpus | Iterable[Utterance | AnyPath] | Utterance | AnyPath
"""A corpus, or where it lies; or recordings, as utterances or paths."""


def as_model(given: AcousticModel | AnyPath) -> AcousticModel:
    """Return an acoustic model, or read the one that lies at a path.

    Raises
    ------
    InvalidTypeError
        If it is neither; names the right call.
    """
    from speakergmm.recognition.acoustic_model import AcousticModel

    if _is_path(given):
        return AcousticModel.load(given)
    if isinstance(given, AcousticModel):
        return given
    raise _refused(given, "an acoustic model, AcousticModel.load(path) or AcousticModel.train(...)")


def as_lexicon(
    given: Lexicon | AnyPath | Mapping[str, Any], *, units: Iterable[str] = ()
) -> Lexicon:
    """Return a lexicon, read the one that lies at a path, or make one of a dictionary.

    Parameters
    ----------
    given : Lexicon, path, or mapping
        A mapping as `Lexicon.from_dict` takes it.
    units : iterable of str
        Names of a model's units, whose stress digits a file's phones then keep, too.
    """
    if isinstance(given, Lexicon):
        return given
    if _is_path(given):
        keeps = any(unit[-1:].isdigit() for unit in units)
        return Lexicon.read(given, stress="keep" if keeps else "fold")
    if isinstance(given, Mapping):
        return Lexicon.from_dict(given)
    raise _refused(given, "a lexicon, Lexicon.read(path) or Lexicon.from_dict({...})")


def as_language_model(given: BackoffLanguageModel | AnyPath | None) -> BackoffLanguageModel | None:
    """Return a language model, or read the ARPA file that lies at a path; None stays None."""
    if given is None or isinstance(given, BackoffLanguageModel):
        return given
    if _is_path(given):
        return BackoffLanguageModel.read_arpa(given)
    raise _refused(
        given, "an n-gram model, BackoffLanguageModel.read_arpa(path) or train_ngram(sentences)"
    )


def as_transcripts(
    given: Mapping[str, Sequence[str] | str] | AnyPath,
) -> Mapping[str, Sequence[str]]:
    """Return transcripts by utterance, or read those that lie at a path; texts become words."""
    if _is_path(given):
        return read_transcripts(given)
    if not isinstance(given, Mapping):
        raise _refused(given, "transcripts by utterance, read_transcripts(path) or {id: words}")
    if not any(isinstance(words, str) for words in given.values()):
        return given
    return {
        name: split_words(words) if isinstance(words, str) else words
        for name, words in given.items()
    }


def as_words(words: Sequence[str] | str) -> Sequence[str]:
    """Return the words of a sentence, which may be given as a text."""
    return split_words(words) if isinstance(words, str) else words


def as_corpus(given: Recordings) -> Corpus:
    """Return a corpus, read the one that lies at a path, or make one of recordings.

    Parameters
    ----------
    given : Corpus, path, or iterable of Utterance or path
        As `as_utterances` has it.
    """
    if isinstance(given, Corpus):
        return given
    if _is_path(given) and not has_audio_suffix(os.fspath(given)):
        return read_corpus(given)
    source = os.fspath(given) if _is_path(given) else "given"
    return Corpus(as_utterances(given), source=source)


def as_utterances(given: Recordings) -> tuple[Utterance, ...]:
    """Return the utterances of a corpus, of one that lies at a path, or of recordings.

    Parameters
    ----------
    given : Corpus, path, or iterable of Utterance or path
        The path of a recording stands for that alone. Recordings that are given as paths have no
        speakers, and are called as their files without the ending, or by path where two are alike.
    """
    if _is_path(given):
        if not has_audio_suffix(os.fspath(given)):
            return tuple(read_corpus(given))
        given = [given]
    elif isinstance(given, Utterance):
        given = [given]
    elif not isinstance(given, Iterable) or isinstance(given, bytes | np.ndarray):
        raise _refused(given, "recordings, read_corpus(path) or a list of utterances or paths")
    listed = list(given)
    stems = Counter(Path(item).stem for item in listed if _is_path(item))
    utterances = []
    for item in listed:
        if _is_path(item):
            path = Path(item)
            name = path.stem if stems[path.stem] == 1 else str(path)
            utterances.append(Utterance(name, path, None))
        elif isinstance(item, Utterance):
            utterances.append(item)
        else:
            raise _refused(item, "an utterance, Utterance(id, path, speaker), or a path")
    return tuple(utterances)


def _is_path(given: Any) -> TypeGuard[AnyPath]:
    return isinstance(given, str | os.PathLike)


def _refused(given: object, wanted: str) -> InvalidTypeError:
    kind = given.__name__ if isinstance(given, type) else type(given).__name__
    return InvalidTypeError(f"got {kind} where {wanted} is wanted")
