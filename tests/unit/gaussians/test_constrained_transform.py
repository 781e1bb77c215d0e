"""Transforms of a speaker's features against a general optimiser, a known one and Kaldi's."""

import re

import numpy as np
import pytest
from oracles.kaldi_files import text_matrices
from scipy.optimize import check_grad, minimize

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians import (
    ConstrainedStatistics,
    SparsePosteriors,
    estimate_constrained_transform,
)
from speakergmm.mixtures import DiagonalMixture, FullMixture
from speakergmm.recognition.imported import read_kaldi_model

KINDS = ("full", "diagonal", "offset")


@pytest.fixture
def model():
    rng = np.random.default_rng(6)
    return DiagonalMixture(
        [0.2, 0.3, 0.1, 0.4], 3 * rng.normal(size=(4, 3)), rng.uniform(0.3, 1.5, (4, 3))
    )


@pytest.fixture
def spoken(model):
    """Frames of a speaker that an affine map has distorted, their posteriors, and the map."""
    rng = np.random.default_rng(7)
    gaussian = rng.choice(4, 4000, p=model.weights)
    frames = model.means[gaussian] + rng.normal(size=(4000, 3)) * np.sqrt(
        model.covariances[gaussian]
    )
    matrix, offset = np.eye(3) + 0.3 * rng.normal(size=(3, 3)), rng.normal(size=3)
    return frames @ matrix.T + offset, np.eye(4)[gaussian], matrix, offset


def log_likelihood(transform, frames, posteriors, model):
    """Sum over single frames and Gaussians, with the log-determinant; per frame."""
    after = frames @ transform[:, :-1].T + transform[:, -1]
    total = posteriors.sum() * np.linalg.slogdet(transform[:, :-1])[1]
    for g in range(len(model.means)):
        distance = ((after - model.means[g]) ** 2 / model.covariances[g]).sum(axis=1)
        total -= 0.5 * posteriors[:, g] @ distance
    return total / posteriors.sum()


def free(kind, d):
    """Which elements of a transform a kind may change."""
    eye, offset = np.eye(d, d + 1), np.zeros((d, d + 1))
    offset[:, -1] = 1
    full = np.ones((d, d + 1))
    return {"full": full, "diagonal": eye + offset, "offset": offset}[kind] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_is_that_of_a_general_optimiser(model, spoken, kind):
    frames = spoken[0][:80]
    posteriors = 0.9 * spoken[1][:80] + 0.025  # as of a model that is not sure
    statistics = ConstrainedStatistics.of(frames, posteriors, model.gaussians)
    mask = free(kind, 3)

    def transform(flat):
        full = np.eye(3, 4)
        full[mask] = flat
        return full

    def loss(flat):
        return -log_likelihood(transform(flat), frames, posteriors, model)

    def slope(flat):
        w = transform(flat)
        inverse = np.hstack([np.linalg.inv(w[:, :3]).T, np.zeros((3, 1))])
        pulled = np.einsum("iab,ib->ia", statistics.quadratic, w)
        return -(inverse + (statistics.linear - pulled) / statistics.count)[mask]

    start = np.eye(3, 4)[mask]
    best = minimize(loss, start, jac=slope, method="BFGS", options={"gtol": 1e-9})
    found = estimate_constrained_transform(statistics, kind=kind, min_frames=0, tol=0, max_iter=200)
    assert check_grad(loss, slope, start + 0.1) < 1e-5
    np.testing.assert_allclose(found.matrix[mask], best.x, atol=1e-5)
    assert (found.matrix[~mask] == np.eye(3, 4)[~mask]).all()
    assert found.gains[-1] == pytest.approx(loss(start) - best.fun, abs=1e-9)
    assert (np.diff([0.0, *found.gains]) > -1e-12).all()


def test_a_known_distortion_is_recovered(model, spoken):
    frames, posteriors, matrix, offset = spoken
    statistics = ConstrainedStatistics.of(frames, posteriors, model.gaussians)
    found = estimate_constrained_transform(statistics, tol=1e-10, max_iter=200)
    assert found.is_estimated
    # The frames that come back are those that were distorted, but for sampling.
    np.testing.assert_allclose(found.matrix[:, :3] @ matrix, np.eye(3), atol=0.06)
    np.testing.assert_allclose(found.matrix[:, :3] @ offset + found.matrix[:, 3], 0, atol=0.1)
    assert found.log_determinant == pytest.approx(-np.linalg.slogdet(matrix)[1], abs=0.05)


def test_sparse_posteriors_and_parts_give_the_same_statistics(model, spoken):
    frames, posteriors, *_ = spoken
    whole = ConstrainedStatistics.of(frames, posteriors, model.gaussians)
    places, gaussians = np.nonzero(posteriors)
    sparse = SparsePosteriors(places, gaussians, posteriors[places, gaussians], 0.0)
    parts = ConstrainedStatistics.zeros(3)
    for part in (slice(0, 1), slice(1, 4000)):
        parts += ConstrainedStatistics.of(frames[part], posteriors[part], model.gaussians)
    for found in (ConstrainedStatistics.of(frames, sparse, model.gaussians), parts):
        assert found.count == pytest.approx(4000)
        np.testing.assert_allclose(found.linear, whole.linear, rtol=1e-9, atol=1e-8)
        np.testing.assert_allclose(found.quadratic, whole.quadratic, rtol=1e-9, atol=1e-8)
    start = np.eye(3, 4)
    gain = whole.objective(start + 0.1) - whole.objective(start)
    true = [log_likelihood(each, frames, posteriors, model) for each in (start + 0.1, start)]
    assert gain / 4000 == pytest.approx(true[0] - true[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_prior_alone_gives_the_identity_and_holds_short_speakers_near_it(model, spoken, kind):
    frames, posteriors, *_ = spoken
    prior = ConstrainedStatistics.emitted_by(model.gaussians, model.weights, 300)
    none = ConstrainedStatistics.zeros(3)
    alone = estimate_constrained_transform(none, kind=kind, prior=prior, min_frames=0)
    np.testing.assert_allclose(alone.matrix, np.eye(3, 4), atol=1e-12)
    distances = []
    for n in (4, 40, 400, 4000):
        own = ConstrainedStatistics.of(frames[:n], posteriors[:n], model.gaussians)
        found = estimate_constrained_transform(own, kind=kind, prior=prior, min_frames=0)
        distances.append(np.linalg.norm(found.matrix - np.eye(3, 4)))
    assert 0 < distances[0] < 0.2 < distances[-1]
    assert sorted(distances) == distances


def test_the_statistics_of_a_prior_are_those_of_frames_that_the_model_emits(model):
    rng = np.random.default_rng(1)
    gaussian = rng.choice(4, 200_000, p=model.weights)
    noise = rng.normal(size=(200_000, 3))
    frames = model.means[gaussian] + noise * np.sqrt(model.covariances[gaussian])
    drawn = ConstrainedStatistics.of(frames, np.eye(4)[gaussian], model.gaussians)
    found = ConstrainedStatistics.emitted_by(model.gaussians, 7 * model.weights, 200_000)
    for one, other in ((drawn.linear, found.linear), (drawn.quadratic, found.quadratic)):
        assert np.abs(one - other).max() < 0.02 * np.abs(other).max()


def test_a_speaker_of_few_frames_keeps_the_identity_and_says_so(model, spoken):
    frames, posteriors, *_ = spoken
    few = ConstrainedStatistics.of(frames[:499], posteriors[:499], model.gaussians)
    found = estimate_constrained_transform(few)
    assert not found.is_estimated
    assert found.count == 499
    assert found.log_determinant == 0
    np.testing.assert_array_equal(found.matrix, np.eye(3, 4))


def test_what_cannot_be_estimated_is_refused_in_one_line(model, spoken):
    frames, posteriors, *_ = spoken
    line = np.repeat(frames[:, :1], 3, axis=1)
    singular = ConstrainedStatistics.of(line, posteriors, model.gaussians)
    with pytest.raises(InsufficientDataError, match=r"a full transform: .* 2 of 4 directions"):
        estimate_constrained_transform(singular)
    assert estimate_constrained_transform(singular, kind="diagonal").is_estimated
    with pytest.raises(InvalidInputError, match=r"posteriors of shape \(4000, 3\)"):
        ConstrainedStatistics.of(frames, posteriors[:, :3], model.gaussians)
    full = FullMixture([1.0], [[0.0]], [[[1.0]]])
    with pytest.raises(InvalidInputError, match="under diagonal Gaussians, found full"):
        ConstrainedStatistics.of(np.zeros((2, 1)), np.ones((2, 1)), full.gaussians)


@pytest.fixture(scope="module")
def kaldi(data_dir):
    return data_dir / "kaldi_reference"


@pytest.fixture(scope="module")
def speakers(kaldi):
    """Statistics by speaker, with posteriors of the model for alignment and of the final one."""
    final, first = (read_kaldi_model(kaldi / "tri3b" / f"final.{k}") for k in ("mdl", "alimdl"))
    features = np.load(kaldi / "features" / "lda_mllt.npz")
    lines = (kaldi / "cases" / "fmllr" / "pre_ali.txt").read_text().splitlines()
    transitions = final.transitions
    found = {"one": {}, "two": {}}
    for name, *ids in map(str.split, lines):
        numbers = np.array(ids, int) - 1
        states = transitions.states[np.searchsorted(transitions.first, numbers, "right") - 1]
        X, pdfs = features[name].astype(float), transitions.pdf_of_transition[numbers]
        spoken = np.flatnonzero(states[:, 0] != 1)  # SIL
        for kind, model in (("one", final), ("two", first)):
            sparse = SparsePosteriors(*posteriors(X, pdfs, spoken, model.bank), 0.0)
            own = ConstrainedStatistics.of(X, sparse, final.bank.gaussians)
            speaker = name.split("-")[0]
            before = found[kind].get(speaker, ConstrainedStatistics.zeros(40))
            found[kind][speaker] = before + own
    return found


def posteriors(X, pdfs, places, bank):
    """Frame, Gaussian and share of each Gaussian of the pdfs of some frames."""
    frames, gaussians, shares = [], [], []
    for t in places:
        own = np.arange(bank.offsets[pdfs[t]], bank.offsets[pdfs[t] + 1])
        means, variances = bank.gaussians.means[own], bank.gaussians.covariances[own]
        distances = ((X[t] - means) ** 2 / variances + np.log(variances)).sum(axis=1)
        logs = np.log(bank.weights[own]) - 0.5 * distances
        share = np.exp(logs - np.logaddexp.reduce(logs))
        frames += [t] * len(own)
        gaussians += own.tolist()
        shares += share.tolist()
    return np.array(frames), np.array(gaussians), np.array(shares)


def logged(kaldi, kind):
    """Gain per frame and frames of each speaker, as the programs of the four kinds wrote them."""
    text = (kaldi / "cases" / "fmllr" / "log_restricted.txt").read_text()
    pattern = r"For speaker (\d+), auxf-impr from fMLLR is (\S+), over (\d+) frames"
    found = re.findall(pattern, text)
    runs = [found[n : n + 6] for n in range(0, len(found), 6)]
    return runs[("two", "one", "diagonal", "offset").index(kind)]


@pytest.mark.parametrize(
    ("name", "kind", "posteriors"),
    [
        ("two_models", "full", "two"),
        ("one_model", "full", "one"),
        ("one_model_diag", "diagonal", "one"),
        ("one_model_offset", "offset", "one"),
    ],
)
def test_transforms_and_gains_are_those_of_kaldi(kaldi, speakers, name, kind, posteriors):
    true = text_matrices(kaldi / "cases" / "fmllr" / f"trans_{name}.txt")
    lines = logged(kaldi, posteriors if kind == "full" else kind)
    assert len(lines) == len(true) == 6
    for speaker, gain, count in lines:
        statistics = speakers[posteriors][speaker]
        found = estimate_constrained_transform(statistics, kind=kind, tol=0)
        assert found.count == pytest.approx(int(count), abs=1e-6)
        assert found.is_estimated == (speaker != "3259")
        if found.is_estimated:
            assert found.gains[-1] == pytest.approx(float(gain), rel=2e-5)
        np.testing.assert_allclose(found.matrix, true[speaker], atol=2e-3, rtol=2e-3)


def test_a_diagonal_transform_mirrors_no_feature(model, spoken):
    frames, posteriors, *_ = spoken
    mirrored = ConstrainedStatistics.of(-frames, posteriors, model.gaussians)
    found = estimate_constrained_transform(mirrored, kind="diagonal")
    assert (found.matrix.diagonal() > 0).all()
