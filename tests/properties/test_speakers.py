import math

import numpy as np
import oracles.speakers as oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speakergmm.containers import pack_arrays, unpack_arrays
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, accumulate, adapt
from speakergmm.records import pack, unpack
from speakergmm.speakers import SpeakerScorer, sum_statistics, window_averages

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@st.composite
def problems(draw):
    """A background model, adapted models of three speakers, and frames of one of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_components, n_features = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    shape = (n_components, n_features)
    scale = 10.0 ** draw(st.integers(-3, 3))
    offset = scale * draw(st.sampled_from([0.0, -30.0, 100.0]))
    background = DiagonalMixture(
        rng.dirichlet(np.full(n_components, 3.0)),
        offset + scale * rng.normal(size=shape),
        scale**2 * rng.uniform(0.2, 2.0, shape),
    )
    models = {
        f"s{number}": DiagonalMixture(
            background.weights,
            background.means + 0.4 * scale * rng.normal(size=shape),
            background.variances,
        )
        for number in range(3)
    }
    frames = models["s1"].sample(draw(st.integers(1, 12)), rng)
    return background, models, frames


@pytest.mark.slow
@relaxed
@given(problems(), st.integers(1, 10))
def test_scores_are_the_formulas_at_any_scale(problem, top_c):
    background, models, frames = problem
    for kept in (None, top_c):
        expected = [
            oracle.average_ratio(frames, model, background, kept) for model in models.values()
        ]
        double = SpeakerScorer(background, models, precision="float64").score(frames, top_c=kept)
        np.testing.assert_allclose(double, expected, rtol=1e-8, atol=1e-8)
        if kept is None:
            single = SpeakerScorer(background, models).score(frames, top_c=kept)
            np.testing.assert_allclose(single, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@relaxed
@given(problems(), st.floats(0.1, 10.0), st.floats(-50, 50))
def test_scores_do_not_change_with_the_units_of_the_features(problem, factor, shift):
    background, models, frames = problem

    def moved(mixture):
        return DiagonalMixture(
            mixture.weights, mixture.means * factor + shift, mixture.variances * factor**2
        )

    before = SpeakerScorer(background, models, precision="float64").score(frames, top_c=2)
    after = SpeakerScorer(
        moved(background),
        {name: moved(model) for name, model in models.items()},
        precision="float64",
    ).score(frames * factor + shift, top_c=2)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@relaxed
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_speakers_and_frames_does_not_matter(problem, random):
    background, models, frames = problem
    names = list(models)
    random.shuffle(names)
    order = list(range(len(frames)))
    random.shuffle(order)
    before = SpeakerScorer(background, models, precision="float64").frame_scores(frames, top_c=3)
    after = SpeakerScorer(
        background, {name: models[name] for name in names}, precision="float64"
    ).frame_scores(frames[order], top_c=3)
    columns = [list(models).index(name) for name in names]
    np.testing.assert_allclose(after, before[order][:, columns], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@relaxed
@given(problems(), st.integers(0, 12), st.floats(0.5, 50.0))
def test_sessions_split_anywhere_give_the_same_model(problem, cut, relevance_factor):
    background, _, frames = problem
    cut = min(cut, len(frames))
    parts = [frames[:cut], frames[cut:]]
    sessions = [
        accumulate(background, part, precision="float64", second_order=False)
        for part in parts
        if len(part)
    ]
    whole = accumulate(background, frames, precision="float64", second_order=False)
    split_model, _ = adapt(sum_statistics(sessions), background, relevance_factor=relevance_factor)
    whole_model, _ = adapt(whole, background, relevance_factor=relevance_factor)
    scale = np.sqrt(background.variances)
    np.testing.assert_allclose(
        (split_model.means - whole_model.means) / scale, 0.0, rtol=0, atol=1e-8
    )


@relaxed
@given(
    st.integers(1, 30), st.integers(1, 3), st.integers(1, 12), st.integers(1, 5), st.integers(0, 99)
)
def test_windows_are_means_of_their_frames(n_frames, n_speakers, length, shift, seed):
    scores = np.random.default_rng(seed).normal(size=(n_frames, n_speakers)) * 50
    found = window_averages(scores, length=length, shift=shift)
    expected = np.array(oracle.window_averages(scores, length, shift)).reshape(-1, n_speakers)
    assert len(found) == max(0, math.floor((n_frames - length) / shift) + 1)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name != "__metadata__"
)
arrays = st.builds(
    lambda shape, seed, dtype: (np.random.default_rng(seed).normal(size=shape) * 9).astype(dtype),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.integers(0, 999),
    st.sampled_from([np.float32, np.float64, np.int16, np.uint8, np.bool_]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@relaxed
@given(
    st.dictionaries(names, arrays, max_size=4), st.dictionaries(st.text(), json_values, max_size=3)
)
def test_packing_keeps_everything(content, metadata):
    packed = pack_arrays(content, kind="k", metadata=metadata)
    found, found_metadata = unpack_arrays(packed, kind="k")
    assert found_metadata == metadata
    assert found.keys() == content.keys()
    for name, array in content.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    assert pack_arrays(found, kind="k", metadata=found_metadata) == packed


@pytest.mark.slow
@relaxed
@given(problems())
def test_statistics_survive_packing(problem):
    background, _, frames = problem
    statistics = accumulate(background, frames, precision="float64", second_order=False)
    again = unpack(MixtureStatistics, pack(statistics))
    np.testing.assert_array_equal(again.first_order, statistics.first_order)
    np.testing.assert_array_equal(again.counts, statistics.counts)
    assert again.n_frames == statistics.n_frames
