"""The sampler's starts, reproducibility, events, odd data and refusals."""

import subprocess
import sys

import numpy as np
import pytest
from oracles import gibbs as oracle
from oracles.gibbs_partition import ReferencePartition

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures.gibbs import (
    GibbsSweep,
    NormalInverseWishart,
    initial_labels,
    name_by_appearance,
    sample_dirichlet_process,
)
from speakergmm.run_context import RunContext


def three_clusters(n_frames=150, seed=0):
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(3), n_frames // 3)
    centres = np.array([[-6.0, 0.0], [0.0, 6.0], [6.0, -3.0]])
    return centres[true] + rng.normal(0, 0.7, (len(true), 2)), true


def same_partition(first, second):
    return np.array_equal(name_by_appearance(first), name_by_appearance(second))


def test_starts_are_partitions_without_gaps():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 2))
    np.testing.assert_array_equal(initial_labels(X, "single", 1.0, rng), np.zeros(50))
    np.testing.assert_array_equal(initial_labels(X, "singletons", 1.0, rng), np.arange(50))
    for start in ("random", 7, 1000):
        labels = initial_labels(X, start, 3.0, rng)
        assert set(labels.tolist()) == set(range(labels.max() + 1))
    assert initial_labels(X, 7, 1.0, rng).max() == 6
    assert initial_labels(np.zeros((50, 2)), 7, 1.0, rng).max() == 0
    np.testing.assert_array_equal(np.sort(initial_labels(X, 1000, 1.0, rng)), np.arange(50))


def test_start_by_number_puts_frames_with_the_nearest_of_those_drawn():
    X = np.random.default_rng(0).standard_normal((40, 2))
    labels = initial_labels(X, 5, 1.0, np.random.default_rng(7))
    chosen = X[np.random.default_rng(7).choice(40, size=5, replace=False)]
    nearest = [min(range(5), key=lambda k: np.sum((x - chosen[k]) ** 2)) for x in X]
    assert same_partition(labels, nearest)


def test_random_start_is_drawn_from_the_chinese_restaurant():
    rng = np.random.default_rng(0)
    numbers = np.zeros(6)
    for _ in range(4000):
        numbers[initial_labels(np.zeros((5, 1)), "random", 2.0, rng).max() + 1] += 1
    for k in range(1, 6):
        expected = sum(
            np.exp(oracle.log_chinese_restaurant(p, 2.0))
            for p in oracle.set_partitions(5)
            if max(p) + 1 == k
        )
        error = np.sqrt(expected * (1 - expected) / 4000)
        assert abs(numbers[k] / 4000 - expected) < 4 * error


def test_same_seed_gives_the_same_chains_for_any_number_of_jobs():
    X, _ = three_clusters(60)
    runs = [
        sample_dirichlet_process(X, n_sweeps=30, n_chains=3, seed=5, engine=n, concentration=(1, 1))
        for n in (1, 2, -1)
    ]
    for run in runs[1:]:
        for name in ("n_clusters", "concentration", "log_probability", "labels", "best_labels"):
            np.testing.assert_array_equal(getattr(run, name), getattr(runs[0], name))
    other = sample_dirichlet_process(X, n_sweeps=30, n_chains=3, seed=6, concentration=(1, 1))
    assert not np.array_equal(other.log_probability, runs[0].log_probability)
    assert not np.array_equal(runs[0].log_probability[0], runs[0].log_probability[1])


@pytest.mark.slow
def test_plain_sampler_gives_the_same_samples(monkeypatch):
    X, _ = three_clusters(24)
    options = {"n_sweeps": 6, "n_chains": 2, "init": 4, "concentration": (1.0, 1.0)}
    fast = sample_dirichlet_process(X, **options)
    where = "speakergmm.mixtures.gibbs.chain.PartitionState"
    monkeypatch.setattr(where, ReferencePartition)
    slow = sample_dirichlet_process(X, **options)
    np.testing.assert_array_equal(fast.labels, slow.labels)
    np.testing.assert_array_equal(fast.concentration, slow.concentration)
    np.testing.assert_allclose(fast.log_probability, slow.log_probability, rtol=1e-11)


def test_callback_receives_the_traces():
    X, _ = three_clusters(30)
    events = []
    samples = sample_dirichlet_process(
        X,
        n_sweeps=9,
        n_chains=2,
        engine=2,
        concentration=(1, 1),
        run=RunContext(callback=events.append),
    )
    assert sorted((e.chain, e.sweep) for e in events) == [(c, s) for c in (0, 1) for s in range(9)]
    for event in events:
        where = event.chain, event.sweep
        assert isinstance(event, GibbsSweep)
        assert event.n_clusters == samples.n_clusters[where]
        assert event.concentration == samples.concentration[where]
        assert abs(event.log_probability - samples.log_probability[where]) < 1e-9


def test_what_a_callback_raises_ends_the_sampling():
    X, _ = three_clusters(30)

    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_dirichlet_process(X, n_sweeps=9, engine=2, run=RunContext(callback=interrupt))


def test_kept_partitions_are_spread_over_the_sweeps_after_the_burn_in():
    X, _ = three_clusters(30)
    samples = sample_dirichlet_process(X, n_sweeps=100, burn_in=40, n_chains=2, n_kept=7)
    np.testing.assert_array_equal(samples.kept_sweeps, [40, 50, 60, 70, 79, 89, 99])
    assert samples.labels.shape == (2, 7, 30)
    assert samples.n_clusters.shape == samples.log_probability.shape == (2, 100)
    for chain in range(2):
        for sweep, labels in zip(samples.kept_sweeps, samples.labels[chain], strict=True):
            assert labels.max() + 1 == samples.n_clusters[chain, sweep]
    with pytest.raises(ValueError, match="read-only"):
        samples.labels[0, 0, 0] = 1


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X * 2.0**-20,
        lambda X: X * 1e6,
        lambda X: X + 1e6,
        lambda X: X * [1e-6, 1e6] + [1.0, 1e6],
    ],
    ids=["small", "large", "offset", "scales"],
)
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_units_and_offsets_change_nothing(covariance_type, change):
    X, true = three_clusters(60)
    options = {"covariance_type": covariance_type, "n_sweeps": 60, "n_chains": 2}
    before = sample_dirichlet_process(X, **options)
    after = sample_dirichlet_process(change(X), **options)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert same_partition(after.partition(), true)


def test_float32_far_from_zero_finds_the_clusters():
    X, true = three_clusters(60)
    samples = sample_dirichlet_process((X + 1e4).astype(np.float32), n_sweeps=60, n_chains=2)
    assert same_partition(samples.partition(), true)
    assert samples.to_mixture().covariances.dtype == np.float64


@pytest.mark.parametrize(
    "X",
    [
        np.array([[3.0, 4.0]]),
        np.full((10, 2), 7.5),
        np.column_stack([np.full(30, 1e6), np.random.default_rng(0).standard_normal(30)]),
        np.repeat(np.random.default_rng(0).standard_normal((3, 2)), 10, axis=0),
        np.repeat(np.random.default_rng(0).standard_normal((20, 1)), 4, axis=1),
        np.random.default_rng(0).standard_normal((4, 9)),
        np.concatenate([np.random.default_rng(0).standard_normal((20, 2)), [[1e9, -1e9]]]),
        np.arange(12).reshape(6, 2),
    ],
    ids=["one", "all same", "constant", "duplicates", "same columns", "few", "outlier", "integers"],
)
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_odd_data_give_finite_results(covariance_type, X):
    samples = sample_dirichlet_process(
        X, covariance_type=covariance_type, n_sweeps=20, n_chains=2, concentration=(1, 1)
    )
    assert np.isfinite(samples.log_probability).all()
    assert np.isfinite(samples.concentration).all()
    assert np.isfinite(samples.log_predictive(X)).all()
    mixture = samples.to_mixture()
    assert np.isfinite(mixture.log_likelihood(X, precision="float64")).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concentration": 0.0}, "concentration must be finite and > 0, found 0"),
        (
            {"concentration": (1.0, -1.0)},
            "rate of the concentration's prior must be finite and > 0",
        ),
        ({"concentration": (1.0,)}, r"pair \(shape, rate\)"),
        ({"n_sweeps": 0}, "n_sweeps must be a whole number >= 1, found 0"),
        ({"seed": -1}, "seed must be a whole number >= 0, found -1"),
        ({"burn_in": 500}, "burn_in must be a whole number in 0..499, found 500"),
        ({"n_chains": 0}, "n_chains must be a whole number >= 1"),
        ({"n_kept": 0}, "n_kept must be a whole number >= 1"),
        ({"init": "kmeans"}, "init must be one of single, .* found 'kmeans'"),
        ({"init": 0}, "init must be a whole number >= 1, found 0"),
        ({"covariance_type": "tied"}, "one of full, diag, found 'tied'"),
        ({"prior": NormalInverseWishart([0.0], 1.0, 3.0, [[1.0]])}, "1 features.*expected 2"),
        ({"prior": NormalInverseWishart([0, 0], 1.0, 3.0, [1, 1])}, "'diag' covariances"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        sample_dirichlet_process(np.zeros((5, 2)), **options)


def test_bad_frames_are_refused():
    X = np.zeros((5, 2))
    X[3, 1] = np.nan
    with pytest.raises(InvalidInputError, match="found nan at row 3, column 1"):
        sample_dirichlet_process(X)
    with pytest.raises(InsufficientDataError, match="needs frames, found none"):
        sample_dirichlet_process(np.zeros((0, 2)))


def test_bad_partitions_are_refused():
    X, true = three_clusters(30)
    samples = sample_dirichlet_process(X, n_sweeps=4, n_chains=1)
    with pytest.raises(InvalidInputError, match="one of least_squares, map, found 'best'"):
        samples.partition("best")
    with pytest.raises(InvalidInputError, match="one integer for each of the 30 frames"):
        samples.to_mixture(true[:5])
    with pytest.raises(InvalidInputError, match=r"numbered 0\.\.K-1, none empty"):
        samples.to_mixture(true + 1)
    with pytest.raises(InvalidInputError, match="must have 2 features, found 3"):
        samples.log_predictive(np.zeros((4, 3)))


@pytest.mark.slow
def test_import_is_light():
    # The command line imports mixtures and must start at once.
    code = (
        "import sys, speakergmm.mixtures.gibbs\n"
        "print([m for m in ('numba', 'scipy.special', 'scipy.linalg', 'arviz', 'joblib') "
        "if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
