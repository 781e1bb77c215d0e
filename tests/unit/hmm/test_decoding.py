import math
import pickle

import numpy as np
import pytest
from oracles import decoding as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    DecodingOptions,
    Grammar,
    Lexicon,
    NoPathError,
    PhoneModels,
    Pronunciation,
    Topology,
    Transitions,
    build_decoding_graph,
    decode,
    phone_graph,
    train_ngram,
    word_graph,
)
from speakergmm.hmm.decoding import ExactSearch, decode_emissions, rescore
from speakergmm.hmm.language import GrammarArc, GrammarState

WIDE = {"beam": 1e4, "lattice_beam": 1e4}
N_FRAMES = 5
LEXICON = Lexicon(
    {
        "ab": (Pronunciation(("A", "B")), Pronunciation(("B",), 0.5)),
        "b": (Pronunciation(("B",)),),  # a homophone of the above
        "a": (Pronunciation(("A",)),),  # the beginning of "ab"
    }
)


def make_models(rng):
    """Phones of one and two states, one with a skip, and a silence with two ways in and out."""
    topologies = {
        "A": Topology.left_right(1),
        "B": Topology.left_right(2, skips=1),
        "SIL": Topology.ergodic(2),
        "sp": Topology.short_pause(),
    }
    start = PhoneModels.flat(topologies, mean=np.zeros(1), variance=np.ones(1))
    counts = rng.uniform(0.2, 1.0, start.transitions.n_arcs)
    transitions: Transitions = start.transitions.updated(counts)
    return start.with_parameters(transitions=transitions)


def make_grammar(rng):
    """A grammar in which words depend on the word before, and some sentences cannot end."""
    words = ("a", "ab", "b")
    states = []
    for history in range(4):
        weights = np.log(rng.dirichlet(np.ones(4)))
        arcs = tuple(GrammarArc(w, float(weights[i]), i + 1) for i, w in enumerate(words))
        states.append(GrammarState(arcs, float(weights[3]) if history != 2 else -math.inf))
    return Grammar(tuple(states))


def grammar_probability(grammar, sentence):
    total, state = 0.0, grammar.states[0]
    for word in sentence:
        arc = next(arc for arc in state.arcs if arc.word == word)
        total, state = total + arc.log_probability, grammar.states[arc.target]
    return total + state.end


class Case:
    """A random recogniser, its graph, frames, and all its paths."""

    def __init__(
        self,
        seed,
        *,
        language_scale=1.0,
        word_penalty=0.0,
        short_pause=None,
        between=0.3,
        edge=None,
    ):
        rng = np.random.default_rng(seed)
        self.models, self.grammar = make_models(rng), make_grammar(rng)
        spaces = {"silence": "SIL", "silence_probability": between, "short_pause": short_pause}
        self.graph = build_decoding_graph(
            self.models,
            LEXICON,
            self.grammar,
            language_scale=language_scale,
            word_penalty=word_penalty,
            edge_silence_probability=edge,
            **spaces,
        )
        self.densities = rng.normal(-40, 4, (N_FRAMES, self.models.n_pdfs))
        self.inputs = self.densities[:, self.graph.pdfs]

        def language(sentence):
            return language_scale * grammar_probability(self.grammar, sentence) + (
                word_penalty * len(sentence)
            )

        sentences = oracle.sentences_of_loop(("a", "ab", "b"), N_FRAMES, language)
        self.paths = list(
            oracle.all_paths(self.models, LEXICON, sentences, self.densities, edge=edge, **spaces)
        )


def assert_same_ranking(found, expected, *, tolerance=2e-5):
    """The same word sequences with the same scores, the best first; ties in any order."""
    assert {h.words: h.score for h in found} == pytest.approx(expected, abs=tolerance)
    scores = np.array([h.score for h in found])
    np.testing.assert_allclose(scores, -np.sort(-scores), rtol=0, atol=tolerance)


@pytest.fixture(scope="module", params=[0, 1, 2])
def case(request):
    return Case(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("small_graph", [0, 100_000])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_best_path_is_that_of_enumeration(case, scale, small_graph):
    expected = oracle.best_by_words(case.paths, scale)[0]
    for more in ({"lattice_beam": 1e4}, {}):
        options = DecodingOptions(acoustic_scale=scale, beam=1e4, small_graph=small_graph, **more)
        best = decode_emissions(case.graph, case.inputs, options=options).best
        assert best.words == expected.words
        assert best.score == pytest.approx(expected.score(scale), abs=2e-5)
        assert best.acoustic_log_likelihood == pytest.approx(expected.acoustic, abs=1e-9)
        assert best.transition_log_probability == pytest.approx(expected.transition, abs=2e-5)
        assert best.language_log_probability == pytest.approx(expected.language, abs=1e-9)
        assert [(s.start_frame, s.end_frame) for s in best.word_segments] == oracle.segments(
            expected.word_at
        )
        units = [place for place, _ in expected.unit_at]
        assert [(s.start_frame, s.end_frame) for s in best.phone_segments] == oracle.segments(units)
        for segment in best.phone_segments:
            place = expected.word_at[segment.start_frame]
            assert segment.parent == place
            assert segment.label == expected.unit_at[segment.start_frame][1]


@pytest.mark.slow
@pytest.mark.parametrize("small_graph", [0, 100_000])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_n_best_list_is_that_of_enumeration(case, scale, small_graph):
    expected = oracle.best_by_words(case.paths, scale)
    options = DecodingOptions(acoustic_scale=scale, n_best=1000, small_graph=small_graph, **WIDE)
    found = decode_emissions(case.graph, case.inputs, options=options).hypotheses
    assert len(found) == len(expected) > 10
    assert_same_ranking(found, {path.words: path.score(scale) for path in expected})


@pytest.mark.slow
@pytest.mark.parametrize("small_graph", [0, 100_000])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_posteriors_are_those_of_enumeration(case, scale, small_graph):
    sequences, words, units, total = oracle.posteriors(case.paths, scale, N_FRAMES)
    options = DecodingOptions(acoustic_scale=scale, n_best=1000, small_graph=small_graph, **WIDE)
    result = decode_emissions(case.graph, case.inputs, options=options)
    lattice = result.lattice
    assert lattice.log_total == pytest.approx(total, abs=2e-5)
    for hypothesis in result.hypotheses:
        assert hypothesis.posterior == pytest.approx(sequences[hypothesis.words], rel=1e-4)
    for word in ("a", "ab", "b"):
        np.testing.assert_allclose(
            lattice.word_posteriors(word), words[word], rtol=1e-4, atol=1e-12
        )
    for number, unit in enumerate(case.graph.units):
        expected = units.get(unit, np.zeros(N_FRAMES))
        np.testing.assert_allclose(
            lattice.unit_posteriors[:, number], expected, rtol=1e-4, atol=1e-12
        )
    for segment in result.best.word_segments:
        frames = slice(segment.start_frame, segment.end_frame)
        assert segment.confidence == pytest.approx(words[segment.label][frames].mean(), rel=1e-4)
    for segment in result.best.phone_segments:
        frames = slice(segment.start_frame, segment.end_frame)
        assert segment.confidence == pytest.approx(units[segment.label][frames].mean(), rel=1e-4)


@pytest.mark.slow
def test_scales_penalties_and_short_pauses():
    case = Case(3, language_scale=2.5, word_penalty=-0.7, short_pause="sp")
    expected = oracle.best_by_words(case.paths, 0.3)
    options = DecodingOptions(acoustic_scale=0.3, n_best=1000, **WIDE)
    found = decode_emissions(case.graph, case.inputs, options=options).hypotheses
    paths = {path.words: path for path in expected}
    assert_same_ranking(found, {words: path.score(0.3) for words, path in paths.items()})
    assert found[0].words == expected[0].words
    for hypothesis in found[:20]:  # further down, paths of the same score may differ
        path = paths[hypothesis.words]
        assert hypothesis.language_log_probability == pytest.approx(
            grammar_probability(case.grammar, path.words), abs=1e-9
        )
        assert hypothesis.transition_log_probability == pytest.approx(path.transition, abs=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("between", "edge", "pause"),
    [
        (0.1, 0.9, None), (0.1, 0.9, "sp"), (0.0, 0.5, "sp"), (0.5, 0.0, None), (0.5, 0.0, "sp"),
        (0.4, 1.0, None), (1.0, 0.3, "sp"), (0.0, 0.0, None),
    ],
)  # fmt: skip
def test_silence_at_the_edges_has_a_probability_of_its_own(between, edge, pause):
    case = Case(8, between=between, edge=edge, short_pause=pause)
    sequences, _, units, total = oracle.posteriors(case.paths, 0.5, N_FRAMES)
    options = DecodingOptions(acoustic_scale=0.5, n_best=1000, **WIDE)
    result = decode_emissions(case.graph, case.inputs, options=options)
    expected = {p.words: p.score(0.5) for p in oracle.best_by_words(case.paths, 0.5)}
    assert_same_ranking(result.hypotheses, expected)
    assert result.lattice.log_total == pytest.approx(total, abs=2e-5)
    for hypothesis in result.hypotheses:
        assert hypothesis.posterior == pytest.approx(sequences[hypothesis.words], rel=1e-4)
    silence = result.lattice.unit_posteriors[:, case.graph.units.index("SIL")]
    np.testing.assert_allclose(silence, units.get("SIL", np.zeros(N_FRAMES)), rtol=1e-4, atol=1e-12)
    assert (case.graph.silence is None) == (between == edge == 0)


def ways_of_backing_off(grammar, sentence):
    """Logarithm of the sum over all ways through the automaton, the best one at the end."""

    def go_on(state, words):
        here = grammar.states[state]
        arcs = [arc for arc in here.arcs if words and arc.word == words[0]]
        found = [arc.log_probability + go_on(arc.target, words[1:]) for arc in arcs]
        if not words:
            return grammar.ends[state]
        if here.backoff is not None:
            found.append(here.backoff_log_probability + go_on(here.backoff, words))
        return float(np.logaddexp.reduce(found)) if found else -math.inf

    return go_on(0, sentence)


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
def test_posteriors_with_n_grams_count_each_way_of_backing_off(order):
    """Posteriors as `Hypothesis` states; without back-off they are those of the model."""
    said = [["a", "b"], ["b"], ["a", "a", "b"], ["b", "ab", "a"], ["ab"]]
    language_model = train_ngram(said, order=order)
    rng = np.random.default_rng(order)
    models = make_models(rng)
    graph = word_graph(models, LEXICON, language_model=language_model, silence_probability=0.3)
    densities = rng.normal(-40, 4, (4, models.n_pdfs))
    options = DecodingOptions(acoustic_scale=0.5, n_best=1000, **WIDE)
    result = decode_emissions(graph, densities[:, graph.pdfs], options=options)

    def expected(language):
        sentences = oracle.sentences_of_loop(("a", "ab", "b"), 4, language)
        paths = oracle.all_paths(
            models, LEXICON, sentences, densities, silence="SIL", silence_probability=0.3
        )
        return oracle.posteriors(list(paths), 0.5, 4)[0]

    counted = expected(lambda words: ways_of_backing_off(graph.grammar, words))
    exact = expected(language_model.log_probability)
    found = {h.words: h.posterior for h in result.hypotheses}
    assert found == pytest.approx({words: counted[words] for words in found}, rel=1e-3)
    apart = max(abs(found[words] - exact[words]) for words in found)
    assert apart < (1e-6 if order == 1 else 0.2)
    assert (apart > 1e-4) == (order > 1)


def test_densities_above_one_rank_in_the_same_order(case):
    """Scores may grow along a path then; what is ahead must be known for the best to come first."""
    options = DecodingOptions(acoustic_scale=1.0, n_best=15, **WIDE)
    plain, higher = (
        decode_emissions(case.graph, case.inputs + shift, options=options).hypotheses
        for shift in (0.0, 100.0)
    )
    assert_same_ranking(higher, {h.words: h.score + 100.0 * N_FRAMES for h in plain})


@pytest.mark.slow
def test_rescoring_an_n_best_list_is_decoding_with_the_other_scales():
    first = Case(4)
    options = DecodingOptions(acoustic_scale=0.2, n_best=1000, **WIDE)
    listed = decode_emissions(first.graph, first.inputs, options=options).hypotheses
    again = rescore(listed, acoustic_scale=0.2, language_scale=3.0, word_penalty=0.5)
    graph = build_decoding_graph(
        first.models,
        LEXICON,
        first.grammar,
        silence_probability=0.3,
        language_scale=3.0,
        word_penalty=0.5,
    )
    other = decode_emissions(graph, first.inputs, options=options).hypotheses
    assert_same_ranking(again, {h.words: h.score for h in other}, tolerance=5e-5)
    by_length = rescore(listed, acoustic_scale=0.0, language=lambda words: -abs(len(words) - 2.0))
    assert len(by_length[0].words) == 2
    assert math.isnan(by_length[0].posterior)


def test_a_lattice_of_other_scales_ranks_as_they_say(case):
    options = DecodingOptions(acoustic_scale=0.1, **WIDE)
    lattice = decode_emissions(case.graph, case.inputs, options=options).lattice
    scaled = lattice.scaled(acoustic_scale=1.0)
    expected = oracle.best_by_words(case.paths, 1.0)[0]
    assert scaled.best_path().score == pytest.approx(expected.score(1.0), abs=2e-5)
    doubled = lattice.scaled(acoustic_scale=2.0, graph_scale=2.0)
    assert doubled.best_path().score == pytest.approx(2 * expected.score(1.0), abs=5e-5)


def test_a_narrow_lattice_holds_what_lies_within_its_beam(case):
    scale, beam = 0.1, 2.0
    ranked = oracle.best_by_words(case.paths, scale)
    within = [p for p in ranked if p.score(scale) > ranked[0].score(scale) - beam + 1e-3]
    options = DecodingOptions(acoustic_scale=scale, beam=1e4, lattice_beam=beam, n_best=1000)
    found = decode_emissions(case.graph, case.inputs, options=options).hypotheses
    assert {p.words for p in within} <= {h.words for h in found}
    assert len(found) < len(ranked)


def test_text_of_a_lattice(case):
    options = DecodingOptions(acoustic_scale=0.1, beam=1e4, lattice_beam=1.0, n_best=1000)
    result = decode_emissions(case.graph, case.inputs, options=options)
    lines = result.lattice.to_text("one").splitlines()
    assert lines[0] == "one"
    arcs = [line.split() for line in lines[1:] if len(line.split()) == 5]
    assert len(arcs) == result.lattice.n_arcs
    # Best path by the costs as they are written.
    costs = {0: 0.0}
    for source, target, _, _, weights in arcs:
        graph, acoustic = map(float, weights.split(","))
        value = costs[int(source)] + graph + 0.1 * acoustic
        costs[int(target)] = min(costs.get(int(target), math.inf), value)
    ends = [line.split() for line in lines[1:] if len(line.split()) == 2]
    best = min(costs[int(node)] + float(weights.split(",")[0]) for node, weights in ends)
    assert best == pytest.approx(-result.best.score, abs=1e-3)


def test_isolated_words_are_said_once():
    rng = np.random.default_rng(5)
    models = make_models(rng)
    graph = build_decoding_graph(
        models, LEXICON, Grammar.isolated({"a": 3, "ab": 1, "b": 0}), silence=None
    )
    options = DecodingOptions(acoustic_scale=1.0, n_best=10, **WIDE)
    emissions = rng.normal(size=(4, len(graph.pdfs)))
    found = decode_emissions(graph, emissions, options=options)
    assert {h.words for h in found.hypotheses} == {("a",), ("ab",)}
    priors = {h.words[0]: math.exp(h.language_log_probability) for h in found.hypotheses}
    assert priors == pytest.approx({"a": 0.75, "ab": 0.25})


def test_phone_loops_with_silence_among_the_phones_and_between_them():
    rng = np.random.default_rng(6)
    models = make_models(rng)
    graph = phone_graph(models)
    assert graph.words == ("A", "B")
    assert graph.silence == "SIL"
    X = rng.normal(size=(12, 1))
    result = decode(models, graph, X, options=DecodingOptions(acoustic_scale=1.0))
    units = [s.label for s in result.best.phone_segments]
    assert tuple(u for u in units if u != "SIL") == result.words
    assert result.n_frames == 12
    language_model = train_ngram([["SIL", "A", "B", "SIL"], ["SIL", "B", "A"]], order=2)
    graph = phone_graph(models, language_model=language_model)
    assert graph.silence is None
    assert "SIL" in graph.words
    words = decode(models, graph, X).words
    assert set(words) <= {"A", "B", "SIL"}


def test_acoustics_count_by_what_is_searched_where_nothing_is_said():
    """Scores tell the factor: that of the options, else 0.15 for words and 0.25 for phones."""
    rng = np.random.default_rng(10)
    models = make_models(rng)
    for graph, expected in ((word_graph(models, LEXICON), 0.15), (phone_graph(models), 0.25)):
        emissions = rng.normal(size=(7, len(graph.pdfs)))
        for given, factor in ((None, expected), (0.7, 0.7)):
            for beam in (None, 8.0):
                options = DecodingOptions(acoustic_scale=given, lattice_beam=beam)
                best = decode_emissions(graph, emissions, options=options).best
                rest = best.transition_log_probability + best.language_log_probability
                acoustic = factor * best.acoustic_log_likelihood
                assert best.score == pytest.approx(acoustic + rest, abs=1e-5)
                # And it is the best path by that factor: none is better of the list by another.
                wide = DecodingOptions(acoustic_scale=factor, **WIDE)
                again = decode_emissions(graph, emissions, options=wide).best
                assert best.score == pytest.approx(again.score, abs=1e-5)


def test_silence_alone_is_an_empty_hypothesis():
    rng = np.random.default_rng(7)
    models = make_models(rng)
    graph = word_graph(models, LEXICON)
    emissions = np.full((6, models.n_pdfs), -50.0)
    emissions[:, models.tying.pdfs(models.units.index("SIL"))] = 0.0
    for more in ({}, {"lattice_beam": 8.0}):
        best = decode_emissions(
            graph, emissions[:, graph.pdfs], options=DecodingOptions(acoustic_scale=1.0, **more)
        ).best
        assert best.words == ()
        assert [s.label for s in best.phone_segments] == ["SIL"]
        assert best.phone_segments[0].parent is None


def trap():
    """Only "end" is a sentence, but each of the many states of "trap" sounds better at first."""
    topologies = {"T": Topology.ergodic(40), "E": Topology.left_right(1)}
    models = PhoneModels.flat(topologies, mean=np.zeros(1), variance=np.ones(1))
    lexicon = Lexicon.from_dict({"trap": ["T"], "end": ["E"]})
    arcs = (GrammarArc("trap", -0.1, 1), GrammarArc("end", -0.1, 2))
    grammar = Grammar((GrammarState(arcs), GrammarState(), GrammarState(end=0.0)))
    graph = build_decoding_graph(models, lexicon, grammar, silence=None)
    emissions = np.zeros((8, 41))
    emissions[:, models.tying.pdfs(1)] = -20.0
    return graph, emissions


@pytest.mark.parametrize("more", [{}, {"lattice_beam": 8.0}])
@pytest.mark.parametrize("small_graph", [0, 100_000])
@pytest.mark.parametrize(("beam", "max_active"), [(2.0, 7000), (1000.0, 2), (1000.0, 20)])
def test_what_a_beam_or_a_limit_loses_is_found_all_the_same(more, small_graph, beam, max_active):
    graph, emissions = trap()
    options = DecodingOptions(
        acoustic_scale=1.0, beam=beam, max_active=max_active, small_graph=small_graph, **more
    )
    result = decode_emissions(graph, emissions, options=options)
    assert result.words == ("end",)
    assert result.best.score == pytest.approx(oracle.best_score(graph, emissions), abs=1e-5)
    lattices_have_no_limit = beam > 2 and "lattice_beam" in more and small_graph == 0
    assert result.beam == (beam if lattices_have_no_limit else math.inf)


def test_a_beam_of_a_large_graph_is_one():
    graph, emissions = trap()
    options = DecodingOptions(acoustic_scale=1.0, beam=1000.0, max_active=60, small_graph=0)
    assert decode_emissions(graph, emissions, options=options).beam == 1000.0


def test_a_graph_too_large_to_be_searched_whole_says_that_the_beam_is_narrow(monkeypatch):
    graph, emissions = trap()
    monkeypatch.setattr(ExactSearch, "fits", lambda self, n_frames: False)
    options = DecodingOptions(acoustic_scale=1.0, beam=2.0, small_graph=0)
    with pytest.raises(NoPathError, match="beam of 2") as error:
        decode_emissions(graph, emissions, options=options)
    assert error.value.reason == "beam"


def test_frames_that_only_what_has_no_end_explains():
    """Once "trap" has begun there is no end; here it must, and "end" is impossible."""
    graph, emissions = trap()
    emissions[:, -1] = -np.inf
    for small_graph in (0, 100_000):
        options = DecodingOptions(acoustic_scale=1.0, small_graph=small_graph)
        with pytest.raises(NoPathError, match="no path of 8 frames") as error:
            decode_emissions(graph, emissions, options=options)
        assert error.value.reason == "probability"


def test_too_few_frames():
    models = PhoneModels.flat(
        {"A": Topology.left_right(3), "SIL": Topology.left_right(3)}, mean=[0.0], variance=[1.0]
    )
    lexicon = Lexicon.from_dict({"aaa": ["A A A"]})
    graph = build_decoding_graph(models, lexicon, Grammar.isolated(lexicon))
    assert graph.shortest_duration == 9
    with pytest.raises(NoPathError, match="9 frames, found 8"):
        decode(models, graph, np.zeros((8, 1)))
    assert decode(models, graph, np.zeros((9, 1))).words == ("aaa",)
    with pytest.raises(NoPathError, match="no frames"):
        decode_emissions(graph, np.zeros((0, 6)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_densities_that_are_none(case, value):
    inputs = case.inputs.copy()
    inputs[2, 1] = value
    with pytest.raises(InvalidInputError, match="frame 2"):
        decode_emissions(case.graph, inputs)
    with pytest.raises(InvalidInputError, match=r"shape \(frames, 5\)"):
        decode_emissions(case.graph, inputs[:, 1:])


@pytest.mark.slow
def test_impossible_frames_make_paths_impossible(case):
    inputs = case.inputs.copy()
    inputs[3, 1:] = -np.inf  # only one pdf is left
    paths = []
    column = {int(pdf): i for i, pdf in enumerate(case.graph.pdfs)}
    only = int(case.graph.pdfs[0])
    assert column[only] == 0
    densities = case.densities.copy()
    densities[3, [pdf for pdf in range(densities.shape[1]) if pdf != only]] = -np.inf
    sentences = oracle.sentences_of_loop(
        ("a", "ab", "b"), N_FRAMES, lambda s: grammar_probability(case.grammar, s)
    )
    paths = [
        path
        for path in oracle.all_paths(
            case.models, LEXICON, sentences, densities, silence="SIL", silence_probability=0.3
        )
        if path.acoustic > -math.inf
    ]
    expected = oracle.best_by_words(paths, 0.5)[0]
    result = decode_emissions(
        case.graph, inputs, options=DecodingOptions(acoustic_scale=0.5, beam=1e4)
    )
    assert result.best.words == expected.words
    assert result.best.score == pytest.approx(expected.score(0.5), abs=2e-5)
    options = DecodingOptions(acoustic_scale=0.5, n_best=1000, **WIDE)
    listed = decode_emissions(case.graph, inputs, options=options).hypotheses
    ranked = oracle.best_by_words(paths, 0.5)
    assert_same_ranking(listed, {p.words: p.score(0.5) for p in ranked})


def test_what_a_graph_refuses():
    models = make_models(np.random.default_rng(9))
    with pytest.raises(InvalidInputError, match=r"2 words of the grammar have no pron.*: no, yes"):
        word_graph(models, LEXICON, words=["a", "yes", "no"])
    lexicon = Lexicon.from_dict({"x": ["A X"], "y": ["Y"]})
    with pytest.raises(InvalidInputError, match="no model of X, Y; there are A, B, SIL, sp"):
        word_graph(models, lexicon)
    with pytest.raises(InvalidInputError, match="no model of silence"):
        word_graph(models, LEXICON, silence="silence")
    with pytest.raises(InvalidInputError, match=r">= 0 and <= 1, found 1\.5"):
        word_graph(models, LEXICON, silence_probability=1.5)
    with pytest.raises(InvalidInputError, match=r"edge_silence_probability must .*found -1"):
        word_graph(models, LEXICON, edge_silence_probability=-1.0)
    with pytest.raises(InvalidInputError, match="pronounced with sp"):
        word_graph(models, Lexicon.from_dict({"x": ["A sp"]}))
    with pytest.raises(InvalidInputError, match="no word to recognise"):
        word_graph(models, LEXICON, words=[])
    with pytest.raises(InvalidInputError, match="the word a is listed twice"):
        word_graph(models, LEXICON, words=["a", "b", "a"])
    other = PhoneModels.flat({"A": Topology.left_right(1)}, mean=[0.0], variance=[1.0])
    with pytest.raises(InvalidInputError, match="models of other units"):
        decode(other, word_graph(models, LEXICON), np.zeros((3, 1)))
    with pytest.raises(InvalidInputError, match="lattice_beam"):
        DecodingOptions(n_best=2)
    with pytest.raises(InvalidInputError, match="max_active must be a whole number >= 2, found 1"):
        DecodingOptions(max_active=1)
    with pytest.raises(InvalidInputError, match="beam must be finite"):
        DecodingOptions(beam=0)


def test_graphs_travel_between_processes(case):
    before = decode_emissions(case.graph, case.inputs).best
    after = decode_emissions(pickle.loads(pickle.dumps(case.graph)), case.inputs).best
    assert (after.words, after.score) == (before.words, before.score)
