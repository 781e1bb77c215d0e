from itertools import combinations

import numpy as np
import pytest
from oracles import mixtures as oracle
from oracles.arrays import arrays_of

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import (
    DiagonalMixture,
    MixtureStatistics,
    UpdateReport,
    accumulate,
    adapt,
    adapt_means,
    adapt_weights,
)

NAMES = ("means", "weights", "variances")
EVERY_CHOICE = [choice for size in range(4) for choice in combinations(NAMES, size)]


@pytest.fixture
def speaker(mixture, rng):
    return accumulate(mixture, rng.normal(0.5, 1.5, (60, 4)), precision="float64")


@pytest.mark.parametrize("parameters", EVERY_CHOICE)
@pytest.mark.parametrize("relevance_factor", [0.5, 16.0, 400.0])
def test_adaptation_is_the_paper_s(mixture, speaker, parameters, relevance_factor):
    expected = oracle.adapt(
        mixture.weights,
        mixture.means,
        mixture.variances,
        speaker.counts,
        speaker.first_order,
        speaker.second_order,
        relevance_factor=relevance_factor,
        parameters=parameters,
    )
    found, report = adapt(
        speaker, mixture, relevance_factor=relevance_factor, parameters=parameters
    )
    for array, value in zip(arrays_of(found).values(), expected, strict=True):
        np.testing.assert_allclose(array, value, rtol=1e-11, atol=1e-12)
    assert report == UpdateReport()


def test_equations_11_to_13_by_hand():
    # alpha = 16 / (16 + 16) = 1/2 and 4 / 20 = 1/5.
    prior = DiagonalMixture([0.5, 0.5], [[2.0], [-1.0]], [[1.0], [1.0]])
    data = MixtureStatistics([16.0, 4.0], [[64.0], [-4.0]], [[272.0], [6.0]], 0.0, 20.0)
    model, _ = adapt(data, prior, parameters=("weights", "means", "variances"))
    # Means: (4 + 2) / 2 = 3 and -1. Variances: 17/2 + (1 + 4)/2 - 9 = 2 and
    # 1.5/5 + 4/5 (1 + 1) - 1 = 0.9. Weights: (0.8 + 0.5)/2 = 0.65 and 0.2/5 + 0.5 4/5 = 0.44.
    np.testing.assert_allclose(model.means, [[3.0], [-1.0]], rtol=1e-14)
    np.testing.assert_allclose(model.variances, [[2.0], [0.9]], rtol=1e-13)
    np.testing.assert_allclose(model.weights, [0.65 / 1.09, 0.44 / 1.09], rtol=1e-14)


def test_means_are_the_default(mixture, speaker):
    model, _ = adapt(speaker, mixture)
    np.testing.assert_array_equal(model.weights, mixture.weights)
    np.testing.assert_array_equal(model.variances, mixture.variances)
    expected = oracle.adapt(
        mixture.weights,
        mixture.means,
        mixture.variances,
        speaker.counts,
        speaker.first_order,
        speaker.second_order,
        relevance_factor=16.0,
        parameters=("means",),
    )[1]
    np.testing.assert_allclose(model.means, expected, rtol=1e-12)


def test_without_data_the_background_remains(mixture):
    model, _ = adapt(MixtureStatistics.zeros(6, 4), mixture, parameters=NAMES)
    for name, value in arrays_of(mixture).items():
        np.testing.assert_allclose(arrays_of(model)[name], value, rtol=1e-15)
    exact, _ = adapt(MixtureStatistics.zeros(6, 4, second_order=False), mixture)
    np.testing.assert_allclose(exact.means, mixture.means, rtol=1e-15)


def test_with_much_data_the_data_decide(mixture, frames):
    from speakergmm.mixtures import update_maximum_likelihood

    data = accumulate(mixture, frames, precision="float64")
    expected, _ = update_maximum_likelihood(data, mixture)
    model, _ = adapt(data.scale(1e9), mixture, parameters=NAMES)
    for name, value in arrays_of(expected).items():
        np.testing.assert_allclose(arrays_of(model)[name], value, rtol=1e-6)


def test_an_offset_costs_the_variances_no_digits(mixture, speaker):
    offset = 1e5
    moved = DiagonalMixture(mixture.weights, mixture.means + offset, mixture.variances)
    n = speaker.counts[:, None]
    data = MixtureStatistics(
        speaker.counts,
        speaker.first_order + offset * n,
        speaker.second_order + 2 * offset * speaker.first_order + offset**2 * n,
        0.0,
        speaker.n_frames,
    )
    expected, _ = adapt(speaker, mixture, parameters=NAMES)
    found, _ = adapt(data, moved, parameters=NAMES)
    np.testing.assert_allclose(found.variances, expected.variances, rtol=1e-4)
    np.testing.assert_allclose(found.means - offset, expected.means, atol=1e-9)


def test_narrow_data_are_floored_and_counted():
    prior = DiagonalMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    data = MixtureStatistics([1e6], [[0.0, 0.0]], [[0.0, 1e6]], 0.0, 1e6)
    model, report = adapt(data, prior, parameters=("variances",), variance_floor=0.01)
    np.testing.assert_allclose(model.variances, [[0.01, 1.0]], rtol=1e-12)
    assert report == UpdateReport(n_floored=1)


def test_the_parts_can_be_had_alone(mixture, speaker):
    model, _ = adapt(speaker, mixture, relevance_factor=7.0, parameters=("means", "weights"))
    np.testing.assert_array_equal(
        adapt_means(speaker.counts, speaker.first_order, mixture.means, relevance_factor=7.0),
        model.means,
    )
    np.testing.assert_array_equal(
        adapt_weights(speaker.counts, mixture.weights, relevance_factor=7.0), model.weights
    )


@pytest.mark.parametrize("relevance_factor", [0.0, -1.0, float("nan"), float("inf")])
def test_the_relevance_factor_must_be_positive(mixture, speaker, relevance_factor):
    with pytest.raises(InvalidInputError, match="relevance_factor must be finite and > 0"):
        adapt(speaker, mixture, relevance_factor=relevance_factor)
    with pytest.raises(ValueError, match="relevance_factor"):
        adapt_means([1.0], [[1.0]], [[1.0]], relevance_factor=relevance_factor)


@pytest.mark.parametrize("parameters", ["means", ("mean",), ["weights", "covariances"]])
def test_unknown_parameters_are_refused(mixture, speaker, parameters):
    with pytest.raises(InvalidInputError, match="'means', 'weights', 'variances'"):
        adapt(speaker, mixture, parameters=parameters)


def test_what_does_not_fit_is_refused(mixture, frames):
    with pytest.raises(InvalidInputError, match="do not belong"):
        adapt(MixtureStatistics.zeros(5, 4), mixture)
    with pytest.raises(InvalidInputError, match="second_order=True"):
        adapt(accumulate(mixture, frames, second_order=False), mixture, parameters=["variances"])
    for counts, first, means in (
        ([-1.0], [[1.0]], [[1.0]]),
        ([np.nan], [[1.0]], [[1.0]]),
        ([1.0], [[1.0, 2.0]], [[1.0]]),
        ([1.0, 2.0], [[1.0]], [[1.0]]),
    ):
        with pytest.raises(InvalidInputError):
            adapt_means(counts, first, means)
