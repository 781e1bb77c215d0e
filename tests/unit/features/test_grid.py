"""Frames to seconds."""

import numpy as np
import pytest

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureConfig, FeatureExtractor, Features, FrameGrid

GRID = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=98)


def test_times_of_frames():
    np.testing.assert_allclose(GRID.starts[[0, 97]], [0.0, 0.97])
    np.testing.assert_allclose(GRID.centres[0], 0.0125)
    assert GRID.duration == pytest.approx(0.98)
    assert GRID.seconds(7) == pytest.approx(0.07)


def test_frame_nearest_to_a_time():
    assert [GRID.frame_at(s) for s in (-1.0, 0.0125, 0.021, 0.5, 9.0)] == [0, 0, 1, 49, 97]


def test_frames_of_a_stretch_have_their_centres_in_it():
    for start, end in (
        (0.0, 1.0),
        (0.1, 0.2),
        (0.0125, 0.0325),
        (0.5, 0.5),
        (2.0, 3.0),
        (-1, 0.02),
    ):
        found = GRID.frames(start, end)
        inside = np.flatnonzero((GRID.centres >= start - 1e-9) & (GRID.centres < end - 1e-9))
        assert np.arange(98)[found].tolist() == inside.tolist()


def test_a_part_keeps_its_times():
    part = GRID.part(10, 5)
    np.testing.assert_allclose(part.starts, GRID.starts[10:15])


def test_centred_grids_begin_before_the_recording():
    grid = FrameGrid(frame_length=0.1, frame_shift=0.02, start=-0.05, n_frames=10)
    np.testing.assert_allclose(grid.centres[0], 0.0, atol=1e-12)
    assert grid.frame_at(0.04) == 2


def test_impossible_grids_are_refused():
    with pytest.raises(InvalidInputError, match="frame_shift must be finite and > 0"):
        FrameGrid(frame_length=0.025, frame_shift=0.0, start=0.0, n_frames=1)
    empty = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=0)
    with pytest.raises(InvalidInputError, match="0 frames"):
        empty.frame_at(0.0)


def test_features_must_fit_their_grid():
    values, speech = np.zeros((98, 2), np.float32), np.zeros(98, np.bool_)
    speech[3:13] = True
    features = Features(values, speech, GRID)
    assert features.speech_values.shape == (10, 2)
    assert features.speech_seconds == pytest.approx(0.1)
    with pytest.raises(InvalidInputError, match=r"98 frames need .* found shapes \(97, 2\)"):
        Features(values[:97], speech, GRID)


def test_edges_lie_halfway_between_centres():
    grid = FrameGrid(frame_length=0.03, frame_shift=0.008, start=-0.2, n_frames=20)
    halfway = (grid.centres[1:] + grid.centres[:-1]) / 2
    np.testing.assert_allclose(grid.edges(np.arange(1, 20)), halfway, atol=1e-12)
    np.testing.assert_allclose(grid.edges(3.5), grid.centres[3], atol=1e-12)
    assert [grid.frames(*grid.edges([n, n + 1])) for n in range(20)] == [
        slice(n, n + 1) for n in range(20)
    ]


def test_seconds_are_counted_in_whole_frames():
    assert [GRID.count(s) for s in (0.0, 0.004, 0.006, 0.98)] == [0, 0, 1, 98]
    assert [GRID.count(GRID.seconds(n)) for n in range(200)] == list(range(200))


@pytest.mark.parametrize("preset", ["hmm", "librosa"])
@pytest.mark.parametrize("n_samples", [399, 400, 559, 560, 561, 16000])
def test_a_configuration_knows_how_many_frames_and_where(preset, n_samples):
    config = FeatureConfig.preset(preset)
    samples = np.random.default_rng(0).normal(scale=0.1, size=n_samples)
    assert config.grid(0).n_frames == 0
    try:
        features = FeatureExtractor(config).extract(samples, sample_rate=config.sample_rate)
    except InsufficientDataError:
        assert config.count_frames(n_samples) == 0
        return
    assert config.count_frames(n_samples) == len(features)
    assert features.grid == config.grid(len(features))
    later = config.grid(2, first=5)
    np.testing.assert_allclose(later.starts, config.grid(7).starts[5:], atol=1e-12)
    # Centred frames have their centres on multiples of the shift, others begin there.
    times = features.grid.centres if preset == "librosa" else features.grid.starts
    np.testing.assert_allclose(
        times * config.sample_rate, np.arange(len(features)) * config.shift_samples, atol=1e-6
    )
