"""How far the objective may fall after a step that adds to variances; what is more is an error."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import speakergmm.mixtures.mixture_training
import speakergmm.mixtures.variational.variational_training
from speakergmm.errors import InvalidInputError
from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture
from speakergmm.gaussians import covariance_kind, frame_moments, moment_rounding
from speakergmm.mixtures import (
    MaximumLikelihoodOptions,
    MixtureStatistics,
    UpdateReport,
    accumulate,
    fit_mixture,
    make_mixture,
    regularisation_slack,
    train_from,
    update_maximum_likelihood,
)
from speakergmm.mixtures.variational import (
    VariationalPrior,
    posterior_from_moments,
    train_variational,
    update_variational,
)
from speakergmm.record_fields import parts

KINDS = ["spherical", "diag", "tied", "full"]
PLAIN = {"variance_floor": 0.0, "min_occupancy": 0.0}


def random_covariances(kind, rng, n_components, n_features):
    roots = rng.normal(size=(n_components, n_features, n_features + 2))
    full = roots @ roots.transpose(0, 2, 1) / n_features
    return {
        "spherical": np.einsum("kdd->k", full) / n_features,
        "diag": np.einsum("kdd->kd", full),
        "tied": full[0],
        "full": full,
    }[kind]


def random_problem(kind, rng):
    n_components, n_features = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    places = rng.normal(0.0, rng.uniform(0.5, 4.0), (n_components, n_features))
    X = places[rng.integers(n_components, size=200)] + rng.normal(size=(200, n_features))
    covariances = random_covariances(kind, rng, n_components, n_features)
    start = make_mixture(kind, rng.dirichlet(np.ones(n_components)), places, covariances)
    return X, start


@pytest.mark.parametrize("kind", KINDS)
def test_slack_is_the_divergence_between_gaussians(kind):
    # Expected log-densities by scipy, of a covariance S under N(0, S) and under N(0, C).
    rng = np.random.default_rng(3)
    weights = np.array([0.2, 0.5, 0.3])
    exact = random_covariances(kind, rng, 3, 4)
    added = np.array([0.3, 0.1, 2.0, 0.5])
    mixture = make_mixture(kind, weights, np.zeros((3, 4)), exact)
    chosen = covariance_kind(kind).regularised(exact, added)
    other = make_mixture(kind, weights, np.zeros((3, 4)), chosen)
    expected = 0.0
    for weight, S, C in zip(
        weights, mixture.full_covariances(), other.full_covariances(), strict=True
    ):
        # 2 D points of covariance S: the mean of a quadratic function over them is exact.
        points = np.sqrt(4) * np.linalg.cholesky(S).T
        points = np.concatenate([points, -points])
        with_s, with_c = (multivariate_normal(np.zeros(4), M).logpdf(points) for M in (S, C))
        expected += weight * (with_s - with_c).mean()
    slack = regularisation_slack(weights, exact, chosen, covariance_type=kind, n_features=4)
    np.testing.assert_allclose(slack, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_fall_is_never_more_than_the_slack(kind):
    rng = np.random.default_rng(5)
    largest_part, n_falls = 0.0, 0
    for _ in range(60):
        X, model = random_problem(kind, rng)
        options = MaximumLikelihoodOptions(**PLAIN, reg_covar=10.0 ** rng.uniform(-1.5, 1.5))
        old = accumulate(model, X, precision="float64")
        for _ in range(3):
            model, report = update_maximum_likelihood(old, model, options=options)
            new = accumulate(model, X, precision="float64")
            fall = (old.log_likelihood - new.log_likelihood) / 200
            assert not report.n_floored
            assert fall <= report.slack + 1e-11
            assert report.allowed_fall == report.slack
            n_falls += fall > 1e-9
            largest_part = max(largest_part, fall / report.slack)
            old = new
    assert n_falls > 10
    # It is no loose bound either.
    assert largest_part > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_one_component_at_its_maximum_loses_all_of_the_slack(kind):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 3))
    covariances = random_covariances(kind, rng, 1, 3)
    start = make_mixture(kind, [1.0], np.zeros((1, 3)), covariances)
    before = accumulate(start, X, precision="float64")
    best, report = update_maximum_likelihood(
        before, start, options=MaximumLikelihoodOptions(**PLAIN)
    )
    assert (report.slack, report.allowed_fall) == (None, 0.0)
    old = accumulate(best, X, precision="float64")
    options = MaximumLikelihoodOptions(**PLAIN, reg_covar=0.7)
    new, report = update_maximum_likelihood(old, best, options=options)
    fall = (old.log_likelihood - accumulate(new, X, precision="float64").log_likelihood) / 100
    np.testing.assert_allclose(fall, report.slack, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_known_of_a_variance_that_is_not_there(kind):
    singular = {
        "spherical": np.array([0.0, 1.0]),
        "diag": np.array([[1.0, 0.0], [1.0, 1.0]]),
        "tied": np.ones((2, 2)),
        "full": np.stack([np.ones((2, 2)), np.eye(2)]),
    }[kind]
    regularised = covariance_kind(kind).regularised(singular, np.ones(2))
    options = {"covariance_type": kind, "n_features": 2}
    both = np.array([0.5, 0.5])
    assert regularisation_slack(both, singular, regularised, **options) == np.inf
    if kind != "tied":
        # Unless it is that of no frame.
        second = regularisation_slack(np.array([0.0, 1.0]), singular, regularised, **options)
        assert 0 < second < np.inf


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_singular_by_a_hair_is_no_error():
    # Rounding makes some of these positive definite to Cholesky, and singular to Gauss.
    rng = np.random.default_rng(0)
    n_definite = 0
    for _ in range(200):
        rows = rng.normal(size=(2, 6))[[0, 1, 0]]
        almost = rows @ rows.T
        try:
            mixture = make_mixture("tied", [1.0], np.zeros((1, 3)), almost)
        except InvalidInputError:
            continue
        n_definite += 1
        assert moment_rounding(mixture.gaussians, mixture.weights) > 0.5
        for kind, covariances in (("tied", almost), ("full", almost[None])):
            slack = regularisation_slack(
                np.ones(1), covariances, covariances, covariance_type=kind, n_features=3
            )
            assert slack >= 0.0
    assert n_definite > 10
    X = np.random.default_rng(0).normal(size=(500, 3))
    X = np.column_stack([X, X[:, 0]]) * 1e6
    for kind in ("tied", "full"):
        for cls in (GaussianMixture, BayesianGaussianMixture):
            fitted = cls(n_components=3, covariance_type=kind, random_state=0, tol=1e-2).fit(X)
            assert fitted.convergence_ != "decreased"


def test_floors_and_revivals_lose_what_no_one_knows():
    assert UpdateReport(is_exact=False, slack=0.5).allowed_fall == 0.5
    assert UpdateReport(is_exact=False).allowed_fall == np.inf
    assert UpdateReport(is_exact=False, slack=0.5, n_floored=1).allowed_fall == np.inf
    assert UpdateReport(is_exact=False, slack=0.5, revived=(1,)).allowed_fall == np.inf
    assert UpdateReport().allowed_fall == 0.0


def clusters():
    rng = np.random.default_rng(8)
    return np.concatenate([rng.normal(mean, 1.0, (200, 2)) for mean in (0.0, 2.0, 4.0)])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_update_is_called_so_by_default(kind, precision, monkeypatch):
    def wrong(statistics, model, **options):
        new, report = update_maximum_likelihood(statistics, model, **options)
        calls.append(new)
        if len(calls) >= 5:
            new = make_mixture(kind, new.weights, new.means + 0.2, new.covariances)
        return new, report

    calls = []
    monkeypatch.setattr(speakergmm.mixtures.mixture_training, "update_maximum_likelihood", wrong)
    estimator = GaussianMixture(
        3, covariance_type=kind, random_state=0, tol=1e-9, precision=precision
    )
    with pytest.warns(UserWarning, match="The bound decreased"):
        estimator.fit(clusters())
    assert (estimator.convergence_, estimator.converged_) == ("decreased", False)
    assert estimator.lower_bounds_[-1] < estimator.lower_bounds_[-2] - 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_bayesian_update_is_called_so_by_default(kind, monkeypatch):
    def wrong(statistics, model, **options):
        new, report = update_variational(statistics, model, **options)
        calls.append(new)
        if len(calls) == 5:
            new = type(new)(**(parts(new) | {"means": new.means + 0.5}))
        return new, report

    calls = []
    monkeypatch.setattr(
        speakergmm.mixtures.variational.variational_training, "update_variational", wrong
    )
    estimator = BayesianGaussianMixture(
        n_components=3, covariance_type=kind, random_state=0, tol=1e-9, max_iter=50
    )
    with pytest.warns(UserWarning, match="The bound decreased"):
        estimator.fit(clusters())
    assert estimator.convergence_ == "decreased"


@pytest.mark.slow
@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bound_never_falls_by_more_than_its_slack(kind, prior_type):
    rng = np.random.default_rng(9)
    n_falls = 0
    for _ in range(15):
        # Clusters of unlike widths: what is added matters to some and not to others.
        n_components, n_features = int(rng.integers(2, 5)), int(rng.integers(1, 5))
        places = rng.normal(0.0, 2.0, (n_components, n_features))
        labels = rng.integers(n_components, size=200)
        widths = 10.0 ** rng.uniform(-1.5, 0.5, n_components)
        X = places[labels] + widths[labels, None] * rng.normal(size=(200, n_features))
        covariances = random_covariances(kind, rng, n_components, n_features)
        prior = VariationalPrior(
            kind,
            concentration=0.1,
            mean=np.zeros(n_features),
            mean_precision=0.5,
            degrees_of_freedom=float(n_features),
            covariance=0.01 * (covariances if kind == "tied" else covariances[0]),
            covariance_prior_type=prior_type,
        )
        counts = np.full(n_components, 200 / n_components)
        start = posterior_from_moments(counts, places, covariances * counts[0], prior=prior)
        result = train_variational(
            X,
            start,
            prior=prior,
            max_iter=12,
            tol=0.0,
            reg_covar=10.0 ** rng.uniform(-2.0, 0.0),
            precision="float64",
        ).em
        falls = -np.diff(result.objectives)
        slack = np.array([iteration.report.slack for iteration in result.history[:-1]])
        assert result.convergence != "decreased"
        assert (falls <= slack + 1e-10).all()
        if kind == "tied":
            assert not slack.any()
        n_falls += np.count_nonzero(falls > 1e-9)
    assert (n_falls > 0) == (kind != "tied")


def test_slack_of_a_bound_is_the_largest_growth_of_the_penalty():
    # Responsibilities that move all frames to the component whose precision is the greatest.
    prior = VariationalPrior(
        "diag",
        concentration=1.0,
        mean=np.zeros(2),
        mean_precision=1.0,
        degrees_of_freedom=2.0,
        covariance=[1.0, 1.0],
    )
    counts, added = np.array([30.0, 10.0]), np.array([0.5, 0.25])
    means = np.array([[0.0, 1.0], [4.0, 2.0]])
    scatter = counts[:, None] * [[2.0, 1.0], [0.1, 0.3]]
    start = posterior_from_moments(counts, means, scatter, prior=prior)
    squares = scatter + counts[:, None] * means**2
    data = MixtureStatistics(counts, counts[:, None] * means, squares, 0.0, 40.0)
    new, report = update_variational(data, start, prior=prior, reg_covar=added)
    traces = [sum(added[d] / new.covariances[k, d] for d in range(2)) for k in range(2)]
    expected = (40 * max(traces) - 30 * traces[0] - 10 * traces[1]) / 2 / 40
    np.testing.assert_allclose(report.slack, expected, rtol=1e-12)
    _, report = update_variational(data, start, prior=prior)
    assert (report.slack, report.allowed_fall) == (None, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["column", "rows", "sum"])
@pytest.mark.parametrize("kind", ["tied", "full"])
def test_rounding_of_frames_in_a_plane_is_no_fall(kind, case):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    X[:300] += 3
    X = {
        "column": np.column_stack([X, X[:, 0]]),
        "rows": np.repeat(X[:30], 20, axis=0),
        "sum": np.column_stack([X, X @ [1.0, 2.0, 3.0]]),
    }[case]
    fitted = BayesianGaussianMixture(
        n_components=4,
        covariance_type=kind,
        reg_covar=0.0,
        precision="float64",
        tol=1e-6,
        max_iter=500,
        random_state=1,
    ).fit(X)
    assert fitted.convergence_ == "converged"


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_grows_with_the_inverse_of_the_smallest_variance(kind):
    # Off by a part eps of the mean squares: 1 of the data, of a variance of 1e-8.
    tiny = {
        "spherical": np.array([1e-8]),
        "diag": np.array([[1.0, 1e-8]]),
        "tied": np.array([[1.0, 1.0 - 1e-8], [1.0 - 1e-8, 1.0]]),
        "full": np.array([[[1.0, 1.0 - 1e-8], [1.0 - 1e-8, 1.0]]]),
    }[kind]
    narrow = make_mixture(kind, [1.0], np.zeros((1, 2)), tiny)
    rounding = moment_rounding(narrow.gaussians, narrow.weights)
    eps = np.finfo(np.float64).eps
    assert 1e8 * eps < rounding < 50e8 * eps
    wide = make_mixture(
        kind, [1.0], np.zeros((1, 2)), random_covariances(kind, np.random.default_rng(1), 1, 2)
    )
    assert moment_rounding(wide.gaussians, wide.weights) < 1e3 * eps


@pytest.mark.parametrize("kind", KINDS)
def test_training_falls_and_goes_on_where_regularisation_explains_it(kind):
    X = clusters()
    moments = frame_moments(X)
    start = GaussianMixture(3, covariance_type=kind, random_state=0, reg_covar=0.0).fit(X).mixture_
    options = MaximumLikelihoodOptions(**PLAIN, reg_covar=2.0)
    result = train_from(
        X, start, tol=0.0, max_iter=30, update=options, moments=moments, precision="float64"
    )
    gains = np.diff(result.objectives)
    assert gains[0] < -0.01
    assert result.convergence != "decreased"


def test_a_start_is_regularised_in_units_of_the_features(rng):
    X = np.concatenate([rng.normal(-1, 0.5, (40, 2)), rng.normal(1, 0.5, (60, 2))])
    options = {"n_components": 2, "init": "splitting", "max_iter": 1}
    plain = fit_mixture(X, reg_covar=0.25, **options).model
    wide = fit_mixture(1024 * X, reg_covar=0.25 * 1024**2, **options).model
    np.testing.assert_allclose(wide.means, 1024 * plain.means, rtol=1e-6)
    np.testing.assert_allclose(wide.variances, 1024**2 * plain.variances, rtol=1e-6)


@pytest.mark.parametrize("wrong", [[1.0, 2.0], [[1.0, 2.0, 3.0]], np.ones((3, 3))])
def test_added_variances_are_one_or_one_per_feature(rng, wrong):
    X = rng.normal(size=(30, 3))
    model = fit_mixture(X, n_components=1).model
    update = MaximumLikelihoodOptions(reg_covar=wrong)
    for call in (
        lambda: fit_mixture(X, n_components=1, update=update),
        lambda: train_from(X, model, update=update),
        lambda: update_maximum_likelihood(accumulate(model, X), model, options=update),
    ):
        with pytest.raises(InvalidInputError, match=r"^reg_covar must be .* each of 3 features"):
            call()
