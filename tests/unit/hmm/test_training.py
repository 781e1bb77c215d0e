"""Embedded training: exact expectation-maximisation over utterances, growth, bad utterances."""

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians import Standardisation
from speakergmm.hmm import (
    Lexicon,
    MixtureBank,
    PhoneModels,
    Pronunciation,
    Topology,
    TrainingSchedule,
    compile_transcript,
    train_phone_models,
    utterance_moments,
)
from speakergmm.hmm.models import UnitEdge, compile_units
from speakergmm.hmm.training import PhoneExpectation, PhoneTrainer, allot_gaussians
from speakergmm.run_context import RunContext

TOPOLOGIES = {
    "A": Topology.left_right(1),
    "B": Topology.left_right(2),
    "SIL": Topology.silence(3),
}
LEXICON = Lexicon(
    {
        "a": (Pronunciation(("A",)),),
        "ab": (Pronunciation(("A", "B"), 0.7), Pronunciation(("B",), 0.3)),
    }
)
EXACT = {
    "n_gaussians": 1,
    "grow_until": 0,
    "min_occupancy": 0.0,
    "variance_floor": 0.0,
}


def exact(max_iter=1, **options):
    """Expectation-maximisation and nothing else."""
    return TrainingSchedule(max_iter=max_iter, **(EXACT | options))


def make_models(seed=0, sizes=(1, 2), **options):
    return oracle.random_models(
        np.random.default_rng(seed), TOPOLOGIES, sizes=sizes, spread=1.5, **options
    )


def make_utterances(models, n=4, seed=3, lexicon=LEXICON, **silences):
    rng = np.random.default_rng(seed)
    transcripts = [
        [str(word) for word in rng.choice(list(lexicon), size=1 + i % 2)] for i in range(n)
    ]
    frames = [oracle.sample(rng, models, words, lexicon, **silences) for words in transcripts]
    return transcripts, frames


def graphs_of(models, transcripts, lexicon=LEXICON, **options):
    return [compile_transcript(words, lexicon, models, **options) for words in transcripts]


def short_utterances(n=5, n_frames=6, seed=3):
    """Few enough frames to walk all paths."""
    rng = np.random.default_rng(seed)
    transcripts = [["ab"], ["a", "ab"], ["a"], ["ab", "a"], ["a", "a"]][:n]
    return transcripts, [rng.normal(0.0, 1.5, (n_frames - i % 2, 2)) for i in range(n)]


def parameters(models):
    return {
        "weights": models.bank.weights,
        "means": models.bank.gaussians.means,
        "variances": models.bank.gaussians.variances(),
        "transitions": models.transitions.probability,
    }


def assert_same(one, other, **tolerance):
    for name, array in parameters(one).items():
        np.testing.assert_allclose(array, parameters(other)[name], err_msg=name, **tolerance)


def assert_identical(one, other):
    for name, array in parameters(one.models).items():
        assert array.tobytes() == parameters(other.models)[name].tobytes(), name
    np.testing.assert_array_equal(
        [h.log_likelihood for h in one.history], [h.log_likelihood for h in other.history]
    )
    assert one.failed == other.failed
    np.testing.assert_array_equal(one.occupancy, other.occupancy)


def test_an_iteration_is_baum_welch_over_all_paths():
    models = make_models()
    transcripts, frames = short_utterances()
    seen = []
    result = train_phone_models(
        models, graphs_of(models, transcripts), frames, schedule=exact(3),
        run=RunContext(callback=lambda state: seen.append(state.iteration)),
    )  # fmt: skip
    expected, n_frames = models, sum(map(len, frames))
    for iteration in range(3):
        utterances = [(w, LEXICON, X) for w, X in zip(transcripts, frames, strict=True)]
        expected, log_likelihood = oracle.baum_welch(expected, utterances)
        assert result.history[iteration].log_likelihood == pytest.approx(
            log_likelihood / n_frames, abs=1e-4
        )
    assert_same(result.models, expected, rtol=2e-3, atol=2e-4)
    assert seen == [1, 2, 3]
    assert result.occupancy.sum() == pytest.approx(n_frames)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_never_falls(seed):
    models = make_models(seed, sizes=(2, 3))
    transcripts, frames = make_utterances(make_models(seed + 10, sizes=(2,)), n=30, seed=seed)
    result = train_phone_models(models, graphs_of(models, transcripts), frames, schedule=exact(15))
    likelihoods = np.array([h.log_likelihood for h in result.history])
    assert (np.diff(likelihoods) > -1e-6).all()
    assert likelihoods[-1] > likelihoods[0] + 0.01
    assert all(h.n_floored == h.n_removed == h.n_failed == 0 for h in result.history)


def test_the_score_of_best_paths_never_falls():
    """Neither new paths nor new parameters lower the likelihood of Viterbi training."""
    models = make_models(1, sizes=(2,))
    transcripts, frames = make_utterances(make_models(11, sizes=(2,)), n=12)
    result = train_phone_models(
        models, graphs_of(models, transcripts), frames, flat=False,
        schedule=exact(12, algorithm="viterbi", realign=(3, 6, 9)),
    )  # fmt: skip
    scores = np.array([h.log_likelihood for h in result.history])
    assert (np.diff(scores) > -1e-5).all()
    assert scores[-1] > scores[0] + 0.01


def test_viterbi_training_keeps_paths_between_realignments():
    """With paths kept, a single Gaussian a pdf stays where one update has brought it."""
    models = make_models(1, sizes=(1,))
    transcripts, frames = make_utterances(make_models(11, sizes=(1,)), n=8)
    graphs = graphs_of(models, transcripts)
    states = []
    train_phone_models(
        models, graphs, frames, run=RunContext(callback=states.append), flat=False,
        schedule=exact(5, algorithm="viterbi", realign=(3,)),
    )  # fmt: skip
    # Searched for at 0, where none were known, and at 3.
    assert_same(states[0].models, states[2].models, rtol=1e-5, atol=1e-6)
    assert_same(states[3].models, states[4].models, rtol=1e-5, atol=1e-6)
    assert (states[2].models.bank.gaussians.means != states[3].models.bank.gaussians.means).any()
    for one, other in zip(states[0].paths, states[2].paths, strict=True):
        assert one is other


def test_viterbi_training_is_the_update_on_the_best_paths():
    models = make_models()
    transcripts, frames = short_utterances()
    result = train_phone_models(
        models, graphs_of(models, transcripts), frames, flat=False,
        schedule=exact(1, algorithm="viterbi"),
    )  # fmt: skip
    gammas, total = [], 0.0
    transitions = np.zeros(models.transitions.n_arcs)
    for words, X in zip(transcripts, frames, strict=True):
        emissions = oracle.log_emissions(models.bank, X)
        paths = oracle.all_paths(words, LEXICON, models, len(X))
        found = oracle.expectations(paths, emissions, len(transitions))
        np.add.at(transitions, list(found.best.transitions), 1.0)
        certain = np.eye(models.n_pdfs)[list(found.best.pdfs)]
        gammas.append(oracle.gaussian_posteriors(models.bank, X, certain))
        total += found.best_log_prob
    expected = oracle.maximised(models, np.concatenate(frames), np.concatenate(gammas), transitions)
    seen = np.concatenate(gammas).sum(axis=0) > 1.5
    for name in ("means", "weights", "variances"):
        np.testing.assert_allclose(
            parameters(result.models)[name][seen], parameters(expected)[name][seen],
            rtol=2e-3, atol=1e-3,
        )  # fmt: skip
    np.testing.assert_allclose(
        result.models.transitions.probability, expected.transitions.probability, rtol=1e-9
    )
    n_frames = sum(map(len, frames))
    assert result.history[0].log_likelihood == pytest.approx(total / n_frames, rel=1e-5)


def flat_start():
    """Models that are all alike, and what two units with silence around them have said."""
    rng = np.random.default_rng(0)
    topologies = {name: Topology.left_right(2) for name in "AB"} | {"SIL": Topology.silence(3)}
    lexicon = Lexicon.from_dict({"a": "A", "b": "B"})
    means = {"a": [(-3, 0), (3, 1)], "b": [(0, -3), (0, 3)]}
    transcripts, frames = [], []
    for _ in range(12):
        words = [str(word) for word in rng.choice(["a", "b"], 4)]
        places = [(8, 8), *(mean for word in words for mean in means[word]), (8, 8)]
        transcripts.append(words)
        frames.append(np.concatenate([rng.normal(m, 0.3, (rng.integers(4, 8), 2)) for m in places]))
    X = np.concatenate(frames)
    models = PhoneModels.flat(topologies, mean=X.mean(axis=0), variance=X.var(axis=0))
    return models, graphs_of(models, transcripts, lexicon), frames


def test_viterbi_training_sums_first_from_a_flat_start():
    found = {}
    for algorithm in ("baum-welch", "viterbi"):
        states = []
        train_phone_models(
            *flat_start(),
            run=RunContext(callback=states.append),
            schedule=exact(3, algorithm=algorithm),
        )
        found[algorithm] = states
    sums, paths = found["baum-welch"], found["viterbi"]
    assert_same(sums[0].models, paths[0].models, rtol=0, atol=0)
    assert [len(state.paths) for state in paths] == [0, 12, 12]
    assert paths[1].history[1].log_likelihood < sums[1].history[1].log_likelihood


@pytest.mark.parametrize("algorithm", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("start", ["flat", "equal"])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e6, 1e-3), (-1e4, 1e3)])
def test_one_state_one_gaussian_is_the_sample_mean_and_variance(algorithm, start, offset, scale):
    rng = np.random.default_rng(0)
    frames = [rng.normal(offset, scale, (n, 3)) for n in (7, 20, 1, 12)]
    models = PhoneModels.flat(
        {"W": Topology.left_right(1)}, mean=np.full(3, offset), variance=np.full(3, scale**2)
    )
    graph = compile_units([UnitEdge(0, 1, "W")], models)
    result = train_phone_models(
        models, [graph] * 4, frames, schedule=exact(3, algorithm=algorithm, start=start)
    )
    X = np.concatenate(frames)
    gaussians = result.models.bank.gaussians
    np.testing.assert_allclose(gaussians.means[0], X.mean(axis=0), rtol=1e-12, atol=1e-7 * scale)
    np.testing.assert_allclose(gaussians.variances()[0], X.var(axis=0), rtol=2e-6)
    # 40 frames, of which 4 are the last of theirs.
    np.testing.assert_allclose(result.models.transitions.probability, [1.0, 0.9, 0.1], rtol=1e-9)
    density = -0.5 * (np.log(2 * np.pi * X.var(axis=0)) + 1).sum()
    stays = (36 * math.log(0.9) + 4 * math.log(0.1)) / 40
    assert result.history[-1].log_likelihood == pytest.approx(density + stays, abs=1e-5)


def test_words_trained_together_are_words_trained_alone():
    """Utterances of one word each say nothing of other words."""
    topologies = {"X": Topology.left_right(2), "Y": Topology.left_right(3, skips=1)}
    rng = np.random.default_rng(5)
    truth = oracle.random_models(rng, topologies, sizes=(2, 1))
    models = oracle.random_models(rng, topologies, sizes=(2, 1))
    utterances = [
        (unit, oracle.sample_unit(rng, truth, unit)) for unit in ("X", "Y") for _ in range(6)
    ]
    graphs = [compile_units([UnitEdge(0, 1, unit)], models) for unit, _ in utterances]
    frames = [X for _, X in utterances]
    schedule = exact(6)
    standard, variance = standardised(frames)
    together = PhoneTrainer(
        models, graphs, frames, schedule=schedule, standardisation=standard, variance=variance
    ).run()
    for number, unit in enumerate(topologies):
        mine = [i for i, (said, _) in enumerate(utterances) if said == unit]
        alone = PhoneTrainer(
            models, [graphs[i] for i in mine], [frames[i] for i in mine],
            schedule=schedule, standardisation=standard, variance=variance,
        ).run()  # fmt: skip
        arcs = slice(models.transitions.first[number], models.transitions.first[number + 1])
        np.testing.assert_allclose(
            together.models.transitions.probability[arcs],
            alone.models.transitions.probability[arcs],
            rtol=1e-4,
            atol=1e-6,
        )
        for pdf in models.tying.pdfs(number):
            for name in ("weights", "means", "covariances"):
                np.testing.assert_allclose(
                    getattr(together.models.bank.pdf(pdf), name),
                    getattr(alone.models.bank.pdf(pdf), name),
                    rtol=1e-4,
                    atol=1e-6,
                )


def standardised(frames):
    mean, variance, _ = utterance_moments(frames)
    return Standardisation.from_moments(mean, variance), variance


def dense_baum_welch(start, matrix, leave, mixtures, sequences, max_iter):
    """Baum-Welch of one left-right word, by scaled recursions over dense matrices."""
    for _ in range(max_iter):
        n = len(start)
        counts = np.zeros((n, n + 1))
        gammas, entered = [], np.zeros(n)
        for X in sequences:
            b = np.exp(np.stack([m.log_likelihood(X, precision="float64") for m in mixtures], 1))
            alpha = np.zeros_like(b)
            beta = np.zeros_like(b)
            alpha[0] = start * b[0]
            for t in range(1, len(X)):
                alpha[t] = (alpha[t - 1] @ matrix) * b[t]
            beta[-1] = leave
            for t in range(len(X) - 2, -1, -1):
                beta[t] = matrix @ (b[t + 1] * beta[t + 1])
            total = alpha[-1] @ leave
            gamma = alpha * beta / total
            for t in range(len(X) - 1):
                counts[:, :n] += alpha[t][:, None] * matrix * (b[t + 1] * beta[t + 1])[None] / total
            counts[:, n] += gamma[-1]
            entered += gamma[0]
            gammas.append(gamma)
        start = entered / entered.sum()
        rows = counts / counts.sum(axis=1, keepdims=True)
        matrix, leave = rows[:, :n], rows[:, n]
        X, gamma = np.concatenate(sequences), np.concatenate(gammas)
        renewed = []
        for state, mixture in enumerate(mixtures):
            shares = mixture.posteriors(X, precision="float64") * gamma[:, [state]]
            means = shares.T @ X / shares.sum(axis=0)[:, None]
            squares = [
                (s[:, None] * (X - m) ** 2).sum(axis=0)
                for s, m in zip(shares.T, means, strict=True)
            ]
            variances = np.stack(squares) / shares.sum(axis=0)[:, None]
            weights = shares.sum(axis=0) / shares.sum()
            renewed.append(type(mixture)(weights, means, variances))
        mixtures = renewed
    return start, matrix, leave, mixtures


def test_one_word_is_trained_as_its_dense_model():
    rng = np.random.default_rng(6)
    topologies = {"W": Topology.ergodic(3)}
    truth = oracle.random_models(rng, topologies, sizes=(2,))
    models = oracle.random_models(rng, topologies, sizes=(2,))
    frames = [oracle.sample_unit(rng, truth, "W") for _ in range(15)]
    graph = compile_units([UnitEdge(0, 1, "W")], models)
    result = train_phone_models(models, [graph] * 15, frames, schedule=exact(5))
    probability = {arc[:2]: arc[2] for arc in oracle.arcs_of(models, "W")}
    start, matrix, leave, mixtures = dense_baum_welch(
        np.array([probability[-1, j] for j in range(3)]),
        np.array([[probability[i, j] for j in range(3)] for i in range(3)]),
        np.array([probability[i, 3] for i in range(3)]),
        [models.bank.pdf(p) for p in range(3)],
        frames,
        5,
    )
    tolerance = {"rtol": 5e-3, "atol": 1e-4}
    for source, target, value, _ in oracle.arcs_of(result.models, "W"):
        expected = (
            start[target]
            if source < 0
            else leave[source]
            if target == 3
            else matrix[source, target]
        )
        np.testing.assert_allclose(value, expected, **tolerance)
    for pdf, mixture in enumerate(mixtures):
        for name in ("weights", "means", "covariances"):
            np.testing.assert_allclose(
                getattr(result.models.bank.pdf(pdf), name), getattr(mixture, name), **tolerance
            )


@pytest.mark.slow
def test_generating_parameters_are_recovered():
    """From a flat start, to a few standard errors of some hundred frames."""
    topologies = {"A": Topology.left_right(2), "B": Topology.left_right(1)}
    flat = PhoneModels.flat(topologies, mean=np.zeros(2), variance=np.ones(2))
    means = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
    truth = flat.with_parameters(
        transitions=flat.transitions.updated([1, 8, 2, 6, 4, 1, 7, 3]),
        bank=MixtureBank.from_parameters(np.arange(4), np.ones(3), means, np.full((3, 2), 0.5)),
    )
    lexicon = Lexicon.from_dict({"ab": "A B", "ba": "B A", "b": "B"})
    transcripts, frames = make_utterances(truth, n=200, lexicon=lexicon, silence=None)
    graphs = graphs_of(flat, transcripts, lexicon, silence=None)
    mean, variance, _ = utterance_moments(frames)
    start = PhoneModels.flat(topologies, mean=mean, variance=variance)
    found = train_phone_models(start, graphs, frames, schedule=exact(10)).models
    np.testing.assert_allclose(found.bank.gaussians.means, means, atol=0.2)
    np.testing.assert_allclose(found.bank.gaussians.variances(), 0.5, rtol=0.3)
    np.testing.assert_allclose(
        found.transitions.probability, truth.transitions.probability, atol=0.09
    )


@pytest.mark.parametrize("algorithm", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("start", ["flat", "equal"])
def test_jobs_do_not_change_a_bit(algorithm, start):
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=21)
    schedule = TrainingSchedule(
        algorithm=algorithm, start=start, max_iter=6, n_gaussians=12, grow_until=4,
        min_frames_per_gaussian=2.0, min_occupancy=1.0,
    )  # fmt: skip
    graphs = graphs_of(models, transcripts)
    one, three = (
        train_phone_models(models, graphs, frames, schedule=schedule, engine=n) for n in (1, 3)
    )
    assert_identical(one, three)


def test_the_order_of_utterances_does_not_matter():
    models = make_models(sizes=(2,))
    transcripts, frames = make_utterances(make_models(9), n=40)
    graphs = graphs_of(models, transcripts)
    order = np.random.default_rng(0).permutation(40)
    standard, variance = standardised(frames)
    found = [
        PhoneTrainer(
            models, [graphs[i] for i in places], [frames[i] for i in places],
            schedule=exact(4), standardisation=standard, variance=variance,
        ).run()
        for places in (range(40), order)
    ]  # fmt: skip
    assert_same(found[0].models, found[1].models, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("offset", "scale"), [(1e6, 1e-3), (-50.0, 1e4)])
def test_units_of_features_do_not_matter(offset, scale):
    models = make_models(sizes=(2,))
    transcripts, frames = make_utterances(make_models(9), n=12)
    moved = [np.asarray(X) * scale + offset for X in frames]
    frames = [(X - offset) / scale for X in moved]  # as rounding left them
    bank = models.bank
    moved_models = models.with_parameters(
        bank=MixtureBank.from_parameters(
            bank.offsets, bank.weights, bank.gaussians.means * scale + offset,
            bank.gaussians.variances() * scale**2,
        )
    )  # fmt: skip
    graphs, schedule = graphs_of(models, transcripts), exact(5, variance_floor=0.01)
    plain = train_phone_models(models, graphs, frames, schedule=schedule)
    found = train_phone_models(moved_models, graphs, moved, schedule=schedule)
    bank = found.models.bank
    back = found.models.with_parameters(
        bank=MixtureBank.from_parameters(
            bank.offsets, bank.weights, (bank.gaussians.means - offset) / scale,
            bank.gaussians.variances() / scale**2,
        )
    )  # fmt: skip
    assert_same(back, plain.models, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(
        [h.log_likelihood + 2 * math.log(scale) for h in found.history],
        [h.log_likelihood for h in plain.history],
        atol=1e-3,
    )


def test_annealing_sums_scaled_emissions_first():
    models = make_models()
    transcripts, frames = short_utterances()
    graphs, states = graphs_of(models, transcripts), []
    result = train_phone_models(
        models, graphs, frames, run=RunContext(callback=states.append),
        schedule=exact(3, annealing=(0.1, 0.5), algorithm="viterbi"),
    )  # fmt: skip
    total = sum(
        oracle.expectations(
            oracle.all_paths(words, LEXICON, models, len(X)),
            0.1 * oracle.log_emissions(models.bank, X),
            models.transitions.n_arcs,
        ).log_likelihood
        for words, X in zip(transcripts, frames, strict=True)
    )
    n_frames = sum(map(len, frames))
    assert result.history[0].log_likelihood == pytest.approx(total / n_frames, rel=1e-4)
    assert [len(state.paths) for state in states] == [0, 0, 5]


@pytest.mark.slow
def test_mixtures_grow_on_schedule():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=60)
    schedule = TrainingSchedule(
        max_iter=8, n_gaussians=18, grow_until=4, min_frames_per_gaussian=1.0, min_occupancy=0.0
    )
    result = train_phone_models(models, graphs_of(models, transcripts), frames, schedule=schedule)
    # 6 pdfs to begin with, 18 after iteration 4, and none in between that is not linear.
    assert [h.n_gaussians for h in result.history] == [6, 9, 12, 15, 18, 18, 18, 18]
    assert result.models.n_gaussians == 18
    assert result.models.bank.sizes.min() >= 1


def test_the_last_update_is_not_followed_by_growth():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=20)
    schedule = TrainingSchedule(
        max_iter=2, n_gaussians=12, grow_until=0, min_frames_per_gaussian=1.0, min_occupancy=0.0
    )
    result = train_phone_models(models, graphs_of(models, transcripts), frames, schedule=schedule)
    assert [h.n_gaussians for h in result.history] == [12, 12]
    once = TrainingSchedule(**{**schedule.to_dict(), "max_iter": 1})
    result = train_phone_models(models, graphs_of(models, transcripts), frames, schedule=once)
    assert result.models.n_gaussians == 6


def test_seeds_fix_what_grows():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=20)
    graphs = graphs_of(models, transcripts)
    schedule = TrainingSchedule(
        max_iter=4, n_gaussians=12, grow_until=2, min_frames_per_gaussian=1.0
    )
    one, two, other = (
        train_phone_models(models, graphs, frames, schedule=schedule, seed=seed)
        for seed in (1, 1, 2)
    )
    assert_identical(one, two)
    assert (one.models.bank.gaussians.means != other.models.bank.gaussians.means).any()


def test_each_iteration_splits_in_directions_of_its_own():
    """Else halves that growth goes on from would move along one line for ever."""
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=20)
    graphs = graphs_of(models, transcripts)
    standard, variance = standardised(frames)
    grown = []
    for iteration in (0, 0, 1):
        trainer = PhoneTrainer(
            models, graphs, frames, standardisation=standard, variance=variance,
            schedule=exact(3, n_gaussians=12, min_frames_per_gaussian=1.0),
        )  # fmt: skip
        trainer.state = dataclasses.replace(trainer.state, iteration=iteration)
        trainer.step(trainer.state)
        grown.append(trainer.state.models.bank.gaussians.means)
        assert len(grown[-1]) > models.n_gaussians
    np.testing.assert_array_equal(grown[0], grown[1])
    moved = (grown[0] != grown[2]).all(axis=1)
    assert moved.sum() >= len(grown[0]) - models.n_gaussians


def test_floors_and_removals_are_counted():
    models = make_models(sizes=(4,))
    transcripts, frames = make_utterances(make_models(9), n=6)
    schedule = TrainingSchedule(max_iter=3, n_gaussians=1, min_occupancy=5.0, variance_floor=0.5)
    result = train_phone_models(models, graphs_of(models, transcripts), frames, schedule=schedule)
    assert sum(h.n_removed for h in result.history) == 24 - result.models.n_gaussians > 0
    assert result.history[0].n_floored > 0
    _, variance, _ = utterance_moments(frames)
    assert (result.models.bank.gaussians.variances() >= 0.5 * variance * 0.999).all()


def test_transitions_have_their_floor():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=6)
    graphs = graphs_of(models, transcripts)
    free, floored = (
        train_phone_models(models, graphs, frames, schedule=exact(4, transition_floor=floor)).models
        for floor in (0.0, 0.23)
    )
    assert free.transitions.probability.min() < 0.22
    assert floored.transitions.probability.min() >= 0.23 - 1e-12


IDENTITY = Standardisation(np.zeros(2), np.ones(2))


@pytest.mark.parametrize(
    "options",
    [
        {"acoustic_scale": 0.05},
        {"transition_scale": 0.02},
        {"boost_silence": 30.0},
        {"boost_silence": 0.01},
    ],
)
def test_options_of_the_schedule_reach_the_search(options):
    models = make_models()
    transcripts, frames = make_utterances(make_models(9), n=20)
    frames = [X.astype(np.float32) for X in frames]
    graphs = graphs_of(models, transcripts)
    silence = models.tying.pdfs(models.unit_number("SIL"))
    _, variance = standardised(frames)
    trainer = PhoneTrainer(
        models, graphs, frames, schedule=exact(1, algorithm="viterbi", **options),
        standardisation=IDENTITY, variance=variance, silence_pdfs=silence, flat=False,
    )  # fmt: skip
    trainer.step(trainer.state)
    plain = PhoneExpectation(models)
    step = PhoneExpectation(models, TrainingSchedule(**options), silence_pdfs=silence)
    changed = 0
    for graph, X, path in zip(graphs, frames, trainer.state.paths, strict=True):
        np.testing.assert_array_equal(path.pdfs, step.align(graph, X).pdfs)
        changed += (path.pdfs != plain.align(graph, X).pdfs).any()
    assert changed, "else the option was not put to the test"


@pytest.mark.slow
def test_options_of_the_schedule_reach_the_growth():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=60)
    graphs = graphs_of(models, transcripts)
    found = {}
    for power, least in ((0.0, 5.0), (1.0, 5.0), (1.0, 40.0)):
        states = []
        train_phone_models(
            models, graphs, frames, run=RunContext(callback=states.append),
            schedule=exact(2, n_gaussians=20, power=power, perturbation=0.0,
                min_frames_per_gaussian=least),
        )  # fmt: skip
        bank = states[0].models.bank
        wanted = allot_gaussians(
            states[0].occupancy, 20, power=power, min_frames_per_gaussian=least
        )
        assert bank.sizes.tolist() == wanted.tolist()
        found[power, least] = tuple(wanted)
        for pdf in range(bank.n_pdfs):
            means = bank.pdf(pdf).means
            np.testing.assert_array_equal(means, means[[0] * len(means)])
    assert len(set(found.values())) == 3


def test_the_update_after_an_equal_start_is_mild():
    """Kaldi's minimum occupancy of 3, for states that got hardly any frame."""
    models = make_models(sizes=(4,))
    transcripts, frames = make_utterances(make_models(9), n=6)
    removed = {
        (start, occupancy): train_phone_models(
            models, graphs_of(models, transcripts), frames,
            schedule=exact(1, start=start, min_occupancy=occupancy),
        ).history[0].n_removed
        for start in ("equal", "flat") for occupancy in (3.0, 20.0)
    }  # fmt: skip
    assert removed["equal", 3.0] == removed["equal", 20.0] > 0
    assert removed["flat", 3.0] < removed["flat", 20.0]


@pytest.mark.parametrize("algorithm", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("start", ["flat", "equal"])
def test_utterances_too_short_are_told_and_left_out(algorithm, start):
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=10)
    graphs = graphs_of(models, transcripts)
    mixed = [*graphs[:4], compile_transcript(["ab"] * 9, LEXICON, models), *graphs[4:], graphs[0]]
    short = np.zeros((3, 2)), np.zeros((0, 2))
    all_frames = [*frames[:4], short[0], *frames[4:], short[1]]
    # Both see the same coordinates, so that only the sums could differ.
    standard, variance = standardised(frames)
    options = {
        "schedule": exact(3, algorithm=algorithm, start=start, realign=(1, 2)),
        "standardisation": standard, "variance": variance,
    }  # fmt: skip
    without = PhoneTrainer(models, graphs, frames, **options).run()
    found = PhoneTrainer(models, mixed, all_frames, **options).run()
    assert [(f.place, f.reason) for f in found.failed] == [
        (4, found.failed[0].reason), (11, found.failed[1].reason)
    ]  # fmt: skip
    assert "needs at least 18 frames, found 3" in found.failed[0].reason
    assert "frames, found 0" in found.failed[1].reason
    assert [h.n_failed for h in found.history] == [2, 2, 2]
    assert_same(found.models, without.models, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        [h.log_likelihood for h in found.history], [h.log_likelihood for h in without.history]
    )


@pytest.mark.parametrize("algorithm", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("start", ["flat", "equal"])
def test_utterances_too_long_for_memory_are_told_and_left_out(algorithm, start):
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=10)
    graphs = graphs_of(models, transcripts)
    long = compile_transcript(["ab"] * 9, LEXICON, models)
    X = np.random.default_rng(1).normal(size=(200, 2))
    standard, variance = standardised(frames)
    per_cell = 17.0 if algorithm == "baum-welch" else 2.4
    options = {
        "schedule": exact(
            4, algorithm=algorithm, start=start,
            memory_gb=(per_cell * 200 * long.n_states - 1) / 1e9,
        ),
        "standardisation": standard, "variance": variance,
    }  # fmt: skip
    found = PhoneTrainer(models, [*graphs, long], [*frames, X], **options).run()
    assert [f.place for f in found.failed] == [10]
    assert f"200 frames by {long.n_states} states take" in found.failed[0].reason
    assert [h.n_failed for h in found.history] == [int(start == "flat"), 1, 1, 1]
    if start == "flat":
        without = PhoneTrainer(models, graphs, frames, **options).run()
        assert_same(found.models, without.models, rtol=1e-9, atol=1e-12)
    enough = options["schedule"].to_dict() | {"memory_gb": per_cell * 200 * long.n_states / 1e9}
    options["schedule"] = TrainingSchedule(**enough)
    assert PhoneTrainer(models, [*graphs, long], [*frames, X], **options).run().failed == ()


def test_memory_is_what_it_is_limited_by():
    """Of sums and of search, by what Python's allocator saw."""
    models = make_models(sizes=(1,))
    graph = compile_transcript(["ab"] * 60, LEXICON, models)
    X = np.random.default_rng(1).normal(size=(2500, 2)).astype(np.float32)
    step = PhoneExpectation(models)
    cells = len(X) * graph.n_states
    assert cells > 2**20, "else threads keep the memory"
    for run, most in (
        (lambda: step.baum_welch(graph, X, PhoneExpectation(models).no_statistics()), 17.0),
        (lambda: step.align(graph, X), 2.4),
    ):
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0.7 * most < peak / cells < 1.1 * most


def test_utterances_lost_by_the_beam_are_searched_for_again():
    """At the next search, with better models, not in between."""
    once = Topology.from_arcs(1, [(-1, 0, 1.0), (0, 1, 1.0)])
    models = PhoneModels.flat(
        {"A": Topology.left_right(1), "X": once}, mean=np.zeros(1), variance=np.ones(1)
    )
    bank = MixtureBank.from_parameters([0, 1, 2], np.ones(2), [[3.0], [6.0]], np.ones((2, 1)))
    models = models.with_parameters(bank=bank)
    edges = [UnitEdge(0, 1, "X"), UnitEdge(1, 2, "X"), UnitEdge(0, 2, "A")]
    graph = compile_units(edges, models)
    lost, found = np.full((4, 1), 6.0), np.zeros((4, 1))
    options = {"beam": 1.5, "retry_beam": 2.0, "algorithm": "viterbi", "realign": ()}
    result = train_phone_models(models, [graph, graph], [lost, found], schedule=exact(3, **options))
    assert [f.place for f in result.failed] == [0]
    assert "beam" in result.failed[0].reason
    assert [h.n_failed for h in result.history] == [1, 1, 1]
    assert result.occupancy.sum() == pytest.approx(4)
    result = train_phone_models(
        models, [graph, graph], [lost, found], schedule=exact(3, **options | {"retry_beam": 500.0})
    )
    assert result.failed == ()


def test_a_wide_beam_is_no_beam():
    models = make_models()
    transcripts, frames = make_utterances(make_models(9), n=6)
    graphs = graphs_of(models, transcripts)
    whole, wide = (
        train_phone_models(models, graphs, frames, schedule=exact(3, beam=beam))
        for beam in (None, 1e4)
    )
    assert_same(whole.models, wide.models, rtol=1e-9, atol=1e-12)


def test_a_feature_that_never_varies_does_no_harm():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=6)
    frames = [np.column_stack([X, np.full(len(X), 7.0)]) for X in frames]
    start = PhoneModels.flat(TOPOLOGIES, mean=[0.0, 0.0, 7.0], variance=[4.0, 4.0, 1.0])
    result = train_phone_models(
        start, graphs_of(models, transcripts), frames, schedule=exact(4, variance_floor=0.01)
    )
    assert np.isfinite(result.history[-1].log_likelihood)
    np.testing.assert_allclose(result.models.bank.gaussians.means[:, 2], 7.0)
    np.testing.assert_allclose(result.models.bank.gaussians.variances()[:, 2], 1.0)


def test_the_default_schedule_trains():
    models = make_models(sizes=(1,))
    transcripts, frames = make_utterances(make_models(9), n=4)
    result = train_phone_models(models, graphs_of(models, transcripts), frames)
    assert len(result.history) == 40
    assert result.history[-1].log_likelihood > result.history[0].log_likelihood


def test_survey_is_mean_and_variance_of_all_frames():
    rng = np.random.default_rng(0)
    frames = [rng.normal(1e6, 1e-3, (n, 3)) for n in (5, 0, 17, 1)]
    mean, variance, n_frames = utterance_moments(frames)
    X = np.concatenate(frames)
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(variance, X.var(axis=0), rtol=1e-6)
    assert n_frames == 23


def test_refuses_frames_that_are_none():
    models = make_models(sizes=(1,))
    graphs = graphs_of(models, [["a"], ["a"]])
    good = np.zeros((5, 2)) + np.arange(5)[:, None]
    bad = good.copy()
    bad[3, 1] = np.nan
    for frames, message in (
        ([good, bad], "utterance 1: frames must be finite"),
        ([good, np.full((5, 2), np.inf)], "utterance 1: frames must be finite"),
        ([good, np.zeros(5)], "utterance 1: frames must be a real array"),
        ([good, np.zeros((5, 3))], "utterance 1: frames must have 2 features, found 3"),
        ([good], "2 graphs for frames of 1"),
        ([np.zeros((5, 3)), np.ones((5, 3))], "2 features, the frames 3"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            train_phone_models(models, graphs, frames)


def test_refuses_where_there_is_nothing_to_train_on():
    models = make_models(sizes=(1,))
    graph = compile_transcript(["ab"] * 5, LEXICON, models)
    rng = np.random.default_rng(0)
    with pytest.raises(InsufficientDataError, match="frames, found 0"):
        train_phone_models(models, [], [])
    with pytest.raises(InsufficientDataError, match="needs at least 10 frames, found 4"):
        train_phone_models(models, [graph] * 2, [rng.normal(size=(4, 2))] * 2)


def test_refuses_models_that_do_not_fit():
    models = make_models(sizes=(1,))
    frames = [np.random.default_rng(0).normal(size=(9, 2))]
    more = oracle.random_models(
        np.random.default_rng(0), {**TOPOLOGIES, "Z": Topology.left_right(1)}
    )
    other = compile_transcript(["z"], Lexicon.from_dict({"z": "Z"}), more)
    with pytest.raises(InvalidInputError, match="utterance 0 was compiled for other models"):
        train_phone_models(models, [other], frames)
    full = MixtureBank.from_parameters(
        np.arange(7), np.ones(6), np.zeros((6, 2)), np.tile(np.eye(2), (6, 1, 1)),
        covariance_type="full",
    )  # fmt: skip
    graph = compile_transcript(["a"], LEXICON, models)
    with pytest.raises(InvalidInputError, match="pdfs must be diagonal, found 'full'"):
        train_phone_models(models.with_parameters(bank=full), [graph], frames)
    with pytest.raises(InvalidInputError, match="seed"):
        train_phone_models(models, [graph], frames, seed=-1)
