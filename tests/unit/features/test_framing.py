"""Frames and windows."""

import numpy as np
import pytest
import scipy.signal

from speakergmm.errors import InvalidInputError
from speakergmm.features import frame_blocks, padded, window


def test_frames_lie_wholly_inside_the_samples():
    samples = np.arange(100, dtype=np.float32)
    (frames,) = frame_blocks([samples], length=30, shift=20, scale=2.0)
    assert frames.shape == (4, 30)
    np.testing.assert_array_equal(frames[3], 2 * samples[60:90])


def test_samples_shorter_than_a_frame_give_none():
    assert list(frame_blocks([np.zeros(29, np.float32)], length=30, shift=20)) == []
    assert len(list(frame_blocks([np.zeros(30, np.float32)], length=30, shift=20))) == 1


def test_padding_is_zeros_at_both_ends():
    blocks = padded([np.ones(3, np.float32), np.ones(1, np.float32)], 2)
    assert np.concatenate(list(blocks)).tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("name", ["hamming", "hann"])
def test_windows_equal_scipys(name, periodic):
    expected = scipy.signal.get_window(name, 400, fftbins=periodic)
    np.testing.assert_allclose(window(name, 400, periodic=periodic), expected, atol=1e-12)


def test_povey_window_is_a_power_of_hann():
    np.testing.assert_allclose(
        window("povey", 31), scipy.signal.get_window("hann", 31, fftbins=False) ** 0.85, atol=1e-12
    )
    assert (window("rectangular", 4) == 1).all()


def test_unknown_window_is_refused():
    with pytest.raises(InvalidInputError, match=r"window must be .* found 'kaiser'"):
        window("kaiser", 400)
    with pytest.raises(InvalidInputError, match="length must be a whole number >= 1, found 0"):
        window("hann", 0)
