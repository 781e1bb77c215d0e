"""Estimation of n-gram models from text: interpolated Witten-Bell and modified Kneser-Ney.

Both are interpolated: the probability of a word after a history mixes its relative frequency after
that history with its probability after the history without the first word, down to the uniform
distribution over the vocabulary. The back-off form of the model is exact: the entry of a counted
n-gram is the whole sum, and the back-off weight of a history is the share of the shorter one.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm.language.arpa import NGrams
from speakergmm.hmm.language.language_model import BEGIN, END, BackoffLanguageModel
from speakergmm.hmm.language.ngram_options import NgramOptions
from speakergmm.hmm.language.pronunciation import symbol_fault
from speakergmm.words import Sentences, clean, each_sentence

Counts = dict[tuple[str, ...], int]
"""Counts of the n-grams of one order."""


@dataclass(frozen=True, slots=True)
class Discounts:
    """Discounts of Kneser-Ney smoothing for the n-grams of one order.

    Attributes
    ----------
    one, two, more : float
        Discounts of counts of one, of two, and of three and more.
    rule : {"modified", "absolute", "fixed"}
        Rule that gave them: from the numbers of n-grams that occur once to four times; one
        discount for all, from those that occur once and twice, if the first rule is undefined; or
        a half, if both are.
    """

    one: float
    two: float
    more: float
    rule: Literal["modified", "absolute", "fixed"]

    def of(self, count: int) -> float:
        """Return the discount of a count."""
        return (0.0, self.one, self.two, self.more)[min(count, 3)]


def train_ngram(
    sentences: Sentences,
    options: NgramOptions | None = None,
    *,
    vocabulary: Iterable[str] | None = None,
    source: str = "trained",
    **changes: Any,
) -> BackoffLanguageModel:
    r"""Estimate an n-gram model.

    Parameters
    ----------
    sentences : iterable of sequences of str, or of str; or mapping
        Words without ``<s>`` and ``</s>``; a string is split at white space. Empty sentences are
        counted as sentences that end at once. The values of a mapping, such as transcripts, are
        the sentences.
    options : NgramOptions, optional
        Order, smoothing and unknown word.
    vocabulary : iterable of str, optional
        All words that the model predicts; by default those of the text. Words that do not occur
        in the text have their share of the uniform distribution.
    source : str
        Origin of the text, for the model's record.
    **changes
        Single options, in place of those of `options`, such as ``order=3``.

    Returns
    -------
    BackoffLanguageModel
        After every history the probabilities of the vocabulary and ``</s>`` sum to one.

    Raises
    ------
    InvalidInputError
        If an option is out of its range, a word is a symbol of the format, or the text contains
        words outside `vocabulary` and there is no `unknown_word`.
    InsufficientDataError
        If there is no sentence.

    Notes
    -----
    Let c(h w) be the count of w after h, c(h) their sum over w, T(h) the number of different w, and
    h' the history h without its first word. Witten-Bell [1]_ is

    .. math:: P(w|h) = \frac{c(h w) + T(h) P(w|h')}{c(h) + T(h)}

    and modified Kneser-Ney [2]_, with a(h w) the count of h w at the highest order and after
    ``<s>``, and elsewhere the number of different words before h w,

    .. math:: P(w|h) = \frac{a(h w) - D(a(h w))}{a(h)} + \frac{\sum_v D(a(h v))}{a(h)} P(w|h').

    Below the empty history lies the uniform distribution over vocabulary and ``</s>``.

    References
    ----------
    .. [1] Witten, Bell, "The zero-frequency problem", IEEE Trans. Information Theory 37 (1991),
       method C; interpolated.
    .. [2] Chen, Goodman, "An empirical study of smoothing techniques for language modeling",
       Computer Speech and Language 13 (1999), equations 4 and 17.

    Examples
    --------
    >>> model = train_ngram(["a b", "a c"], vocabulary=["a", "b", "c", "d"])
    >>> round(10 ** model.log10_probability_of("a", ["<s>"]), 4)
    0.76
    """
    options = NgramOptions.of(options, changes)
    texts = list(each_sentence(sentences))
    if not texts:
        raise InsufficientDataError("there is no sentence; an n-gram model needs at least one")
    unknown = options.unknown_word
    words = _vocabulary(texts, vocabulary, unknown)
    counts = count_ngrams(
        [[word if word in words else str(unknown) for word in text] for text in texts],
        order=options.order,
    )
    if options.method == "witten-bell":
        ngrams = _interpolate(counts, words, _witten_bell)
    else:
        ngrams = _interpolate(continuation_counts(counts), words, _kneser_ney)
    return BackoffLanguageModel(ngrams, source)


def count_ngrams(sentences: Iterable[Sequence[str]], *, order: int) -> list[Counts]:
    """Count the n-grams of each order, with ``<s>`` before and ``</s>`` after each sentence.

    Parameters
    ----------
    sentences : iterable of sequences of str
        Words of each sentence.
    order : int
        Number of words of the longest n-grams.

    Returns
    -------
    list of dict
        For each order from 1, n-gram -> count. ``<s>`` is not a unigram: it is never predicted.

    Examples
    --------
    >>> count_ngrams([["a"], ["a"]], order=2)[1]
    {('<s>', 'a'): 2, ('a', '</s>'): 2}
    """
    counters: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
    for words in sentences:
        sentence = (BEGIN, *words, END)
        for length, counter in enumerate(counters, start=1):
            last = len(sentence) - length + 1
            counter.update(sentence[i : i + length] for i in range(length == 1, last))
    return [dict(counter) for counter in counters]


def continuation_counts(counts: Sequence[Counts]) -> list[Counts]:
    """Replace the counts below the highest order by the numbers of different preceding words.

    N-grams that begin with ``<s>`` have no preceding word and keep their counts.

    Parameters
    ----------
    counts : sequence of dict
        As `count_ngrams` returns them.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> continuation_counts(count_ngrams([["a", "b"], ["b", "b"]], order=2))[0]
    {('a',): 1, ('b',): 3, ('</s>',): 1}
    """
    adjusted = []
    for shorter, longer in itertools.pairwise(counts):
        before = Counter(words[1:] for words in longer)
        adjusted.append(
            {words: n if words[0] == BEGIN else before[words] for words, n in shorter.items()}
        )
    return [*adjusted, dict(counts[-1])]


def kneser_ney_discounts(counts: Counts) -> Discounts:
    """Compute the discounts of one order from the frequencies of its counts.

    Parameters
    ----------
    counts : dict
        n-gram -> count, of one order.

    Returns
    -------
    Discounts
        Each above 0 and below the count it is subtracted from.

    References
    ----------
    Chen, Goodman, "An empirical study of smoothing techniques for language modeling", Computer
    Speech and Language 13 (1999), equation 17.
    """
    # n[k] n-grams occur k times; D_k = k - (k + 1) Y n[k + 1] / n[k], Y = n[1] / (n[1] + 2 n[2]).
    frequency = Counter(counts.values())
    n = [frequency[k] for k in range(5)]
    if n[1] and n[2]:
        y = n[1] / (n[1] + 2 * n[2])
        if n[3] and n[4]:
            found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
            if all(0 < discount < k for k, discount in enumerate(found, start=1)):
                one, two, more = found
                return Discounts(one, two, more, "modified")
        return Discounts(y, y, y, "absolute")
    return Discounts(0.5, 0.5, 0.5, "fixed")


# From the counts of the words after a history: discounts by word, the mass of the shorter history,
# and the denominator.
_Smoothing = Callable[[dict[str, int]], tuple[dict[str, float], float, float]]


def _witten_bell(_: Counts) -> _Smoothing:
    return lambda after: ({}, len(after), sum(after.values()) + len(after))


def _kneser_ney(counts: Counts) -> _Smoothing:
    discounts = kneser_ney_discounts(counts)

    def smooth(after: dict[str, int]) -> tuple[dict[str, float], float, float]:
        taken = {word: discounts.of(count) for word, count in after.items()}
        return taken, math.fsum(taken.values()), float(sum(after.values()))

    return smooth


def _interpolate(
    counts: Sequence[Counts], words: set[str], method: Callable[[Counts], _Smoothing]
) -> NGrams:
    """Mix each order with the shorter one, and write the mixture as a back-off model."""
    uniform = 1 / (len(words) + 1)  # </s> is predicted, too
    lower: dict[tuple[str, ...], float] = {}
    weights: dict[tuple[str, ...], float] = {}
    levels: list[dict[tuple[str, ...], float]] = []
    # From unigrams up: each order is mixed with the finished probabilities of the one below.
    for order, group in enumerate(counts, start=1):
        smooth = method(group)
        level: dict[tuple[str, ...], float] = {}
        for history, after in _by_history(group).items():
            # `given` of `total` counts go to the shorter history: its share is the back-off weight.
            discounts, given, total = smooth(after)
            weights[history] = given / total
            for word, count in after.items():
                below = uniform if order == 1 else lower[(*history[1:], word)]
                level[(*history, word)] = (count - discounts.get(word, 0.0) + given * below) / total
        # Words that were never counted have their share of the uniform distribution.
        if order == 1:
            # Sorted: sets differ in order between processes, and graphs number words in order.
            for word in sorted((words | {END}) - {word for (word,) in level}):
                level[(word,)] = weights[()] * uniform
            level[(BEGIN,)] = 0.0
        levels.append(level)
        lower = level
    return tuple(
        {
            ngram: (_log10(probability), _log10(weights.get(ngram, 1.0)))
            for ngram, probability in level.items()
        }
        for level in levels
    )


def _by_history(counts: Counts) -> dict[tuple[str, ...], dict[str, int]]:
    grouped: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for ngram, count in counts.items():
        grouped[ngram[:-1]][ngram[-1]] = count
    return grouped


def _log10(value: float) -> float:
    # Rounding may raise a probability above one.
    return min(0.0, math.log10(value)) if value > 0 else -math.inf


def _vocabulary(
    texts: Sequence[Sequence[str]], vocabulary: Iterable[str] | None, unknown_word: str | None
) -> set[str]:
    spoken = Counter(word for text in texts for word in text)
    words = set(spoken) if vocabulary is None else set(map(clean, vocabulary))
    if unknown_word is not None:
        words.add(unknown_word)
    for word in sorted(words):
        if fault := symbol_fault(word):
            raise InvalidInputError(f"word {word!r} {fault}")
    outside = {word: count for word, count in spoken.items() if word not in words}
    if outside and unknown_word is None:
        named = ", ".join(f"{word} ({outside[word]})" for word in sorted(outside)[:20])
        more = f" and {len(outside) - 20} more" if len(outside) > 20 else ""
        raise InvalidInputError(
            f"words of the text outside the vocabulary: {named}{more}; add them, or give an "
            "unknown_word that replaces them"
        )
    return words
