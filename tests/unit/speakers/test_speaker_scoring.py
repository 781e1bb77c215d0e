import tracemalloc

import numpy as np
import oracles.speakers as oracle
import pytest

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import WeightedFrames
from speakergmm.mixtures import DiagonalMixture

# Blocks are cut small, and the logarithms of sums tried at their limits: neither is public.
from speakergmm.speakers import (
    LikelihoodScorer,
    SpeakerScorer,
    speaker_scoring,
    window_averages,
)


def make(rng, *, n_components=7, n_features=3, n_speakers=5, adapted=("means",), offset=0.0):
    shape = (n_components, n_features)
    weights = rng.dirichlet(np.full(n_components, 4.0))
    means = rng.normal(size=shape) * 1.5 + offset
    variances = rng.uniform(0.3, 1.5, shape)
    background = DiagonalMixture(weights, means, variances)
    models = {}
    for number in range(n_speakers):
        models[f"speaker {number}"] = DiagonalMixture(
            rng.dirichlet(np.full(n_components, 4.0)) if "weights" in adapted else weights,
            means + 0.5 * rng.normal(size=shape) if "means" in adapted else means,
            variances * rng.uniform(0.6, 1.6, shape) if "variances" in adapted else variances,
        )
    return background, models


def naive(background, models, frames, top_c=None):
    return np.array(
        [
            [oracle.log_likelihood_ratio(x, model, background, top_c) for model in models.values()]
            for x in frames
        ]
    )


@pytest.fixture
def rng():
    return np.random.default_rng(20)


ADAPTED = [("means",), ("weights",), ("variances",), ("means", "weights", "variances")]


@pytest.mark.parametrize("adapted", ADAPTED, ids="-".join)
@pytest.mark.parametrize("n_speakers", [1, 5])
@pytest.mark.parametrize("top_c", [None, 1, 3, 7, 100])
def test_frame_scores_equal_the_formula(rng, adapted, n_speakers, top_c):
    background, models = make(rng, adapted=adapted, n_speakers=n_speakers)
    frames = background.sample(40, rng)
    scorer = SpeakerScorer(background, models, precision="float64")
    expected = naive(background, models, frames, top_c)
    scores = scorer.frame_scores(frames, top_c=top_c)
    np.testing.assert_allclose(scores, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        scorer.score(frames, top_c=top_c), expected.mean(axis=0), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("adapted", ADAPTED, ids="-".join)
@pytest.mark.parametrize("top_c", [None, 3])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_single_precision_is_close_even_far_from_zero(rng, adapted, top_c, offset):
    background, models = make(rng, adapted=adapted, offset=offset, n_features=20)
    frames = background.sample(300, rng)
    double = SpeakerScorer(background, models, precision="float64")
    single = SpeakerScorer(background, models, precision="float32")
    np.testing.assert_allclose(
        single.frame_scores(frames, top_c=top_c),
        double.frame_scores(frames, top_c=top_c),
        rtol=0,
        atol=2e-4,
    )


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_frames_far_from_every_component_have_finite_right_scores(rng, precision):
    background, models = make(rng)
    frames = np.vstack([background.sample(3, rng), [[80.0, 0.0, 0.0]], [[-300.0, 200.0, 100.0]]])
    scores = SpeakerScorer(background, models, precision=precision).frame_scores(frames, top_c=None)
    tolerance = {"float32": 1e-4, "float64": 1e-9}[precision]
    np.testing.assert_allclose(scores, naive(background, models, frames), rtol=tolerance, atol=1e-4)


@pytest.mark.parametrize("adapted", [("means",), ("means", "weights", "variances")], ids="-".join)
@pytest.mark.parametrize("n_speakers", [1, 5])
@pytest.mark.parametrize("top_c", [None, 3])
@pytest.mark.parametrize(
    ("narrow", "out"),
    [
        ((0, 7, 1e-6), 0),
        ((0, 7, 1e-10), 0),
        ((0, 4, 1e-8), 0),
        ((7, 7, 1), 300),
        ((0, 3, 1e-4), 1e3),
    ],
    ids=["narrow", "very narrow", "some narrow", "outliers", "narrow and outliers"],
)
def test_single_precision_is_safe_on_hard_data(rng, adapted, n_speakers, top_c, narrow, out):
    background, models = make(rng, adapted=adapted, n_speakers=n_speakers)
    first, last, factor = narrow
    scale = np.ones((7, 1))
    scale[first:last] = factor
    # The same distances in deviations, between means that stay where they are.
    means, variances = background.means, background.variances
    models = {
        name: DiagonalMixture(
            m.weights, means + np.sqrt(scale) * (m.means - means), scale * m.variances
        )
        for name, m in models.items()
    }
    background = DiagonalMixture(background.weights, means, scale * variances)
    frames = background.sample(12, rng)
    frames[::4] += out * rng.normal(size=(3, 3))
    scorer = SpeakerScorer(background, models)
    expected = naive(background, models, frames, top_c)
    found = scorer.frame_scores(frames, top_c=top_c)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-4)
    average = scorer.score(WeightedFrames(frames, np.linspace(0, 1, 12)), top_c=top_c)
    np.testing.assert_allclose(
        average, np.average(expected, axis=0, weights=np.linspace(0, 1, 12)), rtol=2e-6, atol=1e-4
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_average_survives_overflow_and_underflow(dtype):
    weights = np.log(np.array([[0.5, 0.5], [1.0, 1e-44], [0.25, 0.75]], dtype=np.float64))
    values = np.array([[[200.0, -5.0]], [[0.0, 95.0]], [[-300.0, -200.0]]])
    expected = np.array(
        [
            [oracle.log_sum([w + v for w, v in zip(weights[t], values[t, 0], strict=True)])]
            for t in range(3)
        ]
    )
    found = speaker_scoring._log_average(weights.astype(dtype), values.astype(dtype))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_log_sum_exp():
    values = np.array([[1000.0, 1000.0], [-1000.0, -1001.0]])
    expected = [oracle.log_sum(row) for row in values]
    np.testing.assert_allclose(speaker_scoring._log_sum_exp(values), expected, rtol=1e-14)


def test_a_speaker_equal_to_the_background_scores_zero(rng):
    background, _ = make(rng)
    frames = background.sample(50, rng)
    scores = SpeakerScorer(background, {"nobody": background}).frame_scores(frames, top_c=None)
    np.testing.assert_allclose(scores, 0.0, rtol=0, atol=1e-6)


def test_components_without_weight_take_no_part(rng):
    background, models = make(rng, n_components=3)
    weights = np.array([0.6, 0.4, 0.0])
    background = DiagonalMixture(weights, background.means, background.variances)
    models = {n: DiagonalMixture(weights, m.means, m.variances) for n, m in models.items()}
    frames = background.sample(20, rng)
    scores = SpeakerScorer(background, models).frame_scores(frames, top_c=None)
    np.testing.assert_allclose(scores, naive(background, models, frames), rtol=1e-4, atol=1e-5)


def test_many_frames_and_speakers_go_through_blocks(rng, monkeypatch):
    background, models = make(rng, n_speakers=9)
    frames = background.sample(100, rng)
    scorer = SpeakerScorer(background, models, precision="float64")
    whole = {top_c: scorer.score(frames, top_c=top_c) for top_c in (None, 2)}
    monkeypatch.setattr(speaker_scoring, "_BLOCK_NUMBERS", 150)
    monkeypatch.setattr("speakergmm.speakers.frame_averages._MOST_FRAMES", 37)
    monkeypatch.setattr(speaker_scoring, "_SHORTLIST_FRAMES", 13)
    monkeypatch.setattr(speaker_scoring, "_FEWEST_SPEAKERS", 4)
    for top_c, expected in whole.items():
        np.testing.assert_allclose(
            scorer.score(frames, top_c=top_c), expected, rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("adapted", [("means",), ("variances",)], ids="-".join)
@pytest.mark.parametrize("top_c", [None, 3])
def test_very_many_speakers_score_as_each_of_them_does_alone(rng, adapted, top_c):
    background, models = make(rng, n_speakers=301, n_components=5, adapted=adapted)
    frames = background.sample(900, rng)
    found = SpeakerScorer(background, models, precision="float64").score(frames, top_c=top_c)
    for place in (0, 1, 150, 299, 300):
        name = f"speaker {place}"
        alone = SpeakerScorer(background, {name: models[name]}, precision="float64")
        expected = alone.score(frames, top_c=top_c)[0]
        np.testing.assert_allclose(found[place], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_the_memory_of_scoring_does_not_grow_with_speakers_and_frames(rng):
    background, models = make(rng, n_speakers=1500, n_components=6)
    scorer = SpeakerScorer(background, models)
    frames = background.sample(10_000, rng).astype(np.float32)
    scorer.score(frames[:100])
    tracemalloc.start()
    scorer.score(frames)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The scores of all frames and speakers would take 120 MB.
    assert peak < 60e6


def test_blocks_are_pooled_by_frames(rng):
    background, models = make(rng)
    frames = background.sample(30, rng)
    scorer = SpeakerScorer(background, models, precision="float64")
    blocks = [frames[:3], frames[3:3], frames[3:]]
    scores, n_frames = scorer.score_blocks(iter(blocks), top_c=3)
    assert n_frames == 30
    np.testing.assert_allclose(scores, scorer.score(frames, top_c=3), rtol=1e-12)


@pytest.mark.parametrize("top_c", [None, 3])
@pytest.mark.parametrize("n_speakers", [1, 5])
def test_scores_are_averages_by_weight(rng, monkeypatch, top_c, n_speakers):
    monkeypatch.setattr(speaker_scoring, "_BLOCK_NUMBERS", 60)
    monkeypatch.setattr("speakergmm.speakers.frame_averages._MOST_FRAMES", 13)
    background, models = make(rng, n_speakers=n_speakers)
    frames = background.sample(40, rng)
    weights = rng.choice([0.0, 0.25, 1.0, 0.7], 40).astype(np.float32)
    scorer = SpeakerScorer(background, models, precision="float64")
    ratios = naive(background, models, frames, top_c)
    expected = sum(w * r for w, r in zip(weights.tolist(), ratios, strict=True))
    expected = expected / sum(weights.tolist())
    blocks = [
        WeightedFrames(frames[:9], weights[:9]),
        WeightedFrames(frames[9:9], weights[9:9]),
        WeightedFrames(frames[9:], weights[9:]),
    ]
    scores, n_frames = scorer.score_blocks(blocks, top_c=top_c)
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-9)
    assert n_frames == pytest.approx(sum(weights.tolist()), rel=1e-12)
    whole = WeightedFrames(frames, weights)
    np.testing.assert_allclose(scorer.score(whole, top_c=top_c), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(
        scorer.frame_scores(whole, top_c=top_c), scorer.frame_scores(frames, top_c=top_c)
    )


def test_frames_without_weights_count_fully(rng):
    background, models = make(rng)
    frames = background.sample(40, rng).astype(np.float32)
    for scorer in (SpeakerScorer(background, models), LikelihoodScorer(models)):
        plain = scorer.score(frames)
        np.testing.assert_array_equal(scorer.score(WeightedFrames(frames, None)), plain)
        np.testing.assert_array_equal(scorer.score([WeightedFrames(frames, None)]), plain)
        ones = np.ones(len(frames), np.float32)
        np.testing.assert_allclose(
            scorer.score(WeightedFrames(frames, ones)), plain, rtol=1e-12, atol=1e-12
        )
        # A block without weights beside one with weights counts fully, too.
        mixed = [frames[:10], WeightedFrames(frames[10:], 0 * ones[10:])]
        np.testing.assert_allclose(scorer.score(mixed), scorer.score(frames[:10]), rtol=1e-12)
    _, n_frames = SpeakerScorer(background, models).score_blocks([WeightedFrames(frames, None)])
    assert n_frames == 40
    assert isinstance(n_frames, int)


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.zeros(4), InsufficientDataError, "the weights of all 4 frames of speech are zero"),
        (np.ones(3), InvalidInputError, r"one entry for each of 4 frames, found shape \(3,\)"),
        (np.array([1, 0, 1.5, 1]), InvalidInputError, "from 0 to 1, found 1.5 at frame 2"),
        (np.array([1, -0.5, 1, 1]), InvalidInputError, "from 0 to 1, found -0.5 at frame 1"),
        (np.array([1, 0, 1, np.nan]), InvalidInputError, "from 0 to 1, found nan at frame 3"),
    ],
)
def test_wrong_weights_are_refused(rng, weights, error, words):
    background, models = make(rng)
    frames = WeightedFrames(np.zeros((4, 3)), weights)
    for scorer in (SpeakerScorer(background, models), LikelihoodScorer(models)):
        with pytest.raises(error, match=words):
            scorer.score(frames)


@pytest.mark.parametrize("top_c", [None, 2])
def test_a_subset_scores_as_the_whole_does(rng, top_c):
    background, models = make(rng, n_speakers=8)
    frames = background.sample(30, rng)
    scorer = SpeakerScorer(background, models, precision="float64")
    some = scorer.subset(["speaker 6", "speaker 1"])
    assert some.names == ("speaker 6", "speaker 1")
    np.testing.assert_allclose(
        some.score(frames, top_c=top_c), scorer.score(frames, top_c=top_c)[[6, 1]], rtol=1e-12
    )


def test_a_scorer_without_speakers_gives_no_scores(rng):
    background, _ = make(rng)
    scorer = SpeakerScorer(background, {})
    assert scorer.frame_scores(background.sample(4, rng)).shape == (4, 0)


def test_long_shortlists_are_found_too(rng):
    background, models = make(rng, n_components=60)
    frames = background.sample(20, rng)
    scorer = SpeakerScorer(background, models, precision="float64")
    np.testing.assert_allclose(
        scorer.frame_scores(frames, top_c=50),
        naive(background, models, frames, 50),
        rtol=1e-9,
        atol=1e-9,
    )


def test_all_components_are_scored_by_default(rng):
    background, models = make(rng)
    frames = background.sample(40, rng)
    expected = oracle.average_ratio(frames, models["speaker 0"], background)
    scorer = SpeakerScorer(background, models, precision="float64")
    for found in (scorer.score(frames)[0], scorer.frame_scores(frames)[:, 0].mean()):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_shortlist_follows_the_background_and_not_the_speaker():
    background = DiagonalMixture([0.5, 0.5], [[0.0], [3.0]], [[1.0], [1.0]])
    moved = DiagonalMixture([0.5, 0.5], [[-9.0], [0.0]], [[1.0], [1.0]])
    scorer = SpeakerScorer(background, {"moved": moved}, precision="float64")
    # Component 0 is the background's best at 0; the speaker's component 1 would explain it.
    np.testing.assert_allclose(scorer.score(np.zeros((1, 1)), top_c=1), [-40.5], rtol=1e-12)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((4, 2)), "must have 3 features, found 2"),
        (np.zeros(3), "shape"),
        (np.array([[0.0, np.nan, 0.0]]), "must be finite.* row 0, column 1"),
    ],
)
def test_wrong_frames_are_refused(rng, frames, words):
    scorer = SpeakerScorer(*make(rng))
    with pytest.raises(InvalidInputError, match=words):
        scorer.frame_scores(frames)


@pytest.mark.parametrize("top_c", [0, -1, True])
def test_wrong_shortlists_are_refused(rng, top_c):
    scorer = SpeakerScorer(*make(rng))
    with pytest.raises(InvalidInputError, match="top_c"):
        scorer.frame_scores(np.zeros((1, 3)), top_c=top_c)


def test_wrong_models_are_refused(rng):
    background, _ = make(rng)
    other, _ = make(rng, n_components=6)
    with pytest.raises(IncompatibleModelError, match="6 components"):
        SpeakerScorer(background, {"ana": other})
    with pytest.raises(InvalidInputError, match="precision"):
        SpeakerScorer(background, {}, precision="float16")


def test_no_frames_are_refused(rng):
    background, models = make(rng)
    with pytest.raises(InsufficientDataError):
        SpeakerScorer(background, models).score(np.zeros((0, 3)))
    with pytest.raises(InsufficientDataError):
        LikelihoodScorer(models).score([])


@pytest.mark.parametrize(("length", "shift"), [(1, 1), (4, 1), (5, 3), (12, 1), (13, 2)])
def test_window_averages(rng, length, shift):
    scores = rng.normal(size=(12, 3))
    found = window_averages(scores, length=length, shift=shift)
    expected = np.array(oracle.window_averages(scores, length, shift)).reshape(-1, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("length", "shift"), [(1, 1), (4, 1), (5, 3), (12, 1), (13, 2)])
@pytest.mark.parametrize("scale", [1.0, 1e-20])
def test_window_averages_by_weight(rng, length, shift, scale):
    scores = rng.normal(size=(12, 3))
    weights = np.array([1.0, 0.3, 0, 0, 0, 0, 0, 0.5, 1.0, 0.01, 1.0, 0.25])
    weights[8:] *= scale
    found = window_averages(scores, length=length, shift=shift, weights=weights)
    rows = [slice(first, first + length) for first in range(0, 12 - length + 1, shift)]
    expected = [
        np.average(scores[row], axis=0, weights=weights[row]) for row in rows if weights[row].any()
    ]
    assert (len(expected) < len(rows)) == (length < 5)
    np.testing.assert_allclose(found, np.reshape(expected, (-1, 3)), rtol=1e-12, atol=1e-14)
    for wrong in (weights[1:], -weights, weights * np.nan):
        with pytest.raises(InvalidInputError, match="weights must be finite and >= 0"):
            window_averages(scores, length=length, shift=shift, weights=wrong)


@pytest.mark.parametrize(
    "arguments", [{"length": 0}, {"length": 2, "shift": 0}], ids=["length", "shift"]
)
def test_wrong_windows_are_refused(arguments):
    with pytest.raises(InvalidInputError):
        window_averages(np.zeros((5, 1)), **arguments)
    with pytest.raises(InvalidInputError):
        window_averages(np.full((5, 1), np.nan), length=2)


@pytest.mark.parametrize("count", [1, 3, 6, 7, 100])
def test_the_best_speakers_are_the_first_of_all_in_order(rng, count):
    names = [f"speaker {number}" for number in rng.permutation(40)]
    scores = rng.choice([-1.0, 0.25, 0.5, 2.0], 40)
    pairs = sorted(zip((-scores).tolist(), names, strict=True))
    expected = tuple((name, -score) for score, name in pairs[:count])
    assert speaker_scoring.best_speakers(names, scores, count) == expected


@pytest.mark.parametrize("n_frames", [1, 2, 300])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_blocks_of_speakers_share_memory_and_no_scores(rng, monkeypatch, n_frames, precision):
    background, models = make(rng, n_speakers=11, adapted=("means", "weights"))
    frames = background.sample(n_frames, rng)
    expected = naive(background, models, frames)
    for numbers in (1, 70, 7 * 4 * 300 * 4):  # the last block is shorter than the others
        monkeypatch.setattr(speaker_scoring, "_BLOCK_NUMBERS", numbers)
        scorer = SpeakerScorer(background, models, precision=precision)
        tolerance = {"float32": 1e-4, "float64": 1e-10}[precision]
        found = scorer.frame_scores(frames)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(scorer.score(frames), expected.mean(0), rtol=0, atol=tolerance)


def test_likelihood_scores_equal_the_formula(rng):
    _, models = make(rng, adapted=("means", "weights", "variances"))
    frames = rng.normal(size=(25, 3))
    expected = [
        np.mean([oracle.log_sum(oracle.log_joint(x, model)) for x in frames])
        for model in models.values()
    ]
    scorer = LikelihoodScorer(models, precision="float64")
    assert scorer.names == tuple(models)
    np.testing.assert_allclose(scorer.score(frames), expected, rtol=1e-10)
    np.testing.assert_allclose(scorer.score([frames[:7], frames[7:]]), expected, rtol=1e-10)
    weights = rng.uniform(size=25).astype(np.float32)
    single = [[oracle.log_sum(oracle.log_joint(x, m)) for x in frames] for m in models.values()]
    expected = [np.dot(weights.astype(float), each) / weights.sum(dtype=float) for each in single]
    blocks = [WeightedFrames(frames[:7], weights[:7]), WeightedFrames(frames[7:], weights[7:])]
    np.testing.assert_allclose(scorer.score(blocks), expected, rtol=1e-10)


def test_likelihood_models_must_agree_in_width(rng):
    models = {"a": make(rng)[0], "b": make(rng, n_features=2)[0]}
    with pytest.raises(IncompatibleModelError):
        LikelihoodScorer(models)
