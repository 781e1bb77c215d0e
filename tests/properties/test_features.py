"""What holds for features of any audio, cut and configured in any way."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    FrameGrid,
    deltas,
    frame_blocks,
    hertz_to_mel,
    mel_to_hertz,
    normalise_sliding,
    smoothed_decisions,
    warp,
    with_context,
)

# Small whole numbers: sums are exact, and ties are many.
MATRICES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 3)),
    elements=st.integers(-20, 20).map(float),
)


@pytest.mark.slow
@given(data=st.data(), length=st.integers(1, 50), shift_part=st.floats(0.02, 1.0))
def test_frames_do_not_depend_on_how_samples_come(data, length, shift_part):
    shift = max(1, int(length * shift_part))
    n_samples = data.draw(st.integers(0, 300))
    cuts = sorted(data.draw(st.lists(st.integers(0, n_samples), max_size=6)))
    samples = np.arange(n_samples, dtype=np.float32)
    found = list(frame_blocks(np.split(samples, cuts), length=length, shift=shift))
    expected = [samples[s : s + length] for s in range(0, n_samples - length + 1, shift)]
    assert [frame.tolist() for block in found for frame in block] == [
        frame.tolist() for frame in expected
    ]


@pytest.mark.slow
@given(data=st.data(), context=st.integers(0, 9), block_frames=st.integers(1, 12))
def test_windows_show_every_frame_once_with_all_its_neighbours(data, context, block_frames):
    sizes = data.draw(st.lists(st.integers(1, 15), max_size=6))
    frames = np.arange(sum(sizes))
    blocks = [(part, -part) for part in np.split(frames, np.cumsum(sizes)[:-1])] if sizes else []
    wanted = []
    for arrays, rows in with_context(blocks, context=context, block_frames=block_frames):
        shown, negative = arrays
        np.testing.assert_array_equal(shown, -negative)
        own = shown[rows]
        assert 0 < len(own) <= block_frames
        assert shown[0] == max(0, own[0] - context)
        assert shown[-1] == min(len(frames) - 1, own[-1] + context)
        wanted += own.tolist()
    assert wanted == frames.tolist()


@pytest.mark.slow
@given(
    seed=st.integers(0, 100),
    seconds=st.floats(0.03, 0.6),
    block_frames=st.integers(1, 30),
    window=st.floats(0.01, 0.3),
    normalisation=st.sampled_from(
        ["none", "mean", "mean_variance", "sliding_mean", "sliding_mean_variance", "warping"]
    ),
    order=st.integers(0, 2),
    rasta=st.booleans(),
    framing=st.sampled_from(["inside", "centred"]),
    hangover=st.floats(0.0, 0.05),
)
@settings(max_examples=40, deadline=None)
def test_streams_equal_extraction(
    seed, seconds, block_frames, window, normalisation, order, rasta, framing, hangover
):
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * 8000)
    samples = rng.normal(scale=0.1, size=n_samples) * (rng.random(n_samples) < 0.7)
    config = FeatureConfig(
        sample_rate=8000,
        n_filters=15,
        n_ceps=5,
        deltas=order,
        rasta=rasta,
        framing=framing,
        voice_activity="energy",
        vad_hangover=hangover,
        normalisation=normalisation,
        normalisation_window=window,
        dynamic_range=3.0,
    )
    extractor = FeatureExtractor(config)
    whole = extractor.extract(samples, sample_rate=8000)
    blocks = list(extractor.stream(samples, block_frames=block_frames, sample_rate=8000))
    np.testing.assert_array_equal(np.concatenate([b.speech for b in blocks]), whole.speech)
    np.testing.assert_allclose(
        np.concatenate([b.values for b in blocks]), whole.values, rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
@given(values=MATRICES, window=st.integers(1, 50), data=st.data())
def test_warping_sees_only_the_order_of_values(values, window, data):
    speech = data.draw(hnp.arrays(np.bool_, len(values)))
    found = warp(values, speech, window=window)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, warp(values**3 * 2 - 7, speech, window=window))


@pytest.mark.slow
@given(values=MATRICES, window=st.integers(1, 50), shift=st.integers(-1000, 1000), data=st.data())
def test_sliding_mean_removes_any_constant(values, window, shift, data):
    speech = data.draw(hnp.arrays(np.bool_, len(values)))
    for variance in (False, True):
        found = normalise_sliding(values, speech, window=window, variance=variance)
        moved = normalise_sliding(
            values + np.float32(shift), speech, window=window, variance=variance
        )
        assert np.isfinite(found).all()
        np.testing.assert_allclose(moved, found, rtol=1e-3, atol=1e-3)


@given(slope=st.integers(-50, 50), n_frames=st.integers(9, 30), window=st.integers(1, 4))
def test_deltas_of_a_line_are_its_slope(slope, n_frames, window):
    line = np.arange(n_frames, dtype=np.float32)[:, None] * slope
    found = deltas(line, window=window)
    np.testing.assert_allclose(found[window:-window], slope, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@given(
    loud=hnp.arrays(np.bool_, st.integers(0, 60)),
    context=st.integers(0, 5),
    proportion=st.floats(0.0, 0.99),
    hangover=st.integers(0, 10),
)
def test_hangover_only_adds_speech_and_votes_follow_the_crowd(loud, context, proportion, hangover):
    plain = smoothed_decisions(loud, context=context, proportion=proportion)
    more = smoothed_decisions(loud, context=context, proportion=proportion, hangover=hangover)
    assert (more >= plain).all()
    for t in np.flatnonzero(more):
        assert plain[max(0, t - hangover) : t + 1].any()
    if loud.all():
        assert plain.all()
    if not loud.any():
        assert not more.any()


@pytest.mark.slow
@given(
    start=st.floats(-1, 1),
    shift=st.floats(0.001, 0.05),
    overlap=st.floats(1, 5),
    n_frames=st.integers(1, 5000),
    data=st.data(),
)
def test_times_of_frames_lead_back_to_them(start, shift, overlap, n_frames, data):
    grid = FrameGrid(
        frame_length=shift * overlap, frame_shift=shift, start=start, n_frames=n_frames
    )
    index = data.draw(st.integers(0, n_frames - 1))
    centre = float(grid.centres[index])
    assert grid.frame_at(centre) == index
    assert grid.frames(centre - shift / 4, centre + shift / 4) == slice(index, index + 1)
    part = grid.part(index, 1)
    np.testing.assert_allclose(part.centres[0], centre, atol=1e-9)


@given(hertz=st.floats(0, 50_000), scale=st.sampled_from(["htk", "slaney"]))
def test_mel_scales_have_inverses(hertz, scale):
    back = float(mel_to_hertz(hertz_to_mel(hertz, scale=scale), scale=scale))
    np.testing.assert_allclose(back, hertz, rtol=1e-9, atol=1e-9)


@given(gain=st.floats(0.05, 20.0), seed=st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_gain_moves_only_c0(gain, seed):
    samples = np.random.default_rng(seed).normal(scale=0.01, size=1600)
    extractor = FeatureExtractor(FeatureConfig.preset("kaldi").replace(energy="c0"))
    quiet, loud = (
        extractor.extract(samples, sample_rate=16000).values,
        extractor.extract(samples * gain, sample_rate=16000).values,
    )
    np.testing.assert_allclose(loud[:, 1:], quiet[:, 1:], atol=5e-3)
    moved = 2 * np.log(gain) * np.sqrt(23)
    np.testing.assert_allclose(loud[:, 0] - quiet[:, 0], moved, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "n_filters": st.integers(24, 60),
            "low_frequency": st.floats(0, 300) | st.integers(0, 300),
            "high_frequency": st.none() | st.floats(3000, 8000),
            "rasta": st.booleans(),
            "vad_posterior": st.floats(0.01, 0.99),
        },
    )
)
def test_configurations_survive_json(changes):
    config = FeatureConfig(**changes)
    back = FeatureConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert back == config
    assert back.digest == config.digest
