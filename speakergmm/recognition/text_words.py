"""Words of transcripts that a lexicon, a model or a language model doesn't have."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Set

from speakergmm.corpora import Problem
from speakergmm.corpora.transcript import Transcript
from speakergmm.corpora.validation import Severity
from speakergmm.hmm.language.graphemes import spell
from speakergmm.hmm.language.language_model import BackoffLanguageModel
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.recognition.inputs import as_language_model
from speakergmm.recognition.text_problems import as_path, at_line, problems_of
from speakergmm.text_files import FaultyFileError
from speakergmm.words import Sentences, case_hint, fold

PUNCTUATION = ".,;:!?\"'()[]{}-\u2018\u2019\u201c\u201d\u00ab\u00bb\u2026\u2013\u2014"


def spelled_out(
    lexicon: Lexicon, transcripts: Sentences, *, modelled: Set[str] | None = None
) -> Lexicon:
    """Give words outside the lexicon their letters, where there is a model of each.

    Those that can't be spelled stay outside.
    """
    spelled = {word: spell(word) for word in lexicon.unknown(transcripts)}
    return lexicon.extended(
        {
            word: (Pronunciation(letters),)
            for word, letters in spelled.items()
            if letters and (modelled is None or modelled >= set(letters))
        }
    )


def unspelled_words(used: Mapping[str, Transcript]) -> Iterator[Problem]:
    """Find words that a grapheme lexicon can't have."""
    yield from _outside(
        used,
        {word for said in used.values() for word in said if spell(word) is None},
        "that can't be spelled (write numbers and signs as words)",
        "error",
    )


def unknown_words(
    used: Mapping[str, Transcript], lexicon: Lexicon, unknown: str | None
) -> Iterator[Problem]:
    """Find words that the lexicon lacks: errors where no word stands for them."""
    what = f"not in the lexicon {lexicon.source}"
    if unknown is not None:
        what += f", taken for {unknown}"
    severity: Severity = "error" if unknown is None else "warning"
    outside = set(lexicon.unknown(used))
    yield from _outside(used, outside, what, severity, hint=_hint(outside, lexicon))


def _hint(outside: Iterable[str], lexicon: Lexicon) -> str:
    """Say which words would be known without punctuation, or in another letter case."""
    words = sorted(outside)
    known = {fold(word, "lower") for word in lexicon} if words else set()
    bare = [word for word in words if _is_known_bare(word, known)]
    hints = ""
    if bare:
        hints += f"; without punctuation {len(bare)} would be known, such as {bare[0]!r}"
    return hints + case_hint([word for word in words if word not in bare], lexicon)


def _is_known_bare(word: str, known: Container[str]) -> bool:
    plain = word.strip(PUNCTUATION)
    return plain != word and fold(plain, "lower") in known


def _outside(
    used: Mapping[str, Transcript],
    outside: set[str],
    what: str,
    severity: Severity,
    *,
    hint: str = "",
) -> Iterator[Problem]:
    """Tell the words with their counts, and the utterances that have them."""
    if not outside:
        return
    counts = Counter(word for said in used.values() for word in said if word in outside)
    # Utterances are the errors; to count the words among them would count them twice.
    message = f"words {what}: {with_counts(counts)}{hint}"
    yield Problem("warning", "unknown_word", None, None, message)
    for name, said in used.items():
        found = list(dict.fromkeys(word for word in said if word in outside))
        if found:
            message = f"utterance {name!r} has words {what}: {' '.join(found)}"
            yield at_line(severity, "unknown_word", name, said, message)


def with_counts(counts: Mapping[str, int]) -> str:
    """Write words with their counts, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{word} ({count})" for word, count in ranked)


def missing_phones(
    used: Mapping[str, Transcript],
    lexicon: Lexicon | None,
    graphemes: bool,
    modelled: Set[str],
) -> Iterator[Problem]:
    """Find phones or letters that a model has no unit for."""
    missing: Counter[str] = Counter()
    for name, said in used.items():
        lacking = set()
        for word in said:
            if graphemes:
                lacking |= set(spell(word) or ()) - modelled
            elif lexicon is not None and word in lexicon:
                lacking |= {p for way in lexicon[word] for p in way.phones} - modelled
        missing.update(lacking)
        if lacking:
            named = " ".join(sorted(lacking))
            message = f"utterance {name!r} has phones without a model: {named}"
            yield at_line("error", "missing_phones", name, said, message)
    if missing:
        message = f"phones without a model, with numbers of utterances: {with_counts(missing)}"
        yield Problem("warning", "missing_phones", None, None, message)


def language_model_words(
    given: BackoffLanguageModel | str | os.PathLike[str] | None,
    used: Mapping[str, Transcript],
    lexicon: Lexicon | None,
) -> list[Problem]:
    """Read a language model, and compare its words with the text and the lexicon."""
    if given is None:
        return []
    try:
        model = as_language_model(given)
    except FaultyFileError as error:
        return list(problems_of("bad_language_model", error.faults))
    assert model is not None
    known = set(model.vocabulary)
    found = []
    counts = Counter(word for said in used.values() for word in said if word not in known)
    if counts:
        found.append(
            f"words of the text that the language model lacks: {with_counts(counts)}"
            + case_hint(counts, known)
        )
    if lexicon is not None:
        unsaid = [word for word in model.vocabulary if word not in lexicon]
        if unsaid:
            found.append(
                f"{len(unsaid)} words of the language model are not in the lexicon, and can't be "
                f"recognised: {', '.join(unsaid[:20])}{', ...' if len(unsaid) > 20 else ''}"
                + case_hint(unsaid, lexicon, "train it with --case {case}")
            )
    where = as_path(model.source)
    return [Problem("warning", "language_model_words", where, None, message) for message in found]
