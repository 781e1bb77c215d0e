"""Back-off n-gram language models: the probability of a word after the words before it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.hmm.language.arpa import NGrams, ngram_faults, read_arpa, write_arpa
from speakergmm.words import Sentences, clean, each_sentence, words_of

BEGIN, END = "<s>", "</s>"
_UNKNOWN = ("<unk>", "<UNK>")
_LN10 = math.log(10)


@dataclass(frozen=True, slots=True)
class Perplexity:
    """The perplexity of a text under a language model, with the numbers that it is made of.

    Attributes
    ----------
    perplexity : float
        ``10 ** (-log10_probability / (n_words - n_unknown + n_sentences))``: ends of sentences are
        predicted and counted, words outside the vocabulary are neither.
    perplexity_without_ends : float
        The same, with ends of sentences predicted but not counted (SRILM's ``ppl1``).
    log10_probability : float
        Base-10 logarithm of the probability of all known words and ends of sentences.
    n_sentences, n_words, n_unknown : int
        Number of sentences, of their words, and of words outside the vocabulary.
    """

    perplexity: float
    perplexity_without_ends: float
    log10_probability: float
    n_sentences: int
    n_words: int
    n_unknown: int

    def __float__(self) -> float:
        return self.perplexity

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them; numbers that are not finite become None."""
        return {
            name: value if math.isfinite(value) else None for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BackoffLanguageModel:
    """An n-gram model with back-off weights; immutable.

    The probability of word w after history h is that of the n-gram h w, if the model contains it,
    or else the back-off weight of h times the probability of w after h without its first word.

    Parameters
    ----------
    ngrams : tuple of dict
        For each order, n-gram -> (log10 probability, log10 back-off weight, 0 for none). Each word
        has a unigram, each history an n-gram, and ``<s>`` and ``</s>`` are among the unigrams.
    source : str
        The file that it was read from, or its origin.

    Attributes
    ----------
    order : int
        Number of words of the longest n-grams.
    vocabulary : tuple of str
        Words that the model predicts, sorted, without ``<s>``, ``</s>`` and ``<unk>``.
    unknown_word : str or None
        ``<unk>`` or ``<UNK>``, which replaces words outside the vocabulary, if the model has it.

    Raises
    ------
    InvalidInputError
        If the n-grams are not a model: a word has no unigram, for instance.

    References
    ----------
    .. [1] Katz, "Estimation of probabilities from sparse data for the language model component of a
       speech recognizer", IEEE Trans. ASSP 35 (1987).

    Examples
    --------
    >>> half = math.log10(0.5)
    >>> model = BackoffLanguageModel(
    ...     ({("<s>",): (-math.inf, 0.0), ("yes",): (half, 0.0), ("</s>",): (half, 0.0)},)
    ... )
    >>> round(math.exp(model.log_probability(["yes", "yes"])), 6)
    0.125
    >>> round(model.perplexity([["yes"], ["yes"]]).perplexity, 6)
    2.0
    """

    ngrams: NGrams
    source: str = "given"
    vocabulary: tuple[str, ...] = field(init=False)
    unknown_word: str | None = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.ngrams, str | os.PathLike):
            raise InvalidTypeError(
                f"got the path {os.fspath(self.ngrams)!r}; BackoffLanguageModel.read_arpa(path) "
                "reads a model"
            )
        object.__setattr__(self, "ngrams", _cleaned(tuple(self.ngrams)))
        for _, fault in ngram_faults(self.ngrams):
            raise InvalidInputError(fault)
        words = {words[0] for words in self.ngrams[0]}
        unknown = next((name for name in _UNKNOWN if name in words), None)
        spoken = words - {BEGIN, END, *_UNKNOWN}
        object.__setattr__(self, "vocabulary", tuple(sorted(spoken)))
        object.__setattr__(self, "unknown_word", unknown)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(group)} {n}-grams" for n, group in enumerate(self.ngrams, 1))
        return f"BackoffLanguageModel({counts}, source={self.source!r})"

    @property
    def order(self) -> int:
        """Number of words of the longest n-grams."""
        return len(self.ngrams)

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of all n-grams with their numbers, in sorted order."""
        total = hashlib.sha256()
        for words, probability, backoff in self:
            total.update(f"{' '.join(words)}\t{probability!r}\t{backoff!r}\n".encode())
        return total.hexdigest()

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], float, float]]:
        """Yield n-grams with both base-10 logarithms, shorter ones first, sorted."""
        for group in self.ngrams:
            for words in sorted(group):
                yield words, *group[words]

    @classmethod
    def read_arpa(cls, path: str | os.PathLike[str]) -> BackoffLanguageModel:
        """Read an ARPA file; see `speakergmm.hmm.language.read_arpa`."""
        return cls(read_arpa(path), os.fspath(path))

    def write_arpa(self, path: str | os.PathLike[str], *, decimals: int = 7) -> None:
        """Write an ARPA file; see `speakergmm.hmm.language.write_arpa`."""
        write_arpa(path, self.ngrams, decimals=decimals)

    def log10_probability_of(self, word: str, history: Sequence[str]) -> float:
        """Return the base-10 logarithm of the probability of a word after a history.

        Parameters
        ----------
        word : str
            A unigram of the model; ``</s>`` for the end of the sentence.
        history : sequence of str
            Preceding words, the nearest one last; words further back than the order do not matter.

        Returns
        -------
        float
            Minus infinity for a word that the model does not contain.
        """
        start = max(0, len(history) - (self.order - 1))
        context = tuple(history[start:]) if self.order > 1 else ()
        backoff = 0.0
        while True:
            group = self.ngrams[len(context)]
            found = group.get((*context, word))
            if found is not None:
                return backoff + found[0]
            if not context:
                return -math.inf
            backoff += self.ngrams[len(context) - 1].get(context, (0.0, 0.0))[1]
            context = context[1:]

    def log_probability(
        self, words: Sequence[str] | str, *, begin: bool = True, end: bool = True
    ) -> float:
        """Return the natural logarithm of the probability of a sentence.

        Parameters
        ----------
        words : sequence of str, or str
            The words, without ``<s>`` and ``</s>``. A word outside the vocabulary is replaced by
            ``<unk>`` if the model has that, and is impossible otherwise.
        begin : bool, default=True
            Whether the words begin a sentence.
        end : bool, default=True
            Whether they end a sentence, so that the probability of ``</s>`` is a factor.

        Returns
        -------
        float
        """
        return _LN10 * math.fsum(self._log10_factors(words_of(words), begin, end))

    def _log10_factors(self, words: Sequence[str], begin: bool, end: bool) -> Iterator[float]:
        known = [self._known(word) for word in words]
        sentence = ([BEGIN] if begin else []) + known + ([END] if end else [])
        for place in range(1 if begin else 0, len(sentence)):
            yield self.log10_probability_of(sentence[place], sentence[:place][-self.order :])

    def _known(self, word: str) -> str:
        # A `<s>` inside a text is impossible: its unigram has probability zero.
        if (word,) in self.ngrams[0] or self.unknown_word is None:
            return word
        return self.unknown_word

    def perplexity(self, sentences: Sentences) -> Perplexity:
        """Compute the perplexity of a text.

        Parameters
        ----------
        sentences : iterable of sequences of str, or of str; or mapping
            Sentences, as `train_ngram` takes them.

        Returns
        -------
        Perplexity
            Words outside the vocabulary are counted but not predicted; in the history of the next
            words they are ``<unk>``, or a word without n-grams.

        Raises
        ------
        InvalidInputError
            If there is no sentence.
        """
        terms: list[float] = []
        n_sentences = n_words = n_unknown = 0
        vocabulary = set(self.vocabulary)
        for words in each_sentence(sentences):
            factors = list(self._log10_factors(words, True, True))
            outside = [word not in vocabulary for word in words]
            terms += [f for f, out in zip(factors, [*outside, False], strict=True) if not out]
            n_sentences += 1
            n_words += len(words)
            n_unknown += sum(outside)
        if not n_sentences:
            raise InvalidInputError(
                "there is no sentence to compute the perplexity of; give at least one"
            )
        total = math.fsum(terms)
        n_known = n_words - n_unknown
        return Perplexity(
            _power(-total, n_known + n_sentences),
            _power(-total, n_known),
            total,
            n_sentences,
            n_words,
            n_unknown,
        )


def _power(surprise: float, count: int) -> float:
    if count == 0 or surprise == math.inf:
        return math.inf
    return float(10 ** (surprise / count))


def _cleaned(ngrams: NGrams) -> NGrams:
    """Return n-grams with words spelled as all readers spell them.

    Raises
    ------
    InvalidInputError
        If two n-grams become one.
    """
    spelled = {words[0]: clean(words[0]) for words in (ngrams[0] if ngrams else ()) if words}
    if all(given == kept for given, kept in spelled.items()):
        return ngrams
    cleaned = tuple(
        {tuple(spelled.get(word, word) for word in words): rest for words, rest in group.items()}
        for group in ngrams
    )
    if any(len(new) < len(old) for new, old in zip(cleaned, ngrams, strict=True)):
        raise InvalidInputError("a word occurs twice, in two Unicode spellings; keep one")
    return cleaned
