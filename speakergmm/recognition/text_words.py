"""Words of transcripts: those without a pronunciation or a model, and their least duration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from itertools import chain

from speakergmm.corpora import AnyPath, Problem, Severity
from speakergmm.hmm.language.graphemes import spell
from speakergmm.hmm.language.language_model import BackoffLanguageModel
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.recognition.language_arguments import as_language_model
from speakergmm.recognition.text_problems import Texts, optional_path, problems_of
from speakergmm.text_files import FaultyFileError
from speakergmm.words import Sentences, case_hint, fold

PUNCTUATION = ".,;:!?\"'()[]{}-\u2018\u2019\u201c\u201d\u00ab\u00bb\u2026\u2013\u2014"


def spelled_out(
    lexicon: Lexicon, transcripts: Sentences, *, modelled: Set[str] | None = None
) -> Lexicon:
    """Return a lexicon in which the words outside it are spelled, one unit per letter.

    Words that cannot be spelled, or for which a letter has no model, are not added.

    Parameters
    ----------
    lexicon : Lexicon
    transcripts : sentences
        Mapping or sequence of texts or sequences of words.
    modelled : set of str, optional
        Units that have a model; by default any letter may be used.
    """
    spelled = {word: spell(word) for word in lexicon.unknown(transcripts)}
    return lexicon.extended(
        {
            word: (Pronunciation(letters),)
            for word, letters in spelled.items()
            if letters and (modelled is None or modelled >= set(letters))
        }
    )


def unknown_words(texts: Texts) -> Iterator[Problem]:
    """Find words outside the lexicon: errors, unless they are mapped to the unknown word."""
    if texts.lexicon is None:
        return
    used = texts.used
    severity: Severity = "error"
    outside = set(texts.lexicon.unknown(used))
    hint = _hint(outside, texts.lexicon)
    what = f"not in the lexicon {texts.lexicon.source}"
    if texts.spelled:
        message = f"words {what}, spelled: {with_counts(texts.spelled)}"
        # The lexicon contains the spelled words by now.
        listed = [word for word in texts.lexicon if word not in texts.spelled]
        message += _hint(texts.spelled, listed)
        yield Problem("warning", "unknown_word", None, None, message)
    if texts.graphemes:
        what, hint = "that cannot be spelled (write numbers and signs as words)", ""
    elif texts.unknown is not None:
        what, severity = f"{what}, mapped to {texts.unknown}", "warning"
    # Each word once per utterance, in order; for all utterances the words with their counts.
    found = {name: [word for word in said if word in outside] for name, said in used.items()}
    counts = Counter(chain.from_iterable(found.values()))
    distinct = {name: list(dict.fromkeys(words)) for name, words in found.items()}
    summary = f"words {what}: {with_counts(counts)}{hint}"
    yield from texts.listed(severity, "unknown_word", distinct, f"words {what}", summary)


def _hint(outside: Iterable[str], lexicon: Collection[str]) -> str:
    """Return a hint at words that are known without punctuation or in another letter case."""
    words = sorted(outside)
    known = {fold(word, "lower") for word in lexicon} if words else set()
    stripped = {word: word.strip(PUNCTUATION) for word in words}
    bare = [w for w, plain in stripped.items() if plain != w and fold(plain, "lower") in known]
    hints = ""
    if bare:
        hints += f"; without punctuation {len(bare)} would be known, such as {bare[0]!r}: remove it"
    return hints + case_hint([word for word in words if word not in bare], lexicon)


def shortest_frames(
    words: Iterable[str],
    lexicon: Lexicon | None = None,
    *,
    frames_of: Callable[[str], int] = lambda _: 3,
    unknown: str | None = None,
) -> int:
    """Return the least number of frames that a sequence of words takes.

    Parameters
    ----------
    words : iterable of str
    lexicon : Lexicon, optional
        Without it words are spelled; a word that cannot be spelled counts as one letter.
    frames_of : callable, optional
        Least number of frames of a phone; by default 3, for three states in a row.
    unknown : str, optional
        Word of the lexicon to which words outside it are mapped. Without it they take no time.

    Returns
    -------
    int

    Examples
    --------
    >>> lexicon = Lexicon.from_dict({"the": ["DH AH", "DH IY"], "often": ["AO F AH N", "AO F T N"]})
    >>> shortest_frames(["the", "often"], lexicon), shortest_frames(["the"])
    (18, 9)
    """
    total = 0
    for word in words:
        if lexicon is None:
            total += sum(map(frames_of, spell(word, digits="keep") or word[:1]))
            continue
        known = word if word in lexicon else unknown
        if known is not None:
            total += min(sum(map(frames_of, way.phones)) for way in lexicon[known])
    return total


def with_counts(counts: Mapping[str, int]) -> str:
    """Return words with their counts as text, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{word} ({count})" for word, count in ranked)


def missing_phones(texts: Texts, units: Set[str] | None) -> Iterator[Problem]:
    """Find utterances with phones or letters that are not among some units."""
    lexicon = texts.lexicon
    if units is None or lexicon is None:
        return
    found = {
        name: sorted({phone for word in said for phone in _phones_of(word, lexicon)} - units)
        for name, said in texts.used.items()
    }
    what = "phones without a model"
    counts = with_counts(Counter(chain.from_iterable(found.values())))
    summary = f"{what}, with numbers of utterances: {counts}"
    yield from texts.listed("error", "missing_phones", found, what, summary)


def _phones_of(word: str, lexicon: Lexicon) -> set[str]:
    if word not in lexicon:
        return set()
    return {phone for way in lexicon[word] for phone in way.phones}


def language_model_words(
    texts: Texts, language_model: BackoffLanguageModel | AnyPath | None
) -> list[Problem]:
    """Compare the words of a language model with the transcripts and the lexicon."""
    try:
        model = as_language_model(language_model)
    except FaultyFileError as error:
        return problems_of("bad_language_model", error.faults)
    if model is None:
        return []
    found, lexicon, known = [], texts.lexicon, set(model.vocabulary)
    counts = Counter(word for said in texts.used.values() for word in said if word not in known)
    if counts:
        found.append(
            f"words of the transcripts that are not in the language model: {with_counts(counts)}"
            + case_hint(counts, known)
        )
    unsaid = [word for word in model.vocabulary if lexicon is not None and word not in lexicon]
    if unsaid:
        found.append(
            f"{len(unsaid)} words of the language model are not in the lexicon, and cannot be "
            f"recognised: {', '.join(unsaid[:20])}{', ...' if len(unsaid) > 20 else ''}"
            + case_hint(unsaid, lexicon or (), "train it with --case {case}")
        )
    where = optional_path(model.source)
    return [Problem("warning", "language_model_words", where, None, message) for message in found]
