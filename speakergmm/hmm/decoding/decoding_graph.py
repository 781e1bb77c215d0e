"""Decoding graphs: the states of phones along pronunciations, along a grammar.

Each history of the grammar has a tree of the pronunciations of the words that may follow it, so
that words which begin alike are searched together. The probability of a word is applied at the
branch where the word becomes certain (until then, that of the best word still in reach), and the
word is written where its last phone ends. Kaldi obtains the same by composing H, C, L and G,
determinising and pushing weights. Built directly it takes a second for thousands of words,
homophones need no disambiguation symbols, and words end in the graph where they end in the
recording.

References
----------
Mohri, Pereira, Riley, "Weighted finite-state transducers in speech recognition", Computer Speech
and Language 16 (2002) 69-88.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from speakergmm.hmm.decoding.context_graph import ContextGraphBuilder
from speakergmm.hmm.decoding.decoding_options import DecodingGraphOptions
from speakergmm.hmm.decoding.graph_building import GraphBuilder, SpokenWords, check_units
from speakergmm.hmm.decoding.transducer import ENTERING, PHONE_ACOUSTIC_SCALE, DecodingGraph
from speakergmm.hmm.language.grammar import Grammar
from speakergmm.hmm.language.pronunciation import Pronunciation

if TYPE_CHECKING:
    from speakergmm.hmm.language.language_model import BackoffLanguageModel
    from speakergmm.hmm.models.phone_models import PhoneModels
    from speakergmm.hmm.models.unit_edges import HasPronunciations


def build_decoding_graph(
    models: PhoneModels,
    lexicon: HasPronunciations,
    grammar: Grammar,
    options: DecodingGraphOptions | None = None,
    **changes: Any,
) -> DecodingGraph:
    """Build the graph in which the words of a grammar are searched for.

    Parameters
    ----------
    models : PhoneModels
        Models whose topologies, transition probabilities and tying the graph contains.
    lexicon : Lexicon
        Pronunciations of all words of the grammar.
    grammar : Grammar
        Sequences of words, with their probabilities.
    options : DecodingGraphOptions, optional
        Silence between words, and the weight of the grammar.
    **changes
        Single options, in place of those of `options`.

    Returns
    -------
    DecodingGraph

    Raises
    ------
    InvalidInputError
        If words have no pronunciation, or phones no model; the message names all of them.
    """
    options = DecodingGraphOptions.of(options, changes)
    numbers = {unit: place for place, unit in enumerate(models.units)}
    check_units(numbers, [options.silence, options.short_pause])
    spoken = SpokenWords(models, numbers, lexicon, grammar.words)
    builder = GraphBuilder(models) if models.tree is None else ContextGraphBuilder(models)
    pauses = _Pauses(
        builder=builder,
        silence=None if options.silence is None else numbers[options.silence],
        short_pause=None if options.short_pause is None else numbers[options.short_pause],
    )
    between, edge = options.silence_probability, options.edge_silence_probability
    edge = between if edge is None else edge
    if options.silence is None:
        between = edge = 0.0
    # Optional silence before the first word and after the last one. A path without words passes
    # through the first one alone.
    start, ending = builder.state(), builder.state()
    first, done = pauses.add(start, edge), pauses.add(ending, edge)
    scale = options.language_scale
    ends = [scale * end if end > -math.inf else end for end in grammar.ends]
    final = {done: 0.0, first: ends[0]}
    after, ready = _history_states(builder, grammar, has_pauses=pauses.between_words(between))
    # After a word, a sentence may end, or go on behind a pause.
    builder.join([(first, 0.0)], ready[0])
    for history, state in after.items():
        if ends[history] > -math.inf:
            builder.join([(state, ends[history])], ending)
        if state != ready[history]:
            beyond = pauses.add(state, between, with_short_pause=True)
            builder.join([(beyond, 0.0)], ready[history])
    # From each history, the words that may follow it, and back-off to a shorter history.
    for history, grammar_state in enumerate(grammar.states):
        if grammar_state.backoff is not None:
            weight = scale * grammar_state.backoff_log_probability
            builder.join([(ready[history], weight)], ready[grammar_state.backoff])
        tree = spoken.tree(grammar_state, scale, options.word_penalty)
        builder.tree([(ready[history], 0.0)], tree, after)
    return builder.finish(
        final,
        words=grammar.words,
        grammar=grammar,
        silence=None if between == edge == 0 else options.silence,
        language_scale=scale,
        word_penalty=options.word_penalty,
    )


def word_graph(
    models: PhoneModels,
    lexicon: HasPronunciations,
    options: DecodingGraphOptions | None = None,
    *,
    language_model: BackoffLanguageModel | None = None,
    words: Iterable[str] | None = None,
    **changes: Any,
) -> DecodingGraph:
    """Build the decoding graph of a language model, or of a loop over words.

    Parameters
    ----------
    models : PhoneModels
        Models of the phones.
    lexicon : Lexicon
        Pronunciations. Words of the language model without a pronunciation cannot be recognised;
        ``graph.grammar.omitted`` lists them.
    language_model : BackoffLanguageModel, optional
        An n-gram model of any order.
    words : iterable of str, optional
        The words of the loop, all equally probable; with a language model, the words that it is
        restricted to. By default all words of the lexicon.
    options : DecodingGraphOptions, optional
        Silence between words, and the weight of the language model.
    **changes
        Single options, in place of those of `options`.

    Returns
    -------
    DecodingGraph

    Raises
    ------
    InvalidInputError
        As `build_decoding_graph`.

    Examples
    --------
    >>> import numpy as np
    >>> from speakergmm.hmm import Lexicon, PhoneModels, Topology
    >>> from speakergmm.hmm.decoding import decode_emissions
    >>> topologies = {"N": Topology.left_right(1), "OW": Topology.left_right(1)}
    >>> models = PhoneModels.flat(topologies, mean=[0.0], variance=[1.0])
    >>> lexicon = Lexicon.from_dict({"no": ["N OW"], "own": ["OW N"]})
    >>> graph = word_graph(models, lexicon, silence=None)
    >>> densities = -9.0 * np.array([[0, 1], [1, 0], [1, 0], [0, 1]])  # of N and OW, by frame
    >>> result = decode_emissions(graph, densities, acoustic_scale=1.0)
    >>> [(s.label, s.start_frame, s.end_frame) for s in result.best.word_segments]
    [('no', 0, 2), ('own', 2, 4)]
    """
    listed = None if words is None else list(words)
    if language_model is None:
        grammar = Grammar.loop(listed if listed is not None else iter(lexicon))
    else:
        allowed = [w for w in language_model.vocabulary if w in lexicon]
        if listed is not None:
            allowed = sorted(set(allowed) & set(listed))
        grammar = Grammar.ngram(language_model, known=allowed)
    return build_decoding_graph(models, lexicon, grammar, options, **changes)


def phone_graph(
    models: PhoneModels,
    options: DecodingGraphOptions | None = None,
    *,
    language_model: BackoffLanguageModel | None = None,
    **changes: Any,
) -> DecodingGraph:
    """Build the decoding graph of phones: each word of its grammar is a phone.

    Parameters
    ----------
    models : PhoneModels
        Models of the phones; tee models are left out.
    options : DecodingGraphOptions, optional
        Silence between phones, and the weight of the language model.
    language_model : BackoffLanguageModel, optional
        An n-gram model of phones. If silence is one of its words, it is recognised like a phone,
        and optional silence between phones is left out. By default any phone may follow any other,
        all equally probable.
    **changes
        Single options, in place of those of `options`.

    Returns
    -------
    DecodingGraph
    """
    options = DecodingGraphOptions.of(options, changes)
    units = [
        unit
        for unit, topology in zip(models.units, models.topologies, strict=True)
        if not topology.is_tee
    ]
    lexicon = {unit: (Pronunciation((unit,)),) for unit in units}
    if language_model is None:
        grammar = Grammar.loop([unit for unit in units if unit != options.silence])
    else:
        grammar = Grammar.ngram(language_model, known=lexicon)
    if options.silence in grammar.words:
        options = replace(options, silence=None)
    graph = build_decoding_graph(models, lexicon, grammar, options)
    return replace(graph, acoustic_scale=PHONE_ACOUSTIC_SCALE)


def _history_states(
    builder: GraphBuilder, grammar: Grammar, *, has_pauses: bool
) -> tuple[dict[int, int], dict[int, int]]:
    """Add the states of all histories: where a word before it ends, and where the next one begins.

    Without pauses between words, both are the same state. No word ends before the histories that
    are no target of an arc.
    """
    after = {
        history: builder.state()
        for history in sorted({arc.target for state in grammar.states for arc in state.arcs})
    }
    ready = {
        history: after[history] if not has_pauses and history in after else builder.state()
        for history in range(len(grammar.states))
    }
    return after, ready


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pauses:
    """Optional silence and short pauses, as they are added to a graph.

    Parameters
    ----------
    builder : GraphBuilder
    silence, short_pause : int or None
        Numbers of the units.
    """

    builder: GraphBuilder
    silence: int | None
    short_pause: int | None

    def between_words(self, probability: float) -> bool:
        """Return whether there can be a pause between words, given the probability of silence."""
        return probability > 0 or self.short_pause is not None

    def add(self, state: int, probability: float, *, with_short_pause: bool = False) -> int:
        """Add an optional pause after a state, and return the state after the pause.

        Parameters
        ----------
        state : int
            State of the graph; it is returned if there can be no pause.
        probability : float
            Probability of silence.
        with_short_pause : bool, default=False
            Whether there is a short pause, if there is one, in place of silence.
        """
        pause = self.short_pause if with_short_pause else None
        if (self.silence is None or probability == 0) and pause is None:
            return state
        builder = self.builder
        beyond = builder.state()
        # Either silence, with its probability, or else nothing or a short pause.
        if self.silence is not None and probability > 0:
            spoken = builder.unit([(state, 0.0)], self.silence, math.log(probability), ENTERING)
            builder.join(spoken, beyond)
        if probability < 1:
            nothing = [(state, math.log1p(-probability))]
            if pause is not None:
                nothing = builder.unit(nothing, pause, 0.0, ENTERING)
            builder.join(nothing, beyond)
        return beyond
