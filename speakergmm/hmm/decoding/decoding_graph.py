"""Search graphs for recognition: states of phones, along pronunciations, along a grammar.

Each history of the grammar gets a tree of the pronunciations of the words that may follow it, so
that words which begin alike are searched together; a word's probability is spent at the branch
where it becomes certain (the best word still in reach is paid for in advance), and the word itself
is written where its last phone ends. Kaldi gets the same by composing H, C, L and G, determinising
and pushing; written out directly it takes a second for thousands of words, homophones need no
symbols to tell them apart, and words end in the graph exactly where they end in the recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speakergmm.hmm.decoding.graph_building import GraphBuilder, SpokenWords, check_units
from speakergmm.hmm.decoding.transducer import ENTERING, PHONE_ACOUSTIC_SCALE, DecodingGraph
from speakergmm.hmm.language.grammar import Grammar
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.ranges import number

if TYPE_CHECKING:
    from speakergmm.hmm.language.language_model import BackoffLanguageModel
    from speakergmm.hmm.models.phone_models import PhoneModels
    from speakergmm.hmm.models.utterance_graph import HasPronunciations


def build_decoding_graph(
    models: PhoneModels,
    lexicon: HasPronunciations,
    grammar: Grammar,
    *,
    silence: str | None = "SIL",
    silence_probability: float = 0.5,
    edge_silence_probability: float | None = None,
    short_pause: str | None = None,
    language_scale: float = 1.0,
    word_penalty: float = 0.0,
) -> DecodingGraph:
    """Build the graph in which words of a grammar are searched for.

    Parameters
    ----------
    models : PhoneModels
        Topologies, transition probabilities and tying are taken from here.
    lexicon : Lexicon
        Pronunciations of all words of the grammar.
    grammar : Grammar
        Which words may follow one another.
    silence : str or None, default="SIL"
        Unit that may stand before, between and after words.
    silence_probability : float, default=0.5
        Probability of a silence between two words.
    edge_silence_probability : float, optional
        The same before the first word and after the last one, and of silence where nothing is said;
        by default as between words.
    short_pause : str, optional
        Unit that stands between two words where there is no silence; it may be one that can be
        passed over without a frame.
    language_scale : float, default=1.0
        Factor of the grammar's log-probabilities.
    word_penalty : float, default=0.0
        Added to the log-probability for each word; below 0 it makes for fewer words.

    Returns
    -------
    DecodingGraph

    Raises
    ------
    InvalidInputError
        If words have no pronunciation, or phones no model: all are named at once.
    """
    edge = silence_probability if edge_silence_probability is None else edge_silence_probability
    number("silence_probability", silence_probability, least=0, most=1)
    number("edge_silence_probability", edge, least=0, most=1)
    number("language_scale", language_scale, least=0)
    number("word_penalty", word_penalty)
    numbers = {unit: place for place, unit in enumerate(models.units)}
    check_units(numbers, [silence, short_pause])
    spoken = SpokenWords(models, numbers, lexicon, grammar.words)
    builder = GraphBuilder(models)
    quiet = None if silence is None else numbers[silence]
    pause = None if short_pause is None else numbers[short_pause]
    between = silence_probability if quiet is not None else 0.0
    edge = edge if quiet is not None else 0.0
    final: dict[int, float] = {}
    start, ending = builder.state(), builder.state()
    first = _space(builder, start, quiet, edge)
    done = _space(builder, ending, quiet, edge)
    final[done] = 0.0
    after = {
        history: builder.state()
        for history in sorted({arc.target for state in grammar.states for arc in state.arcs})
    }
    # Without anything between words, the next one begins where the last one ended.
    ready = {
        history: after[history]
        if between == 0 and pause is None and history in after
        else builder.state()
        for history in range(len(grammar.states))
    }
    ends = [language_scale * end if end > -math.inf else end for end in grammar.ends]
    builder.join([(first, 0.0)], ready[0])
    final[first] = ends[0]
    for history, state in after.items():
        if ends[history] > -math.inf:
            builder.join([(state, ends[history])], ending)
        if state != ready[history]:
            builder.join([(_space(builder, state, quiet, between, pause), 0.0)], ready[history])
    for history, grammar_state in enumerate(grammar.states):
        here = [(ready[history], 0.0)]
        if grammar_state.backoff is not None:
            weight = language_scale * grammar_state.backoff_log_probability
            builder.join([(ready[history], weight)], ready[grammar_state.backoff])
        tree = spoken.tree(grammar_state, language_scale, word_penalty)
        builder.tree(here, tree, after)
    return builder.finish(
        final,
        words=grammar.words,
        grammar=grammar,
        silence=None if between == edge == 0 else silence,
        language_scale=language_scale,
        word_penalty=word_penalty,
    )


def word_graph(
    models: PhoneModels,
    lexicon: HasPronunciations,
    *,
    language_model: BackoffLanguageModel | None = None,
    words: Iterable[str] | None = None,
    **options: Any,
) -> DecodingGraph:
    """Build the graph of a language model's sentences, or of a loop over words.

    Parameters
    ----------
    models : PhoneModels
        Models of the phones.
    lexicon : Lexicon
        Pronunciations. Words of the language model without one can't be recognised; they stand in
        ``graph.grammar.omitted``.
    language_model : BackoffLanguageModel, optional
        An n-gram model of any order.
    words : iterable of str, optional
        The words of the loop, each equally probable; with a language model, those it is limited to.
        By default all words of the lexicon.
    **options
        Of `build_decoding_graph`.

    Raises
    ------
    InvalidInputError
        As `build_decoding_graph`.

    Examples
    --------
    >>> import numpy as np
    >>> from speakergmm.hmm.decoding.beam_search import DecodingOptions, decode_emissions
    >>> from speakergmm.hmm.language.lexicon import Lexicon
    >>> from speakergmm.hmm.models.phone_models import PhoneModels
    >>> from speakergmm.hmm.models.topology import Topology
    >>> topologies = {"N": Topology.left_right(1), "OW": Topology.left_right(1)}
    >>> models = PhoneModels.flat(topologies, mean=[0.0], variance=[1.0])
    >>> lexicon = Lexicon.from_dict({"no": ["N OW"], "own": ["OW N"]})
    >>> graph = word_graph(models, lexicon, silence=None)
    >>> densities = -9.0 * np.array([[0, 1], [1, 0], [1, 0], [0, 1]])  # of N and OW, by frame
    >>> result = decode_emissions(graph, densities, options=DecodingOptions(acoustic_scale=1.0))
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
    return build_decoding_graph(models, lexicon, grammar, **options)


def phone_graph(
    models: PhoneModels,
    *,
    language_model: BackoffLanguageModel | None = None,
    silence: str | None = "SIL",
    **options: Any,
) -> DecodingGraph:
    """Build the graph of any sequence of phones; a word of its grammar is a phone.

    Parameters
    ----------
    models : PhoneModels
        Models of the phones; units that can be passed over are left out.
    language_model : BackoffLanguageModel, optional
        An n-gram model of phones. Where silence is one of its words, it is found where the model
        has it, and comes out among the phones. Without a model all phones are equally probable.
    silence : str or None, default="SIL"
        Unit that may stand between phones where it is none of the grammar.
    **options
        Of `build_decoding_graph`.
    """
    units = [
        unit
        for unit, topology in zip(models.units, models.topologies, strict=True)
        if not topology.is_tee
    ]
    lexicon = {unit: (Pronunciation((unit,)),) for unit in units}
    if language_model is None:
        grammar = Grammar.loop([unit for unit in units if unit != silence])
    else:
        grammar = Grammar.ngram(language_model, known=lexicon)
    between = None if silence in grammar.words else silence
    graph = build_decoding_graph(models, lexicon, grammar, silence=between, **options)
    return replace(graph, acoustic_scale=PHONE_ACOUSTIC_SCALE)


def _space(
    builder: GraphBuilder,
    state: int,
    silence: int | None,
    probability: float,
    pause: int | None = None,
) -> int:
    """Put what may stand between words behind a state; returns the state behind that."""
    if (silence is None or probability == 0) and pause is None:
        return state
    beyond = builder.state()
    if silence is not None and probability > 0:
        spoken = builder.unit([(state, 0.0)], silence, math.log(probability), ENTERING)
        builder.join(spoken, beyond)
    if probability < 1:
        nothing = [(state, math.log1p(-probability))]
        if pause is not None:
            nothing = builder.unit(nothing, pause, 0.0, ENTERING)
        builder.join(nothing, beyond)
    return beyond
