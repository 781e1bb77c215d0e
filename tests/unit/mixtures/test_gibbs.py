"""The whole sampler: exact posteriors by enumeration, known clusters, odd data, reproducibility."""

import numpy as np
import pytest
from oracles import gibbs as oracle
from scipy import integrate
from scipy.special import gammaln, logsumexp
from scipy.stats import gamma

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures.diagonal import DiagonalMixture
from speakergmm.mixtures.full import FullMixture
from speakergmm.mixtures.gibbs import (
    GammaPrior,
    GibbsSweep,
    NormalInverseWishart,
    sample_dirichlet_process,
)
from speakergmm.mixtures.gibbs_chain import Chain, draw_concentration, initial_labels
from speakergmm.mixtures.gibbs_partitions import name_by_appearance
from speakergmm.mixtures.gibbs_state import CompiledPartition


def plain(prior):
    return prior.mean, prior.mean_precision, prior.degrees_of_freedom, prior.scale


def three_clusters(n_frames=150, seed=0):
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(3), n_frames // 3)
    centres = np.array([[-6.0, 0.0], [0.0, 6.0], [6.0, -3.0]])
    return centres[true] + rng.normal(0, 0.7, (len(true), 2)), true


def same_partition(first, second):
    return np.array_equal(name_by_appearance(first), name_by_appearance(second))


# Exactness


@pytest.mark.parametrize(
    ("covariance_type", "n_frames", "n_features", "concentration"),
    [("full", 5, 2, 1.0), ("full", 6, 1, 0.5), ("diag", 5, 3, 2.0), ("diag", 6, 2, 1.0)],
)
def test_long_run_frequencies_are_the_posterior_by_enumeration(
    covariance_type, n_frames, n_features, concentration
):
    rng = np.random.default_rng(0)
    # Feature units far from standard ones: the posterior must not notice the standardisation.
    X = 1e3 + 50 * rng.normal(0, 1.5, (n_frames, n_features))
    root = 50 * rng.standard_normal((n_features, n_features + 2))
    scale = root @ root.T if covariance_type == "full" else (root**2).sum(axis=1)
    prior = NormalInverseWishart(np.full(n_features, 990.0), 0.2, n_features + 2.5, scale)
    posterior = oracle.exact_posterior(X, plain(prior), concentration)
    samples = sample_dirichlet_process(
        X,
        covariance_type=covariance_type,
        concentration=concentration,
        prior=prior,
        n_sweeps=6000,
        burn_in=0,
        n_chains=2,
        n_kept=6000,
        init="single",
    )
    drawn = [tuple(name_by_appearance(p).tolist()) for p in samples.labels.reshape(-1, n_frames)]
    number = {labels: i for i, labels in enumerate(posterior)}
    visits = np.array([number[labels] for labels in drawn])
    checked = 0
    for labels, probability in posterior.items():
        indicator = visits == number[labels]
        if probability < 0.01:
            continue
        checked += 1
        n_effective = oracle.effective_draws(indicator)
        assert n_effective > 500
        error = np.sqrt(probability * (1 - probability) / n_effective)
        assert abs(indicator.mean() - probability) < 4 * error, (labels, probability)
    assert checked > 5
    # Of the number of clusters; the Monte-Carlo error is below 0.01 for each.
    found = samples.n_clusters_posterior()
    assert abs(sum(found.values()) - 1) < 1e-12
    for k in range(1, n_frames + 1):
        expected = sum(p for labels, p in posterior.items() if max(labels) + 1 == k)
        assert abs(found.get(k, 0.0) - expected) < 0.025


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
@pytest.mark.parametrize("concentration", [0.7, (2.0, 1.5)])
def test_trace_of_the_log_probability_is_the_joint_one_in_feature_units(
    covariance_type, concentration
):
    X = np.random.default_rng(1).normal(100, 7, (6, 2))
    samples = sample_dirichlet_process(
        X,
        covariance_type=covariance_type,
        concentration=concentration,
        n_sweeps=12,
        burn_in=2,
        n_chains=2,
    )
    np.testing.assert_array_equal(samples.kept_sweeps, np.arange(2, 12))
    for chain in range(2):
        for sweep, labels in zip(samples.kept_sweeps, samples.labels[chain], strict=True):
            value = samples.concentration[chain, sweep]
            expected = oracle.log_joint(labels, X, plain(samples.prior), value)
            if isinstance(concentration, tuple):
                shape, rate = concentration
                expected += gamma.logpdf(value, shape, scale=1 / rate)
            np.testing.assert_allclose(samples.log_probability[chain, sweep], expected, rtol=1e-11)
    best = samples.log_probability[:, 2:].max()
    if not isinstance(concentration, tuple):
        joint = oracle.log_joint(samples.partition("map"), X, plain(samples.prior), 0.7)
        np.testing.assert_allclose(joint, best, rtol=1e-11)


@pytest.mark.parametrize(("n_clusters", "n_frames"), [(1, 4), (3, 10), (12, 200)])
@pytest.mark.parametrize("prior", [GammaPrior(1.0, 1.0), GammaPrior(0.5, 0.1), GammaPrior(8, 2)])
def test_concentration_is_drawn_from_its_posterior(n_clusters, n_frames, prior):
    def log_density(value):
        return (
            gamma.logpdf(value, prior.shape, scale=1 / prior.rate)
            + n_clusters * np.log(value)
            + gammaln(value)
            - gammaln(value + n_frames)
        )

    grid = np.geomspace(1e-8, 500, 20001)
    weights = np.exp(log_density(grid) - log_density(grid).max()) * grid
    weights /= weights.sum()
    mean = weights @ np.log(grid)
    deviation = np.sqrt(weights @ (np.log(grid) - mean) ** 2)
    rng = np.random.default_rng(0)
    value, draws = 1.0, []
    for _ in range(4000):
        value = draw_concentration(value, n_clusters, n_frames, prior, rng)
        draws.append(np.log(value))
    batches = np.array(draws).reshape(20, 200).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(20)
    assert error < 0.1 * deviation
    assert abs(np.mean(draws) - mean) < 4 * error
    assert abs(np.std(draws) / deviation - 1) < 0.15


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_getting_it_right(covariance_type):
    # Geweke (2004): sweeps that alternate with new frames drawn for the partition must leave the
    # prior of partitions and concentrations as it is.
    n_frames, n_features = 4, 2
    scale = np.array([[2.0, 0.5], [0.5, 1.0]]) if covariance_type == "full" else [2.0, 1.0]
    prior = NormalInverseWishart([0.5, 0.0], 0.5, 5.0, scale)
    concentration_prior = GammaPrior(3.0, 2.0)
    rng = np.random.default_rng(0)
    labels = np.zeros(n_frames, dtype=np.int64)
    X = rng.standard_normal((n_frames, n_features))
    value = 1.0
    n_clusters, concentrations = [], []
    for _ in range(4000):
        partition = CompiledPartition(X, prior, labels)
        chain = Chain(partition, rng, value, concentration_prior, keep=(), burn_in=0)
        chain.advance(1)
        labels, value = partition.labels.copy(), chain.concentration
        n_clusters.append(partition.n_clusters)
        concentrations.append(value)
        X = draw_frames(labels, prior, rng)
    grid = np.linspace(1e-3, 12, 4000)
    weights = np.exp([concentration_prior.log_density(a) for a in grid])
    weights /= weights.sum()
    for k in range(1, n_frames + 1):
        by_partition = [
            [oracle.log_chinese_restaurant(p, a) for a in grid[::40]]
            for p in oracle.set_partitions(n_frames)
            if max(p) + 1 == k
        ]
        expected = weights[::40] @ np.exp(by_partition).sum(axis=0) / weights[::40].sum()
        indicator = np.array(n_clusters) == k
        n_effective = oracle.effective_draws(indicator)
        assert n_effective > 200
        error = np.sqrt(expected * (1 - expected) / n_effective)
        assert abs(indicator.mean() - expected) < 4 * error, k
    batches = np.array(concentrations).reshape(20, 200).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(20)
    assert abs(np.mean(concentrations) - concentration_prior.mean) < 4 * error


def draw_frames(labels, prior, rng):
    """Draw frames for a partition, from parameters drawn from the prior, one after the other."""
    X = np.empty((len(labels), prior.n_features))
    for k in range(labels.max() + 1):
        members = np.flatnonzero(labels == k)
        freedom = prior.degrees_of_freedom
        if prior.scale.ndim == 2:
            # Inverse-Wishart as the inverse of the scatter of `freedom` normal vectors.
            root = np.linalg.cholesky(np.linalg.inv(prior.scale))
            normals = rng.standard_normal((int(freedom), prior.n_features)) @ root.T
            covariance = np.linalg.inv(normals.T @ normals)
        else:
            covariance = np.diag(prior.scale / rng.chisquare(freedom, prior.n_features))
        factor = np.linalg.cholesky(covariance)
        spread = rng.standard_normal(prior.n_features) / np.sqrt(prior.mean_precision)
        mean = prior.mean + factor @ spread
        X[members] = mean + rng.standard_normal((len(members), prior.n_features)) @ factor.T
    return X


# Clusters


@pytest.mark.parametrize("init", ["single", "singletons", "random", "sequential", 20, 1])
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_three_clusters_are_found_from_any_start(covariance_type, init):
    X, true = three_clusters()
    samples = sample_dirichlet_process(
        X, covariance_type=covariance_type, n_sweeps=300, n_chains=2, init=init
    )
    posterior = samples.n_clusters_posterior()
    assert max(posterior, key=posterior.get) == 3
    assert same_partition(samples.partition(), true)
    assert same_partition(samples.partition("map"), true)


def test_chains_of_three_clusters_agree_and_co_clustering_shows_them():
    pytest.importorskip("arviz")
    X, true = three_clusters()
    samples = sample_dirichlet_process(X, n_sweeps=400)
    assert set(samples.r_hat()) == {"n_clusters", "log_probability", "concentration"}
    assert max(samples.r_hat().values()) < 1.05
    assert min(samples.effective_sample_size().values()) > 100
    together = samples.coclustering()
    same = true[:, None] == true
    assert together[same].mean() > 0.95
    assert together[~same].max() < 0.01


def test_fixed_concentration_has_no_trace_to_judge():
    pytest.importorskip("arviz")
    X, _ = three_clusters(30)
    samples = sample_dirichlet_process(X, concentration=1.0, n_sweeps=40, n_chains=2)
    assert set(samples.r_hat()) == {"n_clusters", "log_probability"}


def test_larger_concentration_gives_more_clusters():
    X = np.random.default_rng(2).standard_normal((100, 2))
    numbers = [
        sample_dirichlet_process(X, concentration=value, n_sweeps=100, n_chains=2)
        .n_clusters[:, 50:]
        .mean()
        for value in (0.1, 1.0, 10.0)
    ]
    assert numbers[0] + 0.5 < numbers[1] < numbers[2] - 0.5


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_mixture_of_a_partition_has_posterior_mean_parameters(covariance_type):
    X, true = three_clusters(30)
    X = X * [1.0, 100.0] + [0.0, 1e4]
    samples = sample_dirichlet_process(X, covariance_type=covariance_type, n_sweeps=40, n_chains=1)
    mixture = samples.to_mixture(true)
    assert isinstance(mixture, FullMixture if covariance_type == "full" else DiagonalMixture)
    np.testing.assert_allclose(mixture.weights, [1 / 3] * 3)
    for k in range(3):
        posterior = plain(samples.prior)
        for x in X[true == k]:
            posterior = oracle.absorb(x, *posterior)
        mean, _, freedom, scale = posterior
        np.testing.assert_allclose(mixture.means[k], mean, rtol=1e-12)
        excess = freedom - (2 if covariance_type == "full" else 1) - 1
        np.testing.assert_allclose(mixture.covariances[k], scale / excess, rtol=1e-10)
    np.testing.assert_array_equal(
        samples.to_mixture().means, samples.to_mixture(samples.partition()).means
    )


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_predictive_density_averages_over_partitions(covariance_type):
    X = np.random.default_rng(3).normal(50, 10, (8, 2))
    samples = sample_dirichlet_process(
        X, covariance_type=covariance_type, concentration=(1.0, 1.0), n_sweeps=12, n_chains=2
    )
    new = np.array([[50.0, 50.0], [20.0, 90.0], [1e3, -1e3]])
    terms = []
    for chain in range(2):
        for sweep, labels in zip(samples.kept_sweeps, samples.labels[chain], strict=True):
            value = samples.concentration[chain, sweep]
            for k in range(labels.max() + 1):
                posterior = plain(samples.prior)
                for x in X[labels == k]:
                    posterior = oracle.absorb(x, *posterior)
                weight = np.log(np.count_nonzero(labels == k) / (8 + value))
                terms.append([weight + oracle.log_predictive(x, *posterior) for x in new])
            prior = plain(samples.prior)
            weight = np.log(value / (8 + value))
            terms.append([weight + oracle.log_predictive(x, *prior) for x in new])
    n_partitions = 2 * len(samples.kept_sweeps)
    expected = logsumexp(terms, axis=0) - np.log(n_partitions)
    np.testing.assert_allclose(samples.log_predictive(new), expected, rtol=1e-10)


def test_predictive_density_integrates_to_one():
    X, _ = three_clusters(30)
    samples = sample_dirichlet_process(X[:, :1] * 1e-3, n_sweeps=20, n_chains=1)
    # A tangent maps the whole line to a bounded interval.
    angles = np.linspace(-np.pi / 2, np.pi / 2, 40003)[1:-1]
    x = 1e-2 * np.tan(angles)
    density = np.exp(samples.log_predictive(x[:, None])) * 1e-2 / np.cos(angles) ** 2
    assert abs(integrate.simpson(density, x=angles) - 1) < 1e-6


# Starts


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


# Reproducibility, events, interruption


def test_same_seed_gives_the_same_chains_for_any_number_of_jobs():
    X, _ = three_clusters(60)
    runs = [
        sample_dirichlet_process(X, n_sweeps=30, n_chains=3, seed=5, n_jobs=n, concentration=(1, 1))
        for n in (1, 2, -1)
    ]
    for run in runs[1:]:
        for name in ("n_clusters", "concentration", "log_probability", "labels", "best_labels"):
            np.testing.assert_array_equal(getattr(run, name), getattr(runs[0], name))
    other = sample_dirichlet_process(X, n_sweeps=30, n_chains=3, seed=6, concentration=(1, 1))
    assert not np.array_equal(other.log_probability, runs[0].log_probability)
    assert not np.array_equal(runs[0].log_probability[0], runs[0].log_probability[1])


def test_plain_sampler_gives_the_same_samples():
    X, _ = three_clusters(24)
    options = {"n_sweeps": 6, "n_chains": 2, "init": 4, "concentration": (1.0, 1.0)}
    fast = sample_dirichlet_process(X, **options)
    slow = sample_dirichlet_process(X, compiled=False, **options)
    np.testing.assert_array_equal(fast.labels, slow.labels)
    np.testing.assert_array_equal(fast.concentration, slow.concentration)
    np.testing.assert_allclose(fast.log_probability, slow.log_probability, rtol=1e-11)


def test_callback_receives_the_traces():
    X, _ = three_clusters(30)
    events = []
    samples = sample_dirichlet_process(
        X, n_sweeps=9, n_chains=2, n_jobs=2, concentration=(1, 1), callback=events.append
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
        sample_dirichlet_process(X, n_sweeps=9, n_jobs=2, callback=interrupt)


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


# Odd data


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
        ({"concentration": 0.0}, "concentration must be > 0, found 0"),
        ({"concentration": (1.0, -1.0)}, "shape and rate"),
        ({"concentration": (1.0,)}, r"pair \(shape, rate\)"),
        ({"n_sweeps": 0}, "n_sweeps must be >= 1, found 0"),
        ({"burn_in": 500}, "burn_in must be >= 0 and below the 500 sweeps, found 500"),
        ({"n_chains": 0}, "n_chains must be >= 1"),
        ({"n_kept": 0}, "n_kept must be >= 1"),
        ({"init": "kmeans"}, "init must be one of single, .* found 'kmeans'"),
        ({"init": 0}, "one cluster or more, found 0"),
        ({"covariance_type": "tied"}, "'full' or 'diag', found 'tied'"),
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
    with pytest.raises(InvalidInputError, match="'least_squares' or 'map', found 'best'"):
        samples.partition("best")
    with pytest.raises(InvalidInputError, match="one integer for each of the 30 frames"):
        samples.to_mixture(true[:5])
    with pytest.raises(InvalidInputError, match=r"numbered 0\.\.K-1, none empty"):
        samples.to_mixture(true + 1)
    with pytest.raises(InvalidInputError, match="must have 2 features, found 3"):
        samples.log_predictive(np.zeros((4, 3)))
