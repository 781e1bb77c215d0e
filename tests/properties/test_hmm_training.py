"""Properties of the training of phone models, for any topologies, transcripts and counts."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import hmm_kernels as twin
from oracles import hmm_training as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    NoPathError,
    Topology,
    TrainingSchedule,
    Transitions,
    forward_backward,
    viterbi,
)
from speakergmm.hmm.models import UnitEdge, compile_units, sum_by_pdf
from speakergmm.hmm.training import (
    PhoneExpectation,
    allot_gaussians,
    equal_path,
    grow_bank,
    update_bank,
)
from speakergmm.mixtures import MixtureStatistics

seeds = st.integers(0, 2**32 - 1)


@st.composite
def topologies(draw):
    """A way through, and any other arcs; some can be passed over."""
    n = draw(st.integers(1, 3))
    arcs = {(-1, 0)} | {(state, state + 1) for state in range(n)}
    possible = [(s, t) for s in range(-1, n) for t in range(n + 1)]
    arcs |= draw(st.sets(st.sampled_from(possible), max_size=4))
    leaving = {s: sum(arc[0] == s for arc in arcs) for s in range(-1, n)}
    return Topology.from_arcs(n, [(s, t, 1 / leaving[s]) for s, t in sorted(arcs)])


@st.composite
def unit_graphs(draw):
    """Edges between up to four nodes, in any order, some of which hold nothing."""
    n_nodes = draw(st.integers(2, 4))
    pairs = [(a, b) for a in range(n_nodes) for b in range(a + 1, n_nodes)]
    chain = [(a, a + 1) for a in range(n_nodes - 1)]
    chosen = chain + draw(st.lists(st.sampled_from(pairs), max_size=2))
    units = st.sampled_from(["A", "B", "C", None])
    costs = st.floats(-3.0, 0.0)
    edges = [UnitEdge(a, b, draw(units), draw(costs)) for a, b in chosen]
    return draw(st.permutations(edges))


@st.composite
def worlds(draw):
    """Models of three units and a graph of them."""
    kinds = {unit: draw(topologies()) for unit in "ABC"}
    models = oracle.random_models(np.random.default_rng(draw(seeds)), kinds, sizes=(1, 2))
    return models, draw(unit_graphs())


def strings(edges):
    """All ways from the first node to the last: log-probability and units."""
    last = max(edge.target for edge in edges)

    def onwards(node):
        if node == last:
            yield 0.0, ()
            return
        for edge in edges:
            if edge.source == node:
                for log_prob, units in onwards(edge.target):
                    said = () if edge.unit is None else (edge.unit,)
                    yield edge.log_prob + log_prob, said + units

    yield from onwards(0)


def walked(models, edges, n_frames):
    """All paths of so many frames."""
    found = []
    for fixed, units in strings(edges):
        labels = [oracle.Label(unit, None, 0, 0) for unit in units]
        for log_prob, frames, taken in oracle.string_paths(labels, models, n_frames):
            pdfs = tuple(oracle.pdf_of(models, units[place], state) for place, state in frames)
            found.append(oracle.Path(fixed + log_prob, (), (), pdfs, taken))
    return found


@pytest.mark.slow
@given(worlds(), st.integers(1, 4), seeds)
@settings(max_examples=30, deadline=None)
def test_graphs_are_all_walks_and_no_others(world, n_frames, seed):
    models, edges = world
    if walked(models, edges, 0):
        with pytest.raises(InvalidInputError, match="no frame"):
            compile_units(edges, models)
        return
    graph = compile_units(edges, models)
    log_emissions = np.random.default_rng(seed).normal(-3.0, 2.0, (n_frames, models.n_pdfs))
    compiled, own = graph.graph(models.transitions), log_emissions[:, graph.pdfs]
    paths = walked(models, edges, n_frames)
    if not paths:
        with pytest.raises(NoPathError):
            forward_backward(compiled, own)
        return
    expected = oracle.expectations(paths, log_emissions, models.transitions.n_arcs)
    found = forward_backward(compiled, own)
    assert math.isclose(found.log_likelihood, expected.log_likelihood, rel_tol=1e-10)
    counts = np.zeros(models.transitions.n_arcs)
    graph.add_counts(found.arc_counts, found.entry_counts, found.exit_counts, counts)
    np.testing.assert_allclose(counts, expected.transitions, rtol=1e-8, atol=1e-11)
    best = viterbi(compiled, own).log_probability
    assert math.isclose(best, expected.best_log_prob, rel_tol=1e-10)


@pytest.mark.slow
@given(worlds(), st.integers(1, 12), seeds)
@settings(max_examples=25, deadline=None)
def test_expected_counts_add_up(world, n_frames, seed):
    """All frames are some pdf's; a state is left as often as it is come to."""
    models, edges = world
    try:
        graph = compile_units(edges, models)
        frames = np.random.default_rng(seed).normal(size=(n_frames, 2)).astype(np.float32)
        sums = PhoneExpectation(models).no_statistics()
        PhoneExpectation(models).baum_welch(graph, frames, sums)
    except (InvalidInputError, NoPathError):
        return
    np.testing.assert_allclose(sums.gaussians.statistics().counts.sum(), n_frames, rtol=1e-4)
    for unit in models.units:
        arcs = oracle.arcs_of(models, unit)
        n_states = models.topology(unit).n_states
        for state in range(n_states):
            entered = sum(sums.transitions[arc[3]] for arc in arcs if arc[1] == state)
            left = sum(sums.transitions[arc[3]] for arc in arcs if arc[0] == state)
            assert math.isclose(entered, left, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.slow
@given(worlds(), st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_equal_shares_are_of_pdfs_of_the_graph(world, n_frames):
    models, edges = world
    try:
        graph = compile_units(edges, models)
    except InvalidInputError:
        return
    shortest = graph.skeleton.shortest_duration
    try:
        path = equal_path(graph, n_frames)
    except NoPathError:
        assert n_frames < shortest
        return
    assert n_frames >= shortest
    assert len(path.pdfs) == n_frames
    assert set(path.pdfs) <= set(graph.pdfs)


@pytest.mark.slow
@given(topologies(), seeds, st.floats(0.0, 0.99), st.floats(0.1, 1e6))
@settings(deadline=None)
def test_transitions_are_probabilities_whatever_the_counts(topology, seed, floor, scale):
    rng = np.random.default_rng(seed)
    start = Transitions.from_topologies([topology, topology])
    counts = rng.gamma(0.3, 1.0, start.n_arcs) * rng.integers(0, 2, start.n_arcs)
    updated = start.updated(counts, floor=floor)
    totals = np.bincount(updated.group, updated.probability)
    np.testing.assert_allclose(totals, 1.0, rtol=1e-9)
    sizes = np.bincount(updated.group)[updated.group]
    seen = np.bincount(updated.group, counts)[updated.group] > 0
    least = np.minimum(floor, 0.5 / sizes)
    assert (updated.probability[seen] >= least[seen] * (1 - 1e-9)).all()
    np.testing.assert_array_equal(updated.probability[~seen], start.probability[~seen])
    scaled = start.updated(counts * scale, floor=floor)
    np.testing.assert_allclose(scaled.probability, updated.probability, rtol=1e-9)


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=12),
    st.integers(1, 60),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.integers(1, 100),
)
@settings(deadline=None)
def test_gaussians_are_allotted_within_what_frames_allow(
    frames, n_gaussians, power, min_frames_per_gaussian
):
    occupancy = np.array(frames, np.float64)
    found = allot_gaussians(
        occupancy, n_gaussians, power=power, min_frames_per_gaussian=min_frames_per_gaussian
    )
    assert (found >= 1).all()
    assert (occupancy[found > 1] >= min_frames_per_gaussian * found[found > 1]).all()
    most = sum(max(1, n // min_frames_per_gaussian) for n in frames)
    assert found.sum() == max(len(frames), min(n_gaussians, most))
    order = np.argsort(occupancy, kind="stable")
    for few, many in itertools.pairwise(order):
        if occupancy[few] < occupancy[many]:
            assert found[few] <= found[many]
    # None loses any when more are wanted.
    more = allot_gaussians(
        occupancy,
        n_gaussians + 5,
        power=power,
        min_frames_per_gaussian=min_frames_per_gaussian,
        present=found,
    )
    assert (more >= found).all()


@pytest.mark.slow
@given(st.integers(1, 200), st.integers(1, 500), st.integers(0, 40))
@settings(deadline=None)
def test_schedules_never_shrink(n_pdfs, more, grow_until):
    schedule = TrainingSchedule(n_gaussians=n_pdfs + more, grow_until=grow_until)
    wanted = [schedule.gaussians_after(i, n_pdfs) for i in range(45)]
    assert wanted == sorted(wanted)
    assert wanted[-1] == n_pdfs + more
    assert wanted[0] == (n_pdfs if grow_until else n_pdfs + more)


@pytest.mark.slow
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(0, 20),
    seeds,
    st.sampled_from([0.0, 1.0, 50.0, 1e6]),
    st.sampled_from(["float32", "float64"]),
)
@settings(deadline=None)
def test_compiled_sums_are_plain_sums(sizes, n_frames, seed, spread, dtype):
    offsets = np.cumsum([0, *sizes])
    densities = np.random.default_rng(seed).normal(0.0, spread, (n_frames, offsets[-1]))
    densities = densities.astype(dtype)
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(
        sum_by_pdf(densities, offsets), twin.sum_by_pdf(densities, offsets),
        rtol=tolerance, atol=10 * tolerance,
    )  # fmt: skip


@given(seeds, st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_updates_and_growth_make_banks(seed, sizes, grown):
    """From any statistics of real frames: weights sum to one, variances are above the floor."""
    rng = np.random.default_rng(seed)
    kinds = {f"U{i}": Topology.left_right(1) for i in range(len(sizes))}
    bank = oracle.random_models(rng, kinds, sizes=tuple(sizes)).bank
    X = rng.normal(size=(12, 2))
    gamma = rng.dirichlet(np.full(bank.n_gaussians, 0.2), 12)
    gamma *= rng.integers(0, 2, bank.n_gaussians)
    floor = np.full(2, 0.05)
    updated, report = update_bank(
        bank, MixtureStatistics(gamma.sum(axis=0), gamma.T @ X, gamma.T @ X**2, 0.0, 12.0),
        variance_floor=floor, min_occupancy=float(rng.choice([0.0, 1.0, 3.0])),
    )  # fmt: skip
    assert updated.n_gaussians == bank.n_gaussians - report.n_removed
    assert (updated.gaussians.variances() >= floor * (1 - 1e-12)).all()
    larger = grow_bank(updated, updated.sizes + grown)
    assert larger.sizes.tolist() == (updated.sizes + grown).tolist()
    for number in range(bank.n_pdfs):
        assert math.isclose(larger.pdf(number).weights.sum(), 1.0, rel_tol=1e-9)
