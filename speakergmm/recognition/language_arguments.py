"""Conversion of arguments to transcripts, lexicons and language models, many from paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from speakergmm.corpora import AnyPath, Transcripts, is_path, read_transcripts
from speakergmm.hmm.language.language_model import BackoffLanguageModel
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.ranges import wrong_type
from speakergmm.words import Case

TranscriptsLike = Mapping[str, Sequence[str] | str] | AnyPath
"""Transcripts as people give them: texts or words by utterance, or the path of a file."""


def as_lexicon(
    lexicon: Lexicon | AnyPath | Mapping[str, Any],
    *,
    units: Iterable[str] = (),
    case: Case | None = None,
) -> Lexicon:
    """Return a lexicon, read the one at a path, or make one of a dictionary.

    Parameters
    ----------
    lexicon : Lexicon, path, or mapping
        The lexicon; a mapping is passed to `Lexicon.from_dict`.
    units : iterable of str
        Units of a model. If some have stress digits, the phones of a file keep theirs.
    case : {"upper", "lower"}, optional
        Letter case to which the words of a file are brought.
    """
    if isinstance(lexicon, Lexicon):
        return lexicon
    if is_path(lexicon):
        return Lexicon.read(lexicon, stress="keep" if keeps_stress(units) else "fold", case=case)
    if isinstance(lexicon, Mapping):
        return Lexicon.from_dict(lexicon)
    raise wrong_type(lexicon, "a lexicon, Lexicon.read(path) or Lexicon.from_dict({...})")


def keeps_stress(units: Iterable[str]) -> bool:
    """Return whether units of a model have stress digits, as in ``AH0``."""
    return any(unit[-1:].isdigit() for unit in units)


def as_language_model(
    language_model: BackoffLanguageModel | AnyPath | None,
) -> BackoffLanguageModel | None:
    """Return a language model, or read the ARPA file at a path; None stays None."""
    if is_path(language_model):
        return BackoffLanguageModel.read_arpa(language_model)
    if not isinstance(language_model, BackoffLanguageModel | None):
        calls = "BackoffLanguageModel.read_arpa(path) or train_ngram(sentences)"
        raise wrong_type(language_model, f"an n-gram model, {calls}")
    return language_model


def as_transcripts(
    transcripts: TranscriptsLike,
) -> Transcripts:
    """Return transcripts by utterance, or read those at a path; texts are split into words."""
    if is_path(transcripts):
        return read_transcripts(transcripts)
    found: Any = transcripts  # texts and sequences of words are converted
    return found if isinstance(found, Transcripts) else Transcripts(found)
