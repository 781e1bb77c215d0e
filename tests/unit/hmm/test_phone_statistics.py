"""One utterance's part in training: expected counts, best paths, equal shares."""

import itertools

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.hmm import (
    Lexicon,
    MixtureBank,
    NoPathError,
    PhoneModels,
    Pronunciation,
    Topology,
    TrainingSchedule,
    compile_transcript,
)
from speakergmm.hmm.models import UnitEdge, compile_units
from speakergmm.hmm.training import AlignedPath, PhoneExpectation, equal_path

TOPOLOGIES = {
    "A": Topology.left_right(1),
    "B": Topology.left_right(2),
    "SIL": Topology.silence(3),
    "sp": Topology.short_pause(),
}
LEXICON = Lexicon(
    {
        "a": (Pronunciation(("A",)),),
        "ab": (Pronunciation(("A", "B"), 0.7), Pronunciation(("B",), 0.3)),
    }
)
WORDS = ["ab", "a"]


def make_models(seed=0, sizes=(1, 3), **options):
    rng = np.random.default_rng(seed)
    return oracle.random_models(rng, TOPOLOGIES, sizes=sizes, spread=1.0, **options)


def make_frames(n_frames=6, seed=1):
    return np.random.default_rng(seed).normal(0.0, 1.5, (n_frames, 2)).astype(np.float32)


def expected(models, frames, *, acoustic_scale=1.0, **silences):
    paths = oracle.all_paths(WORDS, LEXICON, models, len(frames), **silences)
    emissions = acoustic_scale * oracle.log_emissions(models.bank, frames.astype(np.float64))
    return oracle.expectations(paths, emissions, models.transitions.n_arcs)


def assert_moments(sums, models, frames, pdf_posteriors):
    X = frames.astype(np.float64)
    gamma = oracle.gaussian_posteriors(models.bank, X, pdf_posteriors)
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    found = sums.gaussians.statistics()
    np.testing.assert_allclose(found.counts, gamma.sum(axis=0), **tolerance)
    np.testing.assert_allclose(found.first_order, gamma.T @ X, **tolerance)
    np.testing.assert_allclose(found.second_order, gamma.T @ X**2, **tolerance)


SILENCES = {
    "optional": ({}, {}),
    "pause": ({"short_pause": "sp"}, {"short_pause": "sp"}),
    "rare": (
        {"silence_probability": 0.1, "edge_silence_probability": 0.8},
        {"probability": 0.1, "edge_probability": 0.8},
    ),
}


@pytest.mark.parametrize("acoustic_scale", [1.0, 0.2])
@pytest.mark.parametrize("same_pdf", [None, {("sp", 0): ("SIL", 1), ("A", 0): ("B", 1)}])
@pytest.mark.parametrize("silence", SILENCES)
def test_baum_welch_sums_over_all_paths(silence, same_pdf, acoustic_scale):
    given, naive = SILENCES[silence]
    models, frames = make_models(same_pdf=same_pdf), make_frames()
    graph = compile_transcript(WORDS, LEXICON, models, **given)
    sums = PhoneExpectation(models).no_statistics()
    PhoneExpectation(models, TrainingSchedule(acoustic_scale=acoustic_scale)).baum_welch(
        graph, frames, sums
    )
    found = expected(models, frames, acoustic_scale=acoustic_scale, **naive)
    assert sums.gaussians.log_likelihood == pytest.approx(found.log_likelihood, rel=1e-5)
    assert sums.gaussians.n_frames == len(frames)
    np.testing.assert_allclose(sums.transitions, found.transitions, rtol=1e-4, atol=1e-5)
    assert_moments(sums, models, frames, found.pdf_posteriors)


@pytest.mark.parametrize("silence", SILENCES)
def test_alignment_is_the_best_path(silence):
    given, naive = SILENCES[silence]
    models, frames = make_models(), make_frames()
    graph = compile_transcript(WORDS, LEXICON, models, **given)
    step = PhoneExpectation(models)
    path = step.align(graph, frames)
    found = expected(models, frames, **naive)
    assert path.pdfs.tolist() == list(found.best.pdfs)
    assert path.transitions.tolist() == sorted(found.best.transitions)
    sums = PhoneExpectation(models).no_statistics()
    step.add_aligned(path, frames, sums)
    certain = np.eye(models.n_pdfs)[path.pdfs]
    assert_moments(sums, models, frames, certain)
    taken = np.bincount(found.best.transitions, minlength=models.transitions.n_arcs)
    np.testing.assert_array_equal(sums.transitions, taken)
    assert sums.gaussians.log_likelihood == pytest.approx(found.best_log_prob, rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"acoustic_scale": 0.05},
        {"transition_scale": 0.1},
        *({"boost_silence": boost, "acoustic_scale": 0.3} for boost in (0.2, 3.0, 20.0)),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scales_and_boost_change_the_search(options, seed):
    models, frames = make_models(), make_frames(8, seed)
    graph = compile_transcript(WORDS, LEXICON, models)
    silence = models.tying.pdfs(models.unit_number("SIL"))
    path = PhoneExpectation(models, TrainingSchedule(**options), silence_pdfs=silence).align(
        graph, frames
    )
    emissions = oracle.log_emissions(models.bank, frames.astype(np.float64))
    emissions[:, silence] += np.log(options.get("boost_silence", 1.0))
    emissions *= options.get("acoustic_scale", 1.0)
    best = []
    for string, labels in oracle.unit_strings(WORDS, LEXICON):
        for log_prob, walked, _ in oracle.string_paths(labels, models, 8):
            pdfs = [oracle.pdf_of(models, labels[p].unit, s) for p, s in walked]
            value = string + options.get("transition_scale", 1.0) * log_prob
            best.append((value + emissions[np.arange(8), pdfs].sum(), pdfs))
    assert path.pdfs.tolist() == max(best)[1]


def test_sums_are_added():
    models, frames = make_models(), make_frames()
    graph = compile_transcript(WORDS, LEXICON, models)
    step, total = PhoneExpectation(models), PhoneExpectation(models).no_statistics()
    one = PhoneExpectation(models).no_statistics()
    step.baum_welch(graph, frames, one)
    for _ in range(2):
        total.merge(one)
    twice = PhoneExpectation(models).no_statistics()
    for _ in range(2):
        step.baum_welch(graph, frames, twice)
    np.testing.assert_allclose(total.transitions, twice.transitions, rtol=1e-12)
    np.testing.assert_allclose(total.gaussians.moments, twice.gaussians.moments, rtol=1e-12)
    assert total.gaussians.log_likelihood == pytest.approx(twice.gaussians.log_likelihood)
    assert total.gaussians.n_frames == 12


@pytest.mark.parametrize("method", ["baum_welch", "align"])
def test_frames_that_are_too_few_change_no_sum(method):
    models, frames = make_models(), make_frames(1)
    graph = compile_transcript(WORDS, LEXICON, models)
    step, sums = PhoneExpectation(models), PhoneExpectation(models).no_statistics()
    arguments = (graph, frames, sums) if method == "baum_welch" else (graph, frames)
    with pytest.raises(NoPathError, match="at least 3 frames, found 1"):
        getattr(step, method)(*arguments)
    assert sums.gaussians.n_frames == 0
    assert not sums.gaussians.moments.any()


def hard_utterance():
    """The unit that fits at first lasts for two frames only; the one that lasts is far behind."""
    once = Topology.from_arcs(1, [(-1, 0, 1.0), (0, 1, 1.0)])
    models = PhoneModels.flat(
        {"A": Topology.left_right(1), "X": once}, mean=np.zeros(1), variance=np.ones(1)
    )
    bank = MixtureBank.from_parameters([0, 1, 2], np.ones(2), [[0.0], [6.0]], np.ones((2, 1)))
    edges = [UnitEdge(0, 1, "X"), UnitEdge(1, 2, "X"), UnitEdge(0, 2, "A")]
    models = models.with_parameters(bank=bank)
    frames = np.array([[6.0], [6.0], [0.0], [0.0]], np.float32)
    return models, compile_units(edges, models), frames


def test_a_beam_that_loses_all_is_tried_again_wider():
    models, graph, frames = hard_utterance()
    whole = PhoneExpectation(models).align(graph, frames)
    with pytest.raises(NoPathError, match="beam of 2 lost") as caught:
        PhoneExpectation(models, TrainingSchedule(beam=1.0, retry_beam=2.0)).align(graph, frames)
    assert caught.value.reason == "beam"
    with pytest.raises(NoPathError, match="beam of 2 lost"):
        PhoneExpectation(models, TrainingSchedule(beam=1.0, retry_beam=2.0)).baum_welch(
            graph, frames, PhoneExpectation(models).no_statistics()
        )
    for options in ({"beam": 1.0}, {"beam": 1.0, "retry_beam": 500.0}, {"beam": 500.0}):
        path = PhoneExpectation(models, TrainingSchedule(**options)).align(graph, frames)
        np.testing.assert_array_equal(path.pdfs, whole.pdfs)
        one, other = (
            PhoneExpectation(models).no_statistics(),
            PhoneExpectation(models).no_statistics(),
        )
        PhoneExpectation(models).baum_welch(graph, frames, one)
        PhoneExpectation(models, TrainingSchedule(**options)).baum_welch(graph, frames, other)
        assert one.gaussians.log_likelihood == pytest.approx(
            other.gaussians.log_likelihood, rel=1e-12
        )


def test_a_narrow_beam_changes_the_sum():
    models, frames = make_models(), make_frames(8)
    graph = compile_transcript(WORDS, LEXICON, models)
    sums = {}
    for beam in (None, 1e3, 0.3):
        sums[beam] = PhoneExpectation(models).no_statistics()
        PhoneExpectation(models, TrainingSchedule(beam=beam)).baum_welch(graph, frames, sums[beam])
    assert sums[1e3].gaussians.log_likelihood == sums[None].gaussians.log_likelihood
    assert sums[0.3].gaussians.log_likelihood < sums[None].gaussians.log_likelihood


def names_of(path, models):
    places = {}
    for unit, topology in zip(models.units, models.topologies, strict=True):
        for state in range(topology.n_states):
            places[oracle.pdf_of(models, unit, state)] = f"{unit}{state}"
    return [places[pdf] for pdf in path.pdfs.tolist()]


def test_equal_shares_of_the_first_pronunciation_with_silence_at_the_ends():
    models = make_models()
    graph = compile_transcript(["ab", "a"], LEXICON, models)
    path = equal_path(graph, 20)
    assert names_of(path, models) == [
        name
        for name in ("SIL0", "SIL1", "SIL2", "A0", "B0", "B1", "A0", "SIL0", "SIL1", "SIL2")
        for _ in range(2)
    ]
    assert path.transitions.size == 0
    names = names_of(equal_path(graph, 33), models)
    shares = [len(list(group)) for _, group in itertools.groupby(names)]
    assert sum(shares) == 33
    assert set(shares) == {3, 4}


def test_equal_shares_without_silence_leave_pauses_out():
    models = make_models()
    graph = compile_transcript(["a", "ab"], LEXICON, models, silence=None, short_pause="sp")
    assert (
        names_of(equal_path(graph, 8), models) == ["A0"] * 2 + ["A0"] * 2 + ["B0"] * 2 + ["B1"] * 2
    )


def test_equal_shares_of_units_without_words():
    """Whoever compiles units themselves, a word's own models for instance, names no word."""
    models = make_models()
    edges = [UnitEdge(0, 1, "A"), UnitEdge(1, 2, "B"), UnitEdge(2, 3, "A")]
    path = equal_path(compile_units(edges, models), 8)
    assert names_of(path, models) == ["A0"] * 2 + ["B0"] * 2 + ["B1"] * 2 + ["A0"] * 2


def test_equal_shares_where_some_states_get_no_frame():
    models = make_models()
    graph = compile_transcript(["ab", "a"], LEXICON, models)
    path = equal_path(graph, 5)
    assert len(path.pdfs) == 5
    with pytest.raises(NoPathError, match="needs at least 3 frames, found 2"):
        equal_path(graph, 2)


def test_a_known_path_may_be_any():
    models, frames = make_models(), make_frames(3)
    step, sums = PhoneExpectation(models), PhoneExpectation(models).no_statistics()
    step.add_aligned(AlignedPath(np.array([2, 0, 2], np.int32), np.array([1, 1, 4])), frames, sums)
    assert sums.transitions.tolist()[:6] == [0, 2, 0, 0, 1, 0]
