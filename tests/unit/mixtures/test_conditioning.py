import subprocess
import sys

import numpy as np
import pytest
from oracles import density_uses as oracle
from scipy.integrate import quad

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import make_mixture
from speakergmm.mixtures.operations import (
    ConditionalMixtures,
    condition,
    conditional_mean,
    marginal,
)

KINDS = ["spherical", "diag", "tied", "full"]


@pytest.fixture
def rng():
    return np.random.default_rng(33)


def random_mixture(rng, kind, n_components=4, n_features=5, *, offset=0.0, spread=1.0):
    return make_mixture(
        kind,
        rng.dirichlet(np.full(n_components, 4.0)),
        offset + spread * rng.normal(0.0, 2.0, (n_components, n_features)),
        oracle.random_covariances(rng, kind, n_components, n_features, spread=spread),
    )


def full_parts(mixture):
    shape = mixture.means.shape
    matrices = oracle.full(mixture.covariance_type, mixture.covariances, *shape)
    return mixture.weights, mixture.means, matrices


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [[0], [3, 1], [4, 0, 2], [1, 0, 2, 4, 3]])
def test_marginal_keeps_kind_order_and_density(rng, kind, dims):
    mixture = random_mixture(rng, kind)
    found = marginal(mixture, dims)
    assert found.covariance_type == kind
    assert type(found) is type(mixture)
    weights, means, matrices = full_parts(mixture)
    X = rng.normal(0, 3, (20, len(dims)))
    expected = oracle.log_likelihoods(
        weights, means[:, dims], matrices[:, np.array(dims)[:, None], dims], X
    )
    np.testing.assert_allclose(
        found.log_likelihood(X, precision="float64"), expected, rtol=1e-11, atol=1e-10
    )


@pytest.mark.parametrize("kind", KINDS)
def test_marginal_is_the_integral_over_the_others(rng, kind):
    mixture = random_mixture(rng, kind, 3, 2)
    x = 0.7

    def joint(y):
        return np.exp(mixture.log_likelihood(np.array([[y, x]]), precision="float64")[0])

    expected, _ = quad(joint, -30, 30, limit=300, points=list(mixture.means[:, 0]))
    found = np.exp(marginal(mixture, 1).log_likelihood(np.array([[x]]), precision="float64")[0])
    assert found == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [[0], [3, 1], [4, 0, 2], [2, 0, 4, 1]])
def test_condition_is_that_of_the_naive_formula(rng, kind, dims):
    mixture = random_mixture(rng, kind)
    values = rng.normal(0, 2, len(dims))
    found = condition(mixture, dims, values)
    assert found.covariance_type == kind
    weights, means, matrices = oracle.conditional(*full_parts(mixture), dims, values)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.means, means, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.full_covariances(), matrices, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_joint_density_is_marginal_times_conditional(rng, kind):
    mixture = random_mixture(rng, kind)
    X = rng.normal(0, 3, (15, 5))
    given, rest = [3, 0], [1, 2, 4]
    conditionals = condition(mixture, given, X[:, given])
    product = marginal(mixture, given).log_likelihood(
        X[:, given], precision="float64"
    ) + conditionals.log_likelihood(X[:, rest])
    joint = mixture.log_likelihood(X, precision="float64")
    np.testing.assert_allclose(product, joint, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_matrix_are_its_vectors(rng, kind):
    mixture = random_mixture(rng, kind)
    values = rng.normal(0, 2, (7, 2))
    rows = condition(mixture, [4, 1], values)
    assert isinstance(rows, ConditionalMixtures)
    assert len(rows) == 7
    assert rows.covariances.shape == (4, 3, 3)
    for t, value in enumerate(values):
        one = condition(mixture, [4, 1], value)
        np.testing.assert_allclose(rows.weights[t], one.weights, rtol=1e-11, atol=1e-300)
        np.testing.assert_allclose(rows.means[t], one.means, rtol=1e-12)
        np.testing.assert_allclose(rows.covariances, one.full_covariances(), rtol=1e-12)
        assert rows[t].covariance_type == kind
        np.testing.assert_allclose(rows[t].covariances, one.covariances, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_moments_of_rows_are_those_of_their_mixtures(rng, kind):
    mixture = random_mixture(rng, kind)
    values = rng.normal(0, 2, (6, 2))
    rows = condition(mixture, [0, 3], values)
    for t, value in enumerate(values):
        weights, means, matrices = oracle.conditional(*full_parts(mixture), [0, 3], value)
        mean = sum(w * m for w, m in zip(weights, means, strict=True))
        second = sum(
            w * (s + np.outer(m, m)) for w, m, s in zip(weights, means, matrices, strict=True)
        )
        covariance = second - np.outer(mean, mean)
        np.testing.assert_allclose(rows.mean()[t], mean, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(rows.covariance()[t], covariance, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(rows.variance()[t], np.diag(covariance), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(
        conditional_mean(mixture, [0, 3], values), rows.mean(), rtol=1e-12, atol=1e-12
    )


def test_conditional_mean_over_several_blocks(rng):
    mixture = random_mixture(rng, "full", 64, 9)
    values = rng.normal(0, 2, (3000, 2))  # 64 * 7 numbers a row: more than two blocks
    found = conditional_mean(mixture, [0, 1], values)
    np.testing.assert_allclose(
        found, condition(mixture, [0, 1], values).mean(), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_rows_have_their_moments(rng, kind):
    mixture = random_mixture(rng, kind, 3, 3)
    n = 40_000
    rows = condition(mixture, [1], np.full((n, 1), 0.8))
    draws = rows.sample(np.random.default_rng(0))
    assert draws.shape == (n, 2)
    mean, covariance = rows.mean()[0], rows.covariance()[0]
    error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * error).all()
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert (np.abs(np.cov(draws.T) - covariance) < 0.06 * scale).all()
    again = rows.sample(np.random.default_rng(0))
    np.testing.assert_array_equal(draws, again)


def test_a_component_of_no_weight_is_never_drawn():
    mixture = make_mixture(
        "diag", [0.0, 1.0, 0.0], [[0, -9], [0, 0], [0, 9]], np.full((3, 2), 0.01)
    )
    rows = condition(mixture, [0], np.zeros((2000, 1)))
    assert np.abs(rows.sample(np.random.default_rng(1))).max() < 1.0

    class ExtremeDraws:
        """A generator that gives the ends of the interval that it draws from."""

        def random(self, shape):
            return np.resize([0.0, np.nextafter(1.0, 0.0)], shape)

        def standard_normal(self, shape):
            return np.zeros(shape)

    np.testing.assert_array_equal(rows.sample(ExtremeDraws()), 0.0)
    np.testing.assert_array_equal(rows.weights, np.tile([0.0, 1.0, 0.0], (2000, 1)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("distance", [1e2, 1e4, 1e8])
def test_values_far_away_still_have_a_most_probable_component(rng, kind, distance):
    mixture = random_mixture(rng, kind, 4, 3)
    found = condition(mixture, [0], [distance])
    assert np.isfinite(found.means).all()
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-12)
    # In exact fractions of the exponents: the widest, and of equal ones the nearest, wins.
    weights, means, matrices = full_parts(mixture)
    exponents = -0.5 * (distance - means[:, 0]) ** 2 / matrices[:, 0, 0] + np.log(
        weights / np.sqrt(matrices[:, 0, 0])
    )
    assert found.weights.argmax() == exponents.argmax()


def test_values_beyond_float64_are_refused_in_one_line(rng):
    mixture = random_mixture(rng, "full", 2, 2)
    with pytest.raises(
        InvalidInputError, match=r"within 1e\+100 .* found 1e\+200 at row 1 for fe"
    ) as refused:
        condition(mixture, [1], [[0.0], [1e200]])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("offset", "spread"), [(1e6, 1.0), (0.0, 1e-6), (-1e3, 1e6)])
def test_offsets_and_scales(rng, kind, offset, spread):
    seed = int(rng.integers(2**31))
    plain = random_mixture(np.random.default_rng(seed), kind)
    moved = random_mixture(np.random.default_rng(seed), kind, offset=offset, spread=spread)
    values = rng.normal(0, 2, (9, 2))
    a = condition(plain, [2, 0], values)
    b = condition(moved, [2, 0], offset + spread * values)
    rounding = 1e-9 * max(1.0, abs(offset) / spread)
    np.testing.assert_allclose(b.weights, a.weights, rtol=1e-6, atol=rounding)
    np.testing.assert_allclose((b.mean() - offset) / spread, a.mean(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(b.covariances / spread**2, a.covariances, rtol=1e-8, atol=1e-9)


def test_nearly_singular_covariances_stay_positive(rng):
    # Correlation 1 - 1e-13: the subtraction of the textbook formula ends below zero here or there.
    for seed in range(20):
        local = np.random.default_rng(seed)
        factor = local.normal(size=(4, 2))
        covariance = factor @ factor.T + 1e-13 * np.eye(4)
        mixture = make_mixture("full", [1.0], np.zeros((1, 4)), covariance[None])
        found = condition(mixture, [0, 1], [1.0, -1.0])
        assert (np.linalg.eigvalsh(found.full_covariances()[0]) > 0).all()


def test_dims_from_the_end_and_as_a_number(rng):
    mixture = random_mixture(rng, "full")
    np.testing.assert_array_equal(marginal(mixture, [-1, 0]).means, mixture.means[:, [4, 0]])
    np.testing.assert_array_equal(marginal(mixture, -2).means, mixture.means[:, [3]])
    a, b = condition(mixture, -1, [0.3]), condition(mixture, np.array([4]), [0.3])
    np.testing.assert_array_equal(a.means, b.means)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([], "one or more integers"),
        ([0, 0], "0 more than once"),
        ([1, 2, -3], "2 more than once"),
        ([5], "between -5 and 4 for 5 features, found 5"),
        ([0, -6], "found -6"),
        ([0.5], "one or more integers, found float64"),
        ([True, False, True, False, True], "found bool"),
        ([[0, 1]], "one or more integers"),
    ],
)
def test_dims_that_are_no_features_are_refused(rng, kind, dims, message):
    mixture = random_mixture(rng, kind)
    for refused in (lambda: marginal(mixture, dims), lambda: condition(mixture, dims, [0.0])):
        with pytest.raises(InvalidInputError, match=message) as error:
            refused()
        assert "\n" not in str(error.value)


def test_something_must_remain(rng):
    mixture = random_mixture(rng, "tied", 2, 3)
    with pytest.raises(InvalidInputError, match="leave at least one of the 3 features"):
        condition(mixture, [2, 0, 1], [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (0.5, r"found \(\)"),
        ([0.5], r"\(2,\) or \(T, 2\), found \(1,\)"),
        (np.zeros((4, 3)), r"found \(4, 3\)"),
        (np.zeros((4, 2, 2)), r"found \(4, 2, 2\)"),
        ([[0.0, 1.0], [0.0, np.nan]], "found nan at row 1, column 1"),
        ([0.0, np.inf], "found inf"),
    ],
)
def test_wrong_values_are_refused(rng, values, message):
    with pytest.raises(InvalidInputError, match=message):
        condition(random_mixture(rng, "full"), [0, 1], values)


def test_scores_of_rows_need_as_many_rows(rng):
    rows = condition(random_mixture(rng, "full"), [0], np.zeros((3, 1)))
    with pytest.raises(InvalidInputError, match="each of the 3 conditional mixtures, found 2"):
        rows.log_likelihood(np.zeros((2, 4)))
    with pytest.raises(InvalidInputError, match="4 features, found 3"):
        rows.log_likelihood(np.zeros((3, 3)))


def test_no_rows(rng):
    mixture = random_mixture(rng, "full")
    rows = condition(mixture, [0], np.zeros((0, 1)))
    assert rows.mean().shape == (0, 4)
    assert rows.covariance().shape == (0, 4, 4)
    assert conditional_mean(mixture, [0], np.zeros((0, 1))).shape == (0, 4)


@pytest.mark.slow
def test_importing_is_cheap():
    code = (
        "import sys; from speakergmm.mixtures.operations import conditioning, divergence;"
        "heavy = [m for m in sys.modules if m.split('.')[0] in ('scipy', 'sklearn', 'numba')];"
        "assert not heavy, heavy[:3]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
