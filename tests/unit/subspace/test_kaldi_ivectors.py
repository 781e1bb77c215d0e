"""I-vectors and a training step of Kaldi's programs, from the same statistics and extractors."""

import lzma

import numpy as np
import pytest
from oracles.kaldi_ivectors import (
    read_extractor,
    read_full_mixture,
    read_statistics,
    read_vectors,
    symmetric,
)

from speakergmm.mixtures import FullMixture
from speakergmm.subspace import Factors, TotalVariability, fit_total_variability, mixture_digest


@pytest.fixture(scope="module")
def folder(data_dir):
    found = data_dir / "kaldi_reference" / "ivector"
    if not found.is_dir():
        pytest.skip(f"reference files of Kaldi not found at {found}")
    return found


def extractor_of(mixture, path):
    """The extractor of a file: its means are the first column of the loadings times the offset."""
    loadings, covariances, offset = read_extractor(path)
    n_components, n_features, dimension = loadings.shape
    prior_mean = offset * np.eye(dimension)[0]
    means = np.zeros((n_components, n_features))
    factors = Factors("full", means, covariances, loadings, dimension, None, prior_mean)
    return TotalVariability(mixture_digest(mixture), factors)


@pytest.fixture(scope="module")
def tiny(folder):
    """Mixture, names, statistics and their scatter."""
    mixture = FullMixture(*read_full_mixture(folder / "tiny" / "ubm"))
    features = np.load(folder / "ten_features.npz")
    read = read_statistics(folder / "tiny" / "posteriors.txt.xz", features, 4)
    return mixture, *read


def test_i_vectors_of_ten_utterances(folder):
    mixture = FullMixture(*read_full_mixture(folder / "final.ubm"))
    extractor = extractor_of(mixture, folder / "final.ie")
    expected = read_vectors(folder / "ten_ivectors.txt")
    statistics = np.load(folder / "ten_statistics.npz")
    given = (np.array([statistics[f"{name}.{part}"] for name in expected]) for part in "NF")
    found = extractor.transform(*given)
    known = np.array(list(expected.values()))
    cosines = (found * known).sum(axis=1) / np.prod(
        [np.linalg.norm(each, axis=1) for each in (found, known)], axis=0
    )
    assert cosines.min() >= 0.9999
    np.testing.assert_allclose(found, known, atol=2e-5)


@pytest.mark.parametrize("step", [0, 1])
def test_i_vectors_of_a_tiny_extractor(folder, tiny, step):
    mixture, names, occupancy, first_order, _ = tiny
    extractor = extractor_of(mixture, folder / "tiny" / f"{step}.ie")
    expected = read_vectors(folder / "tiny" / f"ivectors_with_{step}.txt")
    found = extractor.transform(occupancy, first_order)
    np.testing.assert_allclose(found, [expected[name] for name in names], atol=2e-5)


def test_the_sums_of_an_expectation(folder, tiny):
    mixture, _, occupancy, first_order, scatter = tiny
    extractor = extractor_of(mixture, folder / "tiny" / "0.ie")
    means, covariances = extractor.posteriors(occupancy, first_order)
    means = means + extractor.factors.prior_mean
    moments = covariances + means[:, :, None] * means[:, None, :]
    packed = (folder / "tiny" / "accumulators.txt.xz").read_bytes()
    text = lzma.decompress(packed).decode()

    def numbers(name, after):
        part = text[text.index(name) + len(name) : text.index(after)]
        return np.array(part.translate(str.maketrans("[]", "  ")).split(), float)

    np.testing.assert_allclose(occupancy.sum(axis=0), numbers("<gamma>", "<Y>"), rtol=1e-6)
    products = np.einsum("nki,nj->kij", first_order, means)
    np.testing.assert_allclose(
        products, numbers("<Y>", "<R>")[1:].reshape(4, 60, 5), rtol=1e-5, atol=0.01
    )
    found = np.einsum("nk,nij->kij", occupancy, moments)
    for component, row in enumerate(numbers("<R>", "<Q>").reshape(4, -1)):
        np.testing.assert_allclose(found[component], symmetric(row), rtol=1e-5, atol=1e-3)
    for component, row in enumerate(numbers("<S>", "<NumIvectors>")[1:].reshape(4, -1)):
        np.testing.assert_allclose(scatter[component], symmetric(row), rtol=1e-5, atol=0.5)
    np.testing.assert_allclose(
        means.sum(axis=0), numbers("<IvectorSum>", "<IvectorScatter>"), rtol=1e-6, atol=1e-4
    )
    np.testing.assert_allclose(
        moments.sum(axis=0),
        symmetric(numbers("<IvectorScatter>", "</IvectorExtractorStats>")),
        rtol=1e-6,
        atol=1e-3,
    )


def floored_as_kaldi_does(covariances, occupancy):
    """Raise covariances to a tenth of their average, in every direction of its own measure."""
    floor = 0.1 * np.einsum("k,kij->ij", occupancy, covariances) / occupancy.sum()
    root = np.linalg.cholesky(floor)
    raised = []
    for each in covariances:
        measured = np.linalg.solve(root, np.linalg.solve(root, each).T)
        values, vectors = np.linalg.eigh(measured)
        high = root @ vectors * np.sqrt(np.maximum(values, 1.0))
        raised.append(high @ high.T)
    return np.array(raised)


def test_a_step_of_training(folder, tiny):
    mixture, _, occupancy, first_order, scatter = tiny
    result = fit_total_variability(
        mixture,
        occupancy,
        first_order,
        second_order=scatter,
        start=extractor_of(mixture, folder / "tiny" / "0.ie"),
        max_iter=1,
        update_covariances=True,
        variance_floor=0.0,
    )
    found = result.model.factors
    known = extractor_of(mixture, folder / "tiny" / "1.ie")
    # Kaldi read its accumulators with seven digits, of which the variance of the first factor, the
    # difference of 1e5 and its like, keeps three.
    np.testing.assert_allclose(found.prior_mean, known.factors.prior_mean, rtol=2e-3, atol=1e-9)
    own, other = (each.loadings.reshape(240, 5) for each in (found, known.factors))
    own_means, other_means = own @ found.prior_mean, other @ known.factors.prior_mean
    np.testing.assert_allclose(own_means, other_means, rtol=1e-4, atol=1e-4)
    # The other factors may be turned at will, and are turned by nothing but an orthogonal matrix.
    change, *_ = np.linalg.lstsq(own, other, rcond=None)
    np.testing.assert_allclose(own @ change, other, atol=1e-5)
    np.testing.assert_allclose(change[1:, 1:].T @ change[1:, 1:], np.eye(4), atol=1e-5)
    np.testing.assert_allclose(change[0, 1:], 0, atol=1e-4)
    np.testing.assert_allclose(change[1:, 0], 0, atol=1e-4)
    covariances = floored_as_kaldi_does(found.covariances, occupancy.sum(axis=0))
    np.testing.assert_allclose(covariances, known.factors.covariances, rtol=1e-5, atol=1e-3)
