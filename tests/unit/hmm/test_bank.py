"""Banks of mixtures: densities of all pdfs at once, against each mixture on its own."""

import numpy as np
import pytest
from oracles import hmm_training as oracle
from scipy.special import logsumexp

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import MixtureBank
from speakergmm.hmm.models import BankEvaluator
from speakergmm.mixtures import make_mixture
from speakergmm.records import of_arrays, to_arrays

KINDS = ["spherical", "diag", "full"]
SIZES = [1, 3, 1, 2, 5]
TOLERANCE = {"float32": {"rtol": 2e-5, "atol": 2e-4}, "float64": {"rtol": 1e-10, "atol": 1e-10}}


def covariances_of(rng, kind, n, d):
    if kind == "spherical":
        return rng.uniform(0.3, 2.0, n)
    if kind == "diag":
        return rng.uniform(0.3, 2.0, (n, d))
    factors = rng.normal(size=(n, d, d))
    full = factors @ factors.transpose(0, 2, 1) + np.eye(d)
    return full[0] if kind == "tied" else full


def make_mixtures(kind, *, sizes=SIZES, d=3, seed=0, offset=0.0, scale=1.0):
    rng = np.random.default_rng(seed)
    mixtures = []
    for n in sizes:
        covariances = covariances_of(rng, kind, n, d) * scale**2
        means = rng.normal(0.0, 2.0, (n, d)) * scale + offset
        mixtures.append(make_mixture(kind, rng.dirichlet(np.ones(n)), means, covariances))
    return mixtures


def make_frames(n_frames=40, d=3, seed=1):
    return np.random.default_rng(seed).normal(0.0, 3.0, (n_frames, d))


def each_alone(mixtures, X):
    return np.stack([mixture.log_likelihood(X, precision="float64") for mixture in mixtures], 1)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", [*KINDS, "tied"])
def test_evaluates_as_the_mixtures_alone(kind, precision):
    mixtures, X = make_mixtures(kind), make_frames()
    found = MixtureBank.from_mixtures(mixtures).evaluate(X, precision=precision)
    assert found.log_emissions.dtype == precision
    np.testing.assert_allclose(found.log_emissions, each_alone(mixtures, X), **TOLERANCE[precision])


def test_diagonal_densities_are_those_of_the_formula():
    bank, X = MixtureBank.from_mixtures(make_mixtures("diag")), make_frames()
    found = bank.evaluate(X, precision="float64")
    np.testing.assert_allclose(found.densities, oracle.gaussian_log_densities(bank, X), rtol=1e-10)
    np.testing.assert_allclose(found.log_emissions, oracle.log_emissions(bank, X), rtol=1e-10)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("pdfs", [[3], [4, 0], [2, 1, 3], [0, 2], [1, 1]])
@pytest.mark.parametrize("kind", KINDS)
def test_some_pdfs_are_columns_of_all(kind, pdfs, precision):
    mixtures, X = make_mixtures(kind), make_frames()
    bank = MixtureBank.from_mixtures(mixtures)
    found = bank.evaluate(X, pdfs, precision=precision)
    np.testing.assert_allclose(
        found.log_emissions, each_alone(mixtures, X)[:, pdfs], **TOLERANCE[precision]
    )
    sizes = [SIZES[p] for p in pdfs]
    np.testing.assert_array_equal(np.diff(found.offsets), sizes)
    expected = [g for p in pdfs for g in range(bank.offsets[p], bank.offsets[p + 1])]
    assert found.gaussians.tolist() == expected
    for column, part in enumerate(oracle.parts(found.offsets)):
        total = logsumexp(found.densities[:, part].astype(np.float64), axis=1)
        np.testing.assert_allclose(found.log_emissions[:, column], total, **TOLERANCE[precision])


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_units_of_features_do_not_matter(offset, scale):
    mixtures = make_mixtures("diag", offset=offset, scale=scale)
    X = (make_frames() * scale + offset).astype(np.float64)
    plain = make_mixtures("diag")
    expected = each_alone(plain, (X - offset) / scale) - 3 * np.log(scale)
    found = MixtureBank.from_mixtures(mixtures).evaluate(X)
    np.testing.assert_allclose(found.log_emissions, expected, rtol=1e-4, atol=5e-3)


@pytest.mark.parametrize("distance", [1e3, 1e10, 1e18, 1e25, 1e100])
def test_frames_far_away_have_numbers_for_densities(distance):
    bank = MixtureBank.from_mixtures(make_mixtures("diag"))
    for precision in ("float32", "float64"):
        found = bank.evaluate(np.full((2, 3), distance), precision=precision)
        assert not np.isnan(found.log_emissions).any()
        assert (found.log_emissions < -1e5).all()


def test_a_weight_of_zero_adds_nothing():
    rng = np.random.default_rng(0)
    means, variances = rng.normal(size=(3, 2)), np.ones((3, 2))
    whole = MixtureBank.from_parameters([0, 2, 3], [1.0, 0.0, 1.0], means, variances)
    without = MixtureBank.from_parameters([0, 1, 2], [1.0, 1.0], means[[0, 2]], variances[[0, 2]])
    # The second Gaussian stands right on the frame.
    for precision in ("float32", "float64"):
        np.testing.assert_allclose(
            whole.evaluate(means[[1]], precision=precision).log_emissions,
            without.evaluate(means[[1]], precision=precision).log_emissions,
            rtol=1e-5,
        )


def test_one_evaluator_serves_many_utterances():
    bank = MixtureBank.from_mixtures(make_mixtures("diag"))
    evaluator = BankEvaluator(bank)
    for seed in range(3):
        X = make_frames(seed=seed).astype(np.float32)
        np.testing.assert_array_equal(
            evaluator.evaluate(X, [1, 4]).log_emissions, bank.evaluate(X, [1, 4]).log_emissions
        )


@pytest.mark.parametrize("kind", KINDS)
def test_gives_each_mixture_back(kind):
    mixtures = make_mixtures(kind)
    bank = MixtureBank.from_mixtures(mixtures)
    assert (bank.n_pdfs, bank.n_gaussians, bank.n_features) == (5, 12, 3)
    assert bank.sizes.tolist() == SIZES
    for number, mixture in enumerate(mixtures):
        again = bank.pdf(number)
        np.testing.assert_allclose(again.weights, mixture.weights, rtol=1e-14)
        np.testing.assert_array_equal(again.means, mixture.means)
        np.testing.assert_allclose(again.covariances, mixture.covariances, rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_comes_back_from_a_record(kind):
    bank = MixtureBank.from_mixtures(make_mixtures(kind))
    again = of_arrays(MixtureBank, *to_arrays(bank), kind="bank", source="test")
    for name, array in to_arrays(bank)[0].items():
        np.testing.assert_array_equal(array, to_arrays(again)[0][name])


def test_tied_mixtures_become_full_ones():
    mixtures = make_mixtures("tied")
    bank = MixtureBank.from_mixtures(mixtures)
    assert bank.gaussians.covariance_type == "full"
    with pytest.raises(InvalidInputError, match="tied"):
        MixtureBank(np.array([0, 1]), np.ones(1), make_mixture("tied", [1.0], [[0.0]], [[1.0]]))


def test_refuses_mixtures_that_do_not_belong_together():
    for mixtures in (
        [],
        [*make_mixtures("diag"), *make_mixtures("full")],
        [*make_mixtures("diag", d=2), *make_mixtures("diag", d=3)],
    ):
        with pytest.raises(InvalidInputError, match="of one kind"):
            MixtureBank.from_mixtures(mixtures)


@pytest.mark.parametrize(
    ("offsets", "weights", "message"),
    [
        ([0, 1, 2], [1.0, 1.0, 1.0], "rising from 0"),
        ([1, 2, 3], [1.0, 1.0, 1.0], "rising from 0"),
        ([0, 0, 3], [0.5, 0.25, 0.25], "rising from 0"),
        ([0], [1.0, 1.0, 1.0], "rising from 0"),
        ([0, 2, 1, 3], [1.0, 1.0, 1.0], "rising from 0"),
        ([0, 1, 3], [1.0, 0.5, 0.5001], "sum to 1"),
        ([0, 1, 3], [1.0, 1.5, -0.5], "negative"),
        ([0, 1, 3], [1.0, np.nan, 0.5], "sum to 1"),
    ],
)
def test_refuses_parameters_that_are_no_bank(offsets, weights, message):
    mixture = make_mixture("diag", np.full(3, 1 / 3), np.zeros((3, 1)), np.ones((3, 1)))
    with pytest.raises(InvalidInputError, match=message):
        MixtureBank(np.array(offsets), np.array(weights), mixture)


@pytest.mark.parametrize("pdfs", [[5], [-1], [0, 7], [0.5]])
def test_refuses_pdfs_that_are_not_there(pdfs):
    bank = MixtureBank.from_mixtures(make_mixtures("diag"))
    with pytest.raises(InvalidInputError, match="pdfs"):
        bank.evaluate(make_frames(), pdfs)


@pytest.mark.parametrize("number", [5, -1])
def test_refuses_a_pdf_that_is_not_there(number):
    with pytest.raises(InvalidInputError, match="pdf"):
        MixtureBank.from_mixtures(make_mixtures("diag")).pdf(number)


@pytest.mark.parametrize("X", [np.zeros((3, 2)), np.full((2, 3), np.nan), np.zeros(3)])
def test_refuses_frames_that_are_none(X):
    with pytest.raises(InvalidInputError):
        MixtureBank.from_mixtures(make_mixtures("diag")).evaluate(X)


def test_refuses_an_unknown_precision():
    with pytest.raises(InvalidInputError, match="float16"):
        MixtureBank.from_mixtures(make_mixtures("diag")).evaluate(
            make_frames(), precision="float16"
        )
