import struct

import kaldi_decoder
import kaldifst
import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import DecodingOptions, Lexicon, PhoneModels, Topology, word_graph
from speakergmm.hmm.decoding import (
    Lattice,
    decode_emissions,
    log_probability_of_words,
    make_transducer,
    parse_lattice,
    path_of_words,
    read_lattice,
    word_sequences,
)

# The kernels are compared with their plain Python.
from speakergmm.hmm.decoding import lattice_kernels as kernels

LEXICON = Lexicon.from_dict({"one": ["W AH N"], "two": ["T UW"], "won": ["W AH N", "W AH"]})


@pytest.fixture(scope="module")
def graph():
    topologies = {phone: Topology.left_right(2) for phone in LEXICON.phones}
    topologies["SIL"] = Topology.silence(3)
    models = PhoneModels.flat(topologies, mean=[0.0], variance=[1.0])
    return word_graph(models, LEXICON)


@pytest.fixture(scope="module")
def emissions(graph):
    return np.random.default_rng(0).normal(-30, 3, (20, len(graph.pdfs)))


@pytest.fixture(scope="module")
def raw(graph, emissions):
    inputs = np.take(emissions.astype(np.float32), graph.columns, axis=1)
    config = kaldi_decoder.LatticeSimpleDecoderConfig(beam=100.0, lattice_beam=25.0)
    decoder = kaldi_decoder.LatticeSimpleDecoder(graph.prepared(make_transducer), config)
    scores = kaldi_decoder.DecodableCtc(inputs)
    assert decoder.decode(scores)
    found, lattice = decoder.get_raw_lattice(True)
    assert found
    return lattice


@pytest.fixture(scope="module")
def lattice(raw, graph, emissions):
    return Lattice.from_arrays(read_lattice(raw), graph, emissions, acoustic_scale=1.0)


def test_the_graph_of_the_engine_has_the_arcs_of_the_arrays(graph):
    fst = graph.prepared(make_transducer)
    rows = []
    for state in range(fst.num_states):
        iterator = kaldifst.ArcIterator(fst, state)
        while not iterator.done:
            arc = iterator.value
            rows.append((state, arc.nextstate, arc.ilabel, arc.olabel, -arc.weight.value))
            iterator.next()
    order = np.lexsort((graph.output, graph.input, graph.target, graph.source))
    ours = list(
        zip(
            graph.source[order],
            graph.target[order],
            graph.input[order],
            graph.output[order],
            graph.log_probability[order],
            strict=True,
        )
    )
    rows.sort()
    assert [row[:4] for row in rows] == [row[:4] for row in ours]
    np.testing.assert_allclose([r[4] for r in rows], [r[4] for r in ours], rtol=1e-6)


def test_lattices_are_read_as_openfst_prints_them(raw):
    arrays = read_lattice(raw)
    assert arrays.start == raw.start
    assert len(arrays.first) == raw.num_states + 1
    arcs, ends = [], {}
    for line in raw.to_str(show_weight_one=True).splitlines():
        columns = line.split()
        if len(columns) == 5:
            source, target, label, word, costs = columns
            numbers = int(source), int(target), int(label), int(word)
            arcs.append((*numbers, float(costs.split(",")[0])))
        else:
            ends[int(columns[0])] = float(columns[1].split(",")[0])
    arcs.sort(key=lambda arc: arc[0])  # it prints the start first
    source = np.repeat(np.arange(raw.num_states), np.diff(arrays.first))
    assert [arc[:4] for arc in arcs] == list(
        zip(source, arrays.target, arrays.input, arrays.output, strict=True)
    )
    np.testing.assert_allclose([arc[4] for arc in arcs], arrays.graph_cost, rtol=1e-5)
    assert set(np.flatnonzero(np.isfinite(arrays.final_cost))) == set(ends)
    for node, cost in ends.items():
        assert arrays.final_cost[node] == pytest.approx(cost, rel=1e-5)


def test_frames_and_densities_of_arcs(lattice, raw):
    heard = lattice.input > 0
    steps = lattice.frame[lattice.target] - lattice.frame[lattice.source]
    np.testing.assert_array_equal(steps, heard)
    assert (lattice.target > lattice.source).all()
    ends = lattice.final_log_probability > -np.inf
    assert (lattice.frame[ends] == lattice.n_frames).all()
    # The engine's own costs, rounded by it, are those put in exactly here.
    total = float(np.sort(-lattice.acoustic_log_likelihood[heard]).sum())
    printed = (line.split() for line in raw.to_str(show_weight_one=True).splitlines())
    costs = sum(float(columns[4].split(",")[1]) for columns in printed if len(columns) == 5)
    assert total == pytest.approx(costs, rel=1e-5)


def test_every_frame_has_one_unit(lattice):
    np.testing.assert_allclose(lattice.unit_posteriors.sum(axis=1), 1.0, rtol=1e-10)
    words = sum(lattice.word_posteriors(word) for word in lattice.graph.words)
    silence = lattice.unit_posteriors[:, lattice.graph.units.index("SIL")]
    np.testing.assert_allclose(words + silence, 1.0, rtol=1e-10)
    assert not lattice.word_posteriors("three").any()


def test_sequences_share_the_whole_probability(lattice):
    listed = [words for words, _ in word_sequences(lattice)]
    assert len(set(listed)) == len(listed) > 5
    total = np.logaddexp.reduce([log_probability_of_words(lattice, words) for words in listed])
    assert total == pytest.approx(lattice.log_total, abs=1e-9)
    for words, score in word_sequences(lattice):
        path = path_of_words(lattice, words)
        assert path.score == pytest.approx(score, abs=1e-9)
        arcs = path.arcs
        assert tuple(lattice.output[arcs][lattice.output[arcs] > 0]) == words
        assert (lattice.source[arcs[1:]] == lattice.target[arcs[:-1]]).all()
        total = lattice.weight[arcs].sum() + lattice.final_weight[lattice.target[arcs[-1]]]
        assert total == pytest.approx(score, abs=1e-9)
    assert path_of_words(lattice, (1,) * 30) is None
    assert log_probability_of_words(lattice, (1,) * 30) == -np.inf


def test_best_path_is_the_first_sequence(lattice):
    _, score = next(word_sequences(lattice))
    assert lattice.best_path().score == pytest.approx(score, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("sums", [False, True])
def test_compiled_passes_are_their_python(lattice, sums):
    nowhere = np.zeros(lattice.n_arcs, np.int32)
    results = []
    for function in (kernels.propagate_forward, kernels.propagate_forward.py_func):
        alpha = np.full(lattice.n_nodes, -np.inf)
        alpha[[0, 3]] = [0.0, -2.0]
        back = np.full(lattice.n_nodes, -1, np.int32)
        function(lattice.first, lattice.target, nowhere, lattice.weight, 0, sums, alpha, back)
        results.append((alpha, back))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-13)
    np.testing.assert_array_equal(results[0][1], results[1][1])
    role = np.random.default_rng(1).integers(0, 3, lattice.n_arcs).astype(np.int8)
    betas = []
    for function in (kernels.propagate_backward, kernels.propagate_backward.py_func):
        beta = lattice.final_weight.copy()
        outside = np.linspace(-1, 0, lattice.n_nodes)
        function(lattice.first, lattice.target, role, lattice.weight, outside, sums, beta)
        betas.append(beta)
    np.testing.assert_allclose(betas[0], betas[1], rtol=1e-13)


def test_nodes_are_sorted_and_circles_refused():
    # 2 -> 0 -> 3 -> 1, and 4 that nothing leads to.
    first = np.array([0, 1, 1, 3, 4, 5], np.int64)
    target = np.array([3, 0, 1, 1, 1], np.int32)
    for function in (kernels.topological_order, kernels.topological_order.py_func):
        order = np.empty(5, np.int32)
        assert function(first, target, 2, order) == 4
        assert order[:4].tolist() == [2, 0, 3, 1]
        circle = np.array([3, 0, 1, 2, 1], np.int32)
        assert function(first, circle, 2, order) == -1
        inner = np.array([3, 0, 1, 0, 1], np.int32)
        assert function(first, inner, 2, order) == -1


def test_a_circle_is_refused(raw, graph, emissions):
    arrays = read_lattice(raw)
    target = arrays.target.copy()
    target[arrays.first[10]] = 0
    if arrays.start == 0:
        with pytest.raises(InvalidInputError, match="circle"):
            Lattice.from_arrays(
                arrays._replace(target=target), graph, emissions, acoustic_scale=1.0
            )


def test_small_lattice_written_by_hand():
    small = kaldifst.Lattice()
    for _ in range(2):
        small.add_state()
    small.start = 1
    weight = kaldifst.LatticeWeight(graph_cost=1.5, acoustic_cost=-2.5)
    small.add_arc(1, kaldifst.LatticeArc(7, 8, weight, 0))
    small.set_final(0, kaldifst.LatticeWeight(graph_cost=0.25, acoustic_cost=0.5))
    arrays = read_lattice(small)
    assert arrays.start == 1
    assert arrays.first.tolist() == [0, 0, 1]
    assert (arrays.target[0], arrays.input[0], arrays.output[0]) == (0, 7, 8)
    assert arrays.graph_cost[0] == 1.5
    assert arrays.final_cost.tolist() == [0.25, np.inf]
    with pytest.raises(struct.error):
        parse_lattice(b"\xd6\xfd\xb2~")


def test_confidences_do_not_depend_on_how_many_alternatives_are_listed(graph, emissions):
    first, second = (
        decode_emissions(
            graph, emissions, options=DecodingOptions(lattice_beam=5.0, n_best=n)
        ).best.word_segments
        for n in (1, 20)
    )
    assert first == second
    assert all(0 < segment.confidence <= 1 for segment in first)
