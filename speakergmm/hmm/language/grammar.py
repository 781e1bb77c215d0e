"""Grammars: weighted automata of words, from which decoding graphs are built."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.language.arpa import LOG_ZERO
from speakergmm.hmm.language.language_model import BEGIN, END, BackoffLanguageModel
from speakergmm.words import clean

_LN10 = math.log(10.0)


@dataclass(frozen=True)
class GrammarArc:
    """A word that may follow a history.

    Parameters
    ----------
    word : str
        The word.
    log_probability : float
        Natural logarithm of its probability.
    target : int
        State after the word.
    """

    word: str
    log_probability: float
    target: int


@dataclass(frozen=True)
class GrammarState:
    """A history, with the words that may follow it.

    Parameters
    ----------
    arcs : tuple of GrammarArc
        Words that may follow.
    end : float
        Log-probability that no word follows; -inf if a sentence cannot end here.
    backoff : int or None
        State of a shorter history, for words that have no arc here.
    backoff_log_probability : float
        Logarithm of the back-off weight.
    """

    arcs: tuple[GrammarArc, ...] = ()
    end: float = -math.inf
    backoff: int | None = None
    backoff_log_probability: float = 0.0


@dataclass(frozen=True, eq=False)
class Grammar:
    """A weighted automaton of words, whose initial state is state 0.

    Parameters
    ----------
    states : tuple of GrammarState
        The histories that are distinguished.
    omitted : tuple of str, default=()
        Words of the language model without a pronunciation, which the automaton lacks.

    Notes
    -----
    Backing off is an ordinary arc without a word, as in Kaldi, which paths may take even if the
    longer history has the next word. The path of the language model through a sentence is always
    among the paths, but the best one may be more probable. For unigrams, and for bigrams whose
    explicit probabilities are never below those of backing off (interpolated models, such as those
    of `train_ngram`), the best path is that of the model. With longer histories a path may also
    gain by forgetting words: `score` returns the score of the automaton, and `rescore` inserts the
    exact probabilities of the model into a list of hypotheses.

    Examples
    --------
    >>> grammar = Grammar.loop(["yes", "no", "maybe"])
    >>> round(grammar.score(["no", "yes"]) / math.log(4), 6)
    -3.0
    """

    states: tuple[GrammarState, ...]
    omitted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise an error if an arc leads to a state that does not exist."""
        if not self.states:
            raise InvalidInputError("a grammar needs a state, found none")
        count = len(self.states)
        for number, state in enumerate(self.states):
            targets = [arc.target for arc in state.arcs]
            if state.backoff is not None:
                targets.append(state.backoff)
            wrong = [target for target in targets if not 0 <= target < count]
            if wrong:
                raise InvalidInputError(
                    f"an arc from state {number} leads to {wrong[0]}; there are {count} states"
                )

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words of the arcs, sorted."""
        return tuple(sorted({arc.word for state in self.states for arc in state.arcs}))

    @cached_property
    def ends(self) -> tuple[float, ...]:
        """Log-probability of ending in each state, over the best back-off path."""
        return tuple(
            max(score + self.states[state].end for state, score in reached.items())
            for reached in (self._with_backoff({n: 0.0}) for n in range(len(self.states)))
        )

    @classmethod
    def loop(cls, words: Iterable[str]) -> Grammar:
        """Return the grammar of any words in any order, each and the end equally probable.

        Parameters
        ----------
        words : iterable of str
            The words, each once.
        """
        listed = _distinct(words)
        log_probability = -math.log(len(listed) + 1)
        arcs = tuple(GrammarArc(word, log_probability, 0) for word in listed)
        return cls((GrammarState(arcs, log_probability),))

    @classmethod
    def isolated(cls, words: Iterable[str] | Mapping[str, float]) -> Grammar:
        """Return the grammar of exactly one word of a list.

        Parameters
        ----------
        words : iterable of str, or mapping of str to float
            The words, equally probable; or with probabilities, which are normalised to sum to one.

        Raises
        ------
        InvalidInputError
            If there is no word, or a probability is negative or not finite.
        """
        listed = _distinct(words)
        weights = list(words.values()) if isinstance(words, Mapping) else [1.0] * len(listed)
        total = math.fsum(weights)
        if not (math.isfinite(total) and total > 0 and min(weights) >= 0):
            raise InvalidInputError("probabilities of words must be finite and >= 0, some above 0")
        arcs = tuple(
            GrammarArc(word, math.log(weight / total), 1)
            for word, weight in zip(listed, weights, strict=True)
            if weight > 0
        )
        return cls((GrammarState(arcs), GrammarState(end=0.0)))

    @classmethod
    def ngram(cls, model: BackoffLanguageModel, *, known: Iterable[str] | None = None) -> Grammar:
        """Return the automaton of a back-off n-gram model of any order.

        Parameters
        ----------
        model : BackoffLanguageModel
            The language model.
        known : iterable of str, optional
            Words that can be recognised (those of a lexicon). N-grams with other words are left
            out; the remaining probabilities are not renormalised, so that scores are those of the
            model.

        Raises
        ------
        InvalidInputError
            If no word is left.
        """
        # N-grams of words that can be recognised, and the back-off weights of all.
        allowed = None if known is None else frozenset(known)
        entries, backoffs = [], {}
        for group in model.ngrams:
            for gram, (log10_probability, backoffs[gram]) in group.items():
                if log10_probability > LOG_ZERO:
                    entries.append((gram, log10_probability))
        vocabulary = {gram[-1] for gram, _ in entries if len(gram) == 1} - _MARKS
        usable = vocabulary if allowed is None else vocabulary & allowed
        if not usable:
            raise InvalidInputError("no word of the language model has a pronunciation")
        known_or_mark = usable | _MARKS
        entries = [entry for entry in entries if known_or_mark.issuperset(entry[0])]
        # States: the histories of these n-grams, and those that have a back-off weight only, which
        # is paid on the way to a shorter history.
        histories = {gram[:-1] for gram, _ in entries} | {()}
        histories |= {
            gram
            for gram, weight in backoffs.items()
            if weight != 0 and len(gram) < model.order and known_or_mark.issuperset(gram)
        } - {(END,)}
        start = _longest((BEGIN,), histories)
        ordered = [start, *sorted(histories - {start})]
        number = {history: index for index, history in enumerate(ordered)}
        # An n-gram is an arc from its history to the longest history that ends with its words.
        arcs: list[list[GrammarArc]] = [[] for _ in ordered]
        ends = [-math.inf] * len(ordered)
        for gram, log10_probability in entries:
            state = number[gram[:-1]]
            if gram[-1] == END:
                ends[state] = log10_probability * _LN10
            elif gram[-1] != BEGIN:
                after = _longest(gram[-(model.order - 1) :] if model.order > 1 else (), histories)
                arcs[state].append(GrammarArc(gram[-1], log10_probability * _LN10, number[after]))
        # Back-off leads to the longest shorter history that is a state, with the weights of all
        # histories on the way.
        states = []
        for history in ordered:
            shorter, weight = history, 0.0
            while shorter:
                weight += backoffs.get(shorter, 0.0)
                shorter = shorter[1:]
                if shorter in number:
                    break
            index = number[history]
            states.append(
                GrammarState(
                    tuple(arcs[index]),
                    ends[index],
                    number[shorter] if history else None,
                    weight * _LN10,
                )
            )
        return cls(tuple(states), tuple(sorted(vocabulary - usable - {"<unk>", "<UNK>"})))

    def score(self, words: Sequence[str]) -> float:
        """Return the log-probability of the best path of a sentence; -inf if there is none.

        Parameters
        ----------
        words : sequence of str
            The words, without ``<s>`` and ``</s>``.
        """
        reached = self._with_backoff({0: 0.0})
        for word in map(clean, words):
            after: dict[int, float] = {}
            for state, score in reached.items():
                for arc in self._by_word[state].get(word, ()):
                    total = score + arc.log_probability
                    after[arc.target] = max(after.get(arc.target, -math.inf), total)
            reached = self._with_backoff(after)
        return max(
            (score + self.states[state].end for state, score in reached.items()),
            default=-math.inf,
        )

    @cached_property
    def _by_word(self) -> tuple[dict[str, list[GrammarArc]], ...]:
        tables: list[dict[str, list[GrammarArc]]] = []
        for state in self.states:
            table: dict[str, list[GrammarArc]] = {}
            for arc in state.arcs:
                table.setdefault(arc.word, []).append(arc)
            tables.append(table)
        return tuple(tables)

    def _with_backoff(self, reached: dict[int, float]) -> dict[int, float]:
        """Return the states, and those of shorter histories, each with its best score."""
        result = dict(reached)
        for first, score in reached.items():
            state, total = self.states[first], score
            while state.backoff is not None:
                total += state.backoff_log_probability
                if total <= result.get(state.backoff, -math.inf):
                    break
                result[state.backoff] = total
                state = self.states[state.backoff]
        return result


_MARKS = frozenset({BEGIN, END})


def _longest(history: tuple[str, ...], histories: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the longest suffix of a history that is a state."""
    while history not in histories:
        history = history[1:]
    return history


def _distinct(words: Iterable[str]) -> list[str]:
    listed = list(words)
    if not listed:
        raise InvalidInputError("there is no word to recognise; give at least one")
    taken: dict[str, None] = {}
    for word in listed:
        if not word or not isinstance(word, str):
            raise InvalidInputError(f"a word must be a non-empty string, found {word!r}")
        if (known := clean(word)) in taken:
            raise InvalidInputError(f"the word {known} is listed twice")
        taken[known] = None
    return list(taken)
