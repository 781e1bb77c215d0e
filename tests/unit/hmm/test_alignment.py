"""Alignment against the enumeration of all paths."""

import itertools
import tracemalloc

import numpy as np
import pytest
from oracles import hmm_kernels as twin

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    Aligner,
    Lexicon,
    MixtureBank,
    NoPathError,
    PhoneModels,
    Topology,
    align,
    compile_transcript,
)

# The kernel is compared with its twin, and limits of the module are lowered.
from speakergmm.hmm.decoding import alignment_kernels, forced_alignment

LEXICON = Lexicon.from_dict({"ab": ["a b", "b"], "c": "c"})


def make_models(n_states=1, spread=1.0, seed=0):
    """Units a, b, c and silence with one Gaussian a state, means far apart where spread is."""
    topologies = {unit: Topology.left_right(n_states) for unit in ("a", "b", "c", "SIL")}
    models = PhoneModels.flat(topologies, mean=np.zeros(2), variance=np.ones(2))
    rng = np.random.default_rng(seed)
    bank = MixtureBank.from_parameters(
        np.arange(models.n_pdfs + 1),
        np.ones(models.n_pdfs),
        spread * rng.normal(size=(models.n_pdfs, 2)),
        rng.gamma(5.0, 0.2, (models.n_pdfs, 2)),
    )
    return models.with_parameters(bank=bank)


def all_paths(graph, n_frames):
    """Every path of states with its log-probability, without emissions."""
    arcs = {}
    for source, target, log_prob in zip(graph.source, graph.target, graph.log_prob, strict=True):
        arcs.setdefault(int(source), []).append((int(target), float(log_prob)))
    ends = {}
    for state, log_prob in zip(graph.exit_state, graph.exit_log_prob, strict=True):
        ends.setdefault(int(state), []).append(float(log_prob))
    paths = [
        ((int(state),), float(log_prob))
        for state, log_prob in zip(graph.entry_state, graph.entry_log_prob, strict=True)
    ]
    for _ in range(n_frames - 1):
        paths = [
            ((*states, target), total + log_prob)
            for states, total in paths
            for target, log_prob in arcs.get(states[-1], [])
        ]
    return [
        (states, total + log_prob)
        for states, total in paths
        for log_prob in ends.get(states[-1], [])
    ]


def log_density(models, pdf, x):
    mixture = models.bank.pdf(pdf)
    mean, variance = mixture.means[0], mixture.covariances[0]
    return -0.5 * float(np.sum((x - mean) ** 2 / variance + np.log(2 * np.pi * variance)))


def enumerate_all(models, utterance, X, scale=1.0):
    """Posterior (T, S), best states and their log-probability, over all paths."""
    logs = scale * models.transitions.log_probability()
    graph = utterance.graph_from_logs(logs)
    emissions = scale * np.array(
        [[log_density(models, utterance.pdfs[p], x) for p in range(len(utterance.pdfs))] for x in X]
    )
    paths = all_paths(graph, len(X))
    totals = np.array(
        [
            total + sum(emissions[t, graph.pdf[state]] for t, state in enumerate(states))
            for states, total in paths
        ]
    )
    shares = np.exp(totals - totals.max())
    shares /= shares.sum()
    posterior = np.zeros((len(X), utterance.n_states))
    for (states, _), share in zip(paths, shares, strict=True):
        posterior[np.arange(len(X)), list(states)] += share
    best = int(totals.argmax())
    return posterior, paths[best][0], totals[best], [p[0] for p in paths], shares


@pytest.fixture(scope="module")
def case():
    models = make_models(n_states=2, spread=0.7)
    utterance = compile_transcript(["ab", "c"], LEXICON, models)
    X = np.random.default_rng(1).normal(size=(10, 2)).astype(np.float32)
    return models, utterance, X


def test_path_and_confidences_are_those_of_enumeration(case):
    models, utterance, X = case
    scale = 0.4
    _, best, log_probability, _, _ = enumerate_all(models, utterance, X)
    posterior = enumerate_all(models, utterance, X, scale)[0]
    found = align(models, utterance, X, posterior_scale=scale)
    assert found.log_likelihood * len(X) == pytest.approx(log_probability, rel=1e-6)
    assert found.n_frames == len(X)

    at, runs = 0, []
    for _, group in itertools.groupby(best):
        length = len(list(group))
        runs.append((at, at + length))
        at += length
    assert [(s.start_frame, s.end_frame) for s in found.states] == runs
    for segment, (start, end) in zip(found.states, runs, strict=True):
        state = best[start]
        unit = utterance.units[utterance.state_unit[state]].unit
        assert segment.label == f"{unit}.{utterance.state_position[state] + 1}"
        assert segment.posterior == pytest.approx(posterior[start:end, state].mean(), abs=1e-6)

    of_unit = utterance.state_unit[list(best)]
    for segment in found.phones:
        unit = of_unit[segment.start_frame]
        assert (of_unit[segment.start_frame : segment.end_frame] == unit).all()
        assert segment.label == utterance.units[unit].unit
        columns = np.flatnonzero(utterance.state_unit == unit)
        expected = posterior[segment.start_frame : segment.end_frame, columns].sum(axis=1).mean()
        assert segment.posterior == pytest.approx(expected, abs=1e-6)
        word = utterance.units[unit].word
        assert segment.parent == word

    # A word is right in whichever pronunciation.
    word_of = np.array([-1 if u.word is None else u.word for u in utterance.units])
    assert [word.label for word in found.words] == ["ab", "c"]
    for number, segment in enumerate(found.words):
        columns = np.flatnonzero(word_of[utterance.state_unit] == number)
        expected = posterior[segment.start_frame : segment.end_frame, columns].sum(axis=1).mean()
        assert segment.posterior == pytest.approx(expected, abs=1e-6)


def test_segments_tile_the_frames(case):
    models, utterance, X = case
    found = align(models, utterance, X)
    for tier in (found.phones, found.states):
        assert tier[0].start_frame == 0
        assert tier[-1].end_frame == len(X)
        for one, two in itertools.pairwise(tier):
            assert one.end_frame == two.start_frame
    for state in found.states:
        phone = found.phones[state.parent]
        assert phone.start_frame <= state.start_frame < state.end_frame <= phone.end_frame
    assert found.phone_edges[0] == 0
    assert found.phone_edges[-1] == len(X)
    assert (np.diff(found.phone_edges) >= 0.5 - 1e-12).all()


def test_the_edge_of_two_phones_is_its_expected_place():
    models = make_models(n_states=1, spread=0.5)
    lexicon = Lexicon.from_dict({"ab": "a b"})
    utterance = compile_transcript(["ab"], lexicon, models, silence=None)
    X = np.random.default_rng(2).normal(size=(7, 2))
    _, _, _, paths, shares = enumerate_all(models, utterance, X, 0.3)
    first = [sum(utterance.state_unit[state] == 0 for state in states) for states in paths]
    found = align(models, utterance, X, posterior_scale=0.3)
    assert found.phone_edges[1] == pytest.approx(float(shares @ first), abs=1e-6)
    # And not where the path has it, which is between two frames.
    assert found.phone_edges[1] != found.phones[0].end_frame


def test_clear_frames_are_aligned_as_they_were_made():
    models = make_models(n_states=1, spread=30.0)
    utterance = compile_transcript(["ab", "c"], LEXICON, models)
    means = {unit: models.bank.pdf(place).means[0] for place, unit in enumerate(models.units)}
    said = ["SIL"] * 3 + ["b"] * 4 + ["SIL"] * 2 + ["c"] * 5
    found = align(models, utterance, np.array([means[unit] for unit in said]))
    assert [(p.label, p.start_frame, p.end_frame, p.parent) for p in found.phones] == [
        ("SIL", 0, 3, None),
        ("b", 3, 7, 0),
        ("SIL", 7, 9, None),
        ("c", 9, 14, 1),
    ]
    assert [(w.label, w.start_frame, w.end_frame) for w in found.words] == [
        ("ab", 3, 7),
        ("c", 9, 14),
    ]
    np.testing.assert_allclose(found.phone_edges, [0, 3, 7, 9, 14], atol=1e-6)
    assert all(segment.posterior == pytest.approx(1.0) for segment in found.phones)


def test_goodness_is_the_distance_to_the_best_state_of_all(case):
    models, utterance, X = case
    found = align(models, utterance, X, goodness=True)
    everything = np.array([[log_density(models, p, x) for p in range(models.n_pdfs)] for x in X])
    best = enumerate_all(models, utterance, X)[1]
    graph = utterance.graph(models.transitions)
    own = [
        log_density(models, utterance.pdfs[graph.pdf[s]], x) for s, x in zip(best, X, strict=True)
    ]
    ratio = np.array(own) - everything.max(axis=1)
    np.testing.assert_allclose(found.frame_log_likelihoods, own, rtol=1e-5)
    for segment in (*found.words, *found.phones, *found.states):
        expected = ratio[segment.start_frame : segment.end_frame].mean()
        assert segment.goodness == pytest.approx(expected, abs=1e-4)
        assert segment.goodness <= 0
    plain = align(models, utterance, X)
    assert [(*p[:5], p.posterior) for p in plain.phones] == [
        (*p[:5], p.posterior) for p in found.phones
    ]
    assert np.isnan(plain.words[0].goodness)


def test_without_confidences_the_path_is_the_same(case):
    models, utterance, X = case
    with_them, without = align(models, utterance, X), align(models, utterance, X, confidences=False)
    assert [p[:3] for p in without.states] == [p[:3] for p in with_them.states]
    assert all(np.isnan(p.posterior) for p in (*without.words, *without.phones, *without.states))
    assert without.phone_edges.tolist() == [
        *(p.start_frame for p in without.phones),
        without.n_frames,
    ]


def test_a_transcript_too_long_for_its_frames_is_refused(case):
    models, utterance, X = case
    # 2 states for "b", 2 for "c".
    assert align(models, utterance, X[:4]).n_frames == 4
    with pytest.raises(NoPathError, match="at least 4 frames, found 3"):
        align(models, utterance, X[:3])


def test_a_narrow_beam_is_widened_on_demand(case, monkeypatch):
    models, utterance, X = case
    exact = align(models, utterance, X)
    tried = []

    def fails_when_narrow(function):
        def search(graph, log_emissions, *, beam=None):
            tried.append(beam)
            if beam is not None and beam < 5.0:
                raise NoPathError("no path is left in the beam")
            return function(graph, log_emissions, beam=beam)

        return search

    for name in ("viterbi", "forward_backward"):
        monkeypatch.setattr(
            forced_alignment, name, fails_when_narrow(getattr(forced_alignment, name))
        )
    widened = align(models, utterance, X, beam=1.0, retry_beam=1e6)
    # Posteriors are sums over all paths.
    assert tried[:3] == [1.0, 1e6, None]
    assert [(*p[:5], p.posterior) for p in widened.phones] == [
        (*p[:5], p.posterior) for p in exact.phones
    ]
    for options in ({"beam": 1.0}, {"beam": 1.0, "retry_beam": 2.0}):
        with pytest.raises(NoPathError, match="in the beam"):
            align(models, utterance, X, **options)


@pytest.fixture(scope="module")
def late_winner():
    """Two frames of digital silence, too few for silence; then speech, then silence.

    The best path takes them for speech and lies thousands of nats behind there; what a beam keeps
    takes the speech for silence, and pays more for it.
    """
    topologies = {unit: Topology.left_right(3) for unit in ("a", "c", "SIL")}
    models = PhoneModels.flat(topologies, mean=np.zeros(1), variance=np.ones(1))
    mean = {"a": 0.0, "c": 6.0, "SIL": -60.0}
    variance = {"a": 1.0, "c": 1.0, "SIL": 0.1}
    places = [unit for unit in models.units for _ in range(3)]
    bank = MixtureBank.from_parameters(
        np.arange(10),
        np.ones(9),
        np.array([[mean[unit]] for unit in places]),
        np.array([[variance[unit]] for unit in places]),
    )
    models = models.with_parameters(bank=bank)
    utterance = compile_transcript(["ac"], Lexicon.from_dict({"ac": "a c"}), models)
    X = np.array([-60.0, -60.0, 0.1, -0.2, 0.0, 6.1, 5.8, 6.0, -60.0, -60.0, -60.0])[:, None]
    return models, utterance, X


@pytest.mark.parametrize("options", [{}, {"beam": 200.0}, {"beam": 200.0, "retry_beam": 2000.0}])
def test_the_best_path_may_lie_thousands_of_nats_behind_at_the_start(late_winner, options):
    models, utterance, X = late_winner
    _, best, log_probability, _, _ = enumerate_all(models, utterance, X)
    graph = utterance.graph(models.transitions)
    emissions = np.array([[log_density(models, p, x) for p in utterance.pdfs] for x in X])
    behind = emissions[:2].max(axis=1) - emissions[np.arange(2), graph.pdf[list(best[:2])]]
    assert behind.sum() > 3000
    found = align(models, utterance, X, **options)
    assert found.log_likelihood * len(X) == pytest.approx(log_probability, rel=1e-6)
    assert [(p.label, p.start_frame, p.end_frame) for p in found.phones] == [
        ("a", 0, 5),
        ("c", 5, 8),
        ("SIL", 8, 11),
    ]
    soft = enumerate_all(models, utterance, X, 0.1)[0]
    columns = np.flatnonzero(utterance.state_unit == utterance.state_unit[best[0]])
    expected = soft[:5, columns].sum(axis=1).mean()
    assert found.phones[0].posterior == pytest.approx(expected, abs=1e-6)


def test_posteriors_are_over_all_paths_whatever_the_beam(late_winner, case):
    for models, utterance, X in (late_winner, case):
        exact = align(models, utterance, X)
        for beam in (3.0, 20.0, 200.0, 1e5):
            found = align(models, utterance, X, beam=beam, retry_beam=1e6)
            if [p[:3] for p in found.states] == [p[:3] for p in exact.states]:
                assert [(*p[:3], p.posterior) for p in found.phones] == [
                    (*p[:3], p.posterior) for p in exact.phones
                ]
                assert found.phone_edges.tolist() == exact.phone_edges.tolist()
            else:
                # Paths that the sum over all finds about as probable.
                assert min(word.posterior for word in found.words) >= 0.5


@pytest.mark.parametrize("name", ["beam", "retry_beam", "posterior_scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(InvalidInputError, match=name):
        Aligner(make_models(), **{name: value})


def test_frames_that_are_none_are_refused(case):
    models, utterance, X = case
    with pytest.raises(InvalidInputError):
        align(models, utterance, X[:, :1])
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(InvalidInputError):
        align(models, utterance, bad)


def test_one_aligner_serves_threads(case):
    from concurrent.futures import ThreadPoolExecutor

    models, utterance, _ = case
    rng = np.random.default_rng(3)
    many = [rng.normal(size=(20 + i, 2)) for i in range(24)]
    aligner = Aligner(models)
    alone = [aligner.align(utterance, X).phones for X in many]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda X: aligner.align(utterance, X).phones, many))
    assert [[(*p[:5], p.posterior) for p in phones] for phones in alone] == [
        [(*p[:5], p.posterior) for p in phones] for phones in together
    ]


def test_the_compiled_sums_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for _ in range(20):
        n_units, n_frames = int(rng.integers(1, 8)), int(rng.integers(1, 30))
        state_unit = rng.integers(0, n_units, 3 * n_units).astype(np.int32)
        word_of = rng.integers(-1, 3, n_units)
        posteriors = rng.dirichlet(np.full(len(state_unit), 0.3), n_frames)
        posteriors[posteriors < 0.02] = 0.0
        states = rng.integers(0, len(state_unit), n_frames)
        states = states[np.argsort(state_unit[states], kind="stable")].astype(np.int32)
        units = state_unit[states]
        passed = np.unique(units).astype(np.int64)
        place = np.searchsorted(passed, units)
        results = [np.empty((n_frames, 5)), np.empty((n_frames, 5))]
        for module, result in zip((alignment_kernels, twin), results, strict=True):
            module.posteriors_on_path(
                posteriors, states, place, state_unit, passed, word_of, result
            )
        np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("confidences", [True, False])
def test_memory_is_what_is_said_and_more_is_refused(confidences, monkeypatch):
    models = make_models(n_states=3)
    utterance = compile_transcript(["ab", "c"] * 50, LEXICON, models)
    X = np.random.default_rng(1).normal(size=(700, 2)).astype(np.float32)
    aligner = Aligner(models, confidences=confidences)
    # What is compiled or loaded on first use is no part of it.
    aligner.align(utterance, X[:400])
    n_bytes = (16 if confidences else 2) * utterance.n_states * len(X)
    tracemalloc.start()
    found = aligner.align(utterance, X)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used == pytest.approx(n_bytes, rel=0.1, abs=1e6)
    beside = (4 + 20) * len(utterance.pdfs) * len(X)
    monkeypatch.setattr(forced_alignment, "_MOST_BYTES", n_bytes + beside)
    assert aligner.align(utterance, X).n_frames == found.n_frames
    monkeypatch.setattr(forced_alignment, "_MOST_BYTES", n_bytes + beside - 1)
    with pytest.raises(InvalidInputError, match="cut the recording") as error:
        aligner.align(utterance, X)
    assert ("without confidences" in str(error.value)) == confidences
    assert "\n" not in str(error.value)


def test_goodness_sees_pdfs_that_the_transcript_does_not_have():
    models = make_models(n_states=1, spread=30.0)
    utterance = compile_transcript(["c"], LEXICON, models, silence=None)
    assert len(utterance.pdfs) == 1
    # What is said is "a".
    x = models.bank.pdf(models.units.index("a")).means[0]
    found = align(models, utterance, np.array([x, x]), goodness=True)
    own, best = (log_density(models, models.units.index(unit), x) for unit in "ca")
    assert best - own > 1
    assert found.phones[0].goodness == pytest.approx(own - best, rel=1e-4)
