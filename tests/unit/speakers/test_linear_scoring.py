"""Linear scoring against loops over trials, and against the derivative of the exact ratio."""

import numpy as np
import pytest

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import WeightedFrames
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, accumulate
from speakergmm.speakers import LinearScorer, SpeakerScorer, linear_scores

K, D, M, N = 5, 3, 4, 6


@pytest.fixture
def rng():
    return np.random.default_rng(9)


@pytest.fixture
def background(rng):
    shape = (K, D)
    weights = rng.dirichlet(np.full(K, 4.0))
    return DiagonalMixture(weights, rng.normal(size=shape) + 5, rng.uniform(0.3, 1.5, shape))


@pytest.fixture
def models(rng, background):
    return {
        f"s{m}": DiagonalMixture(
            background.weights,
            background.means + 0.4 * rng.normal(size=(K, D)),
            background.variances,
        )
        for m in range(M)
    }


@pytest.fixture
def tests(rng, background):
    frames = [background.sample(int(n), rng) for n in rng.integers(3, 40, N)]
    return frames, [accumulate(background, each, precision="float64") for each in frames]


def by_loops(background, model, counts, first_order):
    total = 0.0
    for k in range(K):
        for d in range(D):
            offset = model.means[k, d] - background.means[k, d]
            centred = first_order[k][d] - counts[k] * background.means[k, d]
            total += offset / background.variances[k, d] * centred
    return total / sum(counts)


@pytest.mark.parametrize("block", [1, 2 * K * D, 1 << 20])
def test_scores_equal_the_formula(background, models, tests, monkeypatch, block):
    # Blocks are cut small: their size is not public.
    monkeypatch.setattr("speakergmm.speakers.linear_scoring._BLOCK_NUMBERS", block)
    _, statistics = tests
    scorer = LinearScorer(background, models, precision="float64")
    expected = [
        [by_loops(background, model, each.counts, each.first_order) for each in statistics]
        for model in models.values()
    ]
    np.testing.assert_allclose(scorer.score_tests(statistics), expected, rtol=1e-10, atol=1e-12)
    one = [row[2] for row in expected]
    np.testing.assert_allclose(scorer.score(statistics[2]), one, rtol=1e-10, atol=1e-12)
    slopes = np.array([(m.means - background.means) / m.variances for m in models.values()])
    occupancy = np.array([each.counts for each in statistics])
    first_order = np.array([each.first_order for each in statistics])
    found = linear_scores(slopes, occupancy, first_order, background)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_the_score_is_the_derivative_of_the_exact_ratio_at_the_background(
    background, models, tests
):
    step = 1e-5
    frames, statistics = tests
    found = LinearScorer(background, models, precision="float64").score_tests(statistics)

    def exact(length):
        moved = {
            name: DiagonalMixture(
                background.weights,
                background.means + length * (model.means - background.means),
                background.variances,
            )
            for name, model in models.items()
        }
        scorer = SpeakerScorer(background, moved, precision="float64")
        return np.transpose([scorer.score(each, top_c=None) for each in frames])

    slopes = (exact(step) - exact(-step)) / (2 * step)
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-8)
    # It is the first term of the ratio of a model that lies near.
    np.testing.assert_allclose(exact(1e-3), 1e-3 * found, atol=2e-5)
    assert np.abs(found).max() > 0.1


def test_single_precision_is_close(background, models, tests):
    double = LinearScorer(background, models, precision="float64").score_tests(tests[1])
    single = LinearScorer(background, models).score_tests(tests[1])
    np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_frames_score_as_their_statistics_do(rng, background, models, tests, weighted):
    frames = tests[0][0]
    weights = rng.uniform(size=len(frames)).astype(np.float32) if weighted else None
    scorer = LinearScorer(background, models, precision="float64")
    expected = scorer.score(accumulate(background, frames, weights, precision="float64"))

    def block(rows):
        return WeightedFrames(frames[rows], weights[rows] if weighted else None)

    blocks = [block(slice(2)), block(slice(2, 2)), block(slice(2, None))]
    scores, n_frames = scorer.score_blocks(blocks, top_c=3)
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)
    assert n_frames == pytest.approx(weights.sum() if weighted else len(frames), rel=1e-6)
    assert isinstance(n_frames, float if weighted else int)
    if not weighted:
        np.testing.assert_allclose(scorer.score_blocks([frames])[0], scores, rtol=1e-9, atol=1e-12)


def test_statistics_about_other_origins_score_the_same(background, models, tests):
    statistics = tests[1][0]
    moved = MixtureStatistics(
        statistics.counts,
        statistics.first_order - statistics.counts[:, None] * background.means,
        None,
        0.0,
        statistics.n_frames,
        origins=background.means,
    )
    scorer = LinearScorer(background, models, precision="float64")
    np.testing.assert_allclose(scorer.score(moved), scorer.score(statistics), rtol=1e-9, atol=1e-12)


def test_a_subset_scores_as_the_whole_does(background, models, tests):
    scorer = LinearScorer(background, models, precision="float64")
    some = scorer.subset(["s3", "s1"])
    assert isinstance(some, LinearScorer)
    assert some.names == ("s3", "s1")
    assert len(some) == 2
    expected = scorer.score_tests(tests[1])[[3, 1]]
    np.testing.assert_allclose(some.score_tests(tests[1]), expected, rtol=1e-12)
    again = LinearScorer.from_terms(
        background,
        scorer.names,
        *(np.stack(t) for t in zip(*map(scorer.terms, range(M)), strict=True)),
    )
    np.testing.assert_array_equal(again.score_tests(tests[1]), scorer.score_tests(tests[1]))


def test_the_background_scores_zero_and_no_tests_give_no_scores(background, tests):
    scorer = LinearScorer(background, {"nobody": background})
    assert not scorer.score_tests(tests[1]).any()
    assert scorer.score_tests([]).shape == (1, 0)
    assert LinearScorer(background, {}).score_tests(tests[1]).shape == (0, N)


def test_wrong_input_is_refused(rng, background, models, tests):
    scorer = LinearScorer(background, models)
    other = {"ana": DiagonalMixture(background.weights, background.means, 2 * background.variances)}
    with pytest.raises(IncompatibleModelError, match="the variances of the background model"):
        LinearScorer(background, other)
    with pytest.raises(InsufficientDataError, match="occupancy of test 0 is zero"):
        scorer.score(MixtureStatistics.zeros(K, D))
    weightless = WeightedFrames(tests[0][0], np.zeros(len(tests[0][0])))
    for blocks in ([], [tests[0][0][:0]], [weightless]):
        with pytest.raises(InsufficientDataError, match="no frames of speech"):
            scorer.score_blocks(blocks)
    with pytest.raises(IncompatibleModelError, match="2 components and 3 features do not fit"):
        scorer.score(MixtureStatistics.zeros(2, D))
    slopes, counts, first = rng.normal(size=(M, K, D)), np.ones((N, K)), np.ones((N, K, D))
    with pytest.raises(IncompatibleModelError, match=r"\(M, 5, 3\), found \(4, 5, 2\)"):
        linear_scores(slopes[..., :2], counts, first, background)
    with pytest.raises(IncompatibleModelError, match=r"found \(6, 4\) and"):
        linear_scores(slopes, counts[:, 1:], first, background)
    for bad in (-counts, counts * np.nan):
        with pytest.raises(InvalidInputError, match="finite, and occupancies >= 0"):
            linear_scores(slopes, bad, first, background)
