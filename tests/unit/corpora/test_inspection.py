import itertools
import math

import numpy as np
import pytest

from speakergmm.corpora import ClippingCounter, inspect_blocks

RATE = 16000


def clipped_by_hand(samples):
    """Count, one sample after the other, those in runs of three that stand still at full scale."""
    total, run = 0, 1
    for before, now in itertools.pairwise(samples):
        if (now == before and abs(now) >= 0.99) or (abs(now) >= 1 and abs(before) >= 1):
            run += 1
        else:
            total += run if run >= 3 else 0
            run = 1
    return total + (run if run >= 3 else 0)


def count(samples, cuts=()):
    counter = ClippingCounter()
    for block in np.split(np.asarray(samples, np.float32), cuts):
        counter.add(block)
    return counter.total


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], 0),
        ([1, 1], 0),
        ([1, 1, 1], 3),
        ([-1, -1, -1, 0, 1, 1, 1, 1], 7),
        ([1, 1, 0, 1, 1], 0),
        ([0.5, 0.5, 0.5, 0.5], 0),  # stands still, but not at full scale
        ([0.992, 0.995, 0.992, 0.998], 0),  # at full scale, but moves
        ([0.985] * 5, 0),  # stands still, a step of 8-bit audio below full scale
        ([127 / 128] * 3, 3),  # 8-bit audio
        ([1.2, 1.1, 1.3], 3),  # a lossy format's overshoot
    ],
)
def test_clipping(samples, expected):
    assert count(samples) == expected


def test_clipping_equals_counting_by_hand_however_blocks_are_cut():
    rng = np.random.default_rng(0)
    for _ in range(50):
        samples = rng.choice([-1.0, -0.995, 0.3, 0.995, 1.0, 1.1], size=40).astype(np.float32)
        cuts = np.sort(rng.integers(0, 41, size=rng.integers(0, 12)))
        assert count(samples, cuts) == clipped_by_hand(samples)


def test_a_tone_that_just_reaches_full_scale_is_not_clipped():
    tone = np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    pcm = np.clip(np.rint(tone * 32768), -32768, 32767) / 32768
    assert count(pcm) == 0
    assert count(np.clip(1.2 * pcm, -1, 32767 / 32768)) > 0.3 * RATE


def test_level_is_that_of_the_loudest_tenth_of_a_second_without_its_mean():
    samples = np.full(2 * RATE, 0.5, np.float32)
    loud = 0.1 * np.sin(2 * np.pi * 100 * np.arange(RATE // 10) / RATE)
    samples[RATE : RATE + RATE // 10] += loud.astype(np.float32)
    found = inspect_blocks([samples], sample_rate=RATE)
    assert found.loudest_level == pytest.approx(20 * math.log10(0.1 / math.sqrt(2)), abs=0.01)


def test_sound_in_the_last_piece_of_a_block_counts():
    samples = np.zeros(RATE // 10 + 50, np.float32)
    samples[-50:] = 0.1 * np.resize([1, -1], 50)
    found = inspect_blocks([samples], sample_rate=RATE)
    assert found.loudest_level == pytest.approx(-20, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_constant_has_no_level(value):
    found = inspect_blocks([np.full(3000, value, np.float32)], sample_rate=RATE)
    assert found.loudest_level == -math.inf


def test_nothing_is_silent_and_not_clipped():
    found = inspect_blocks([], sample_rate=RATE)
    assert (found.n_samples, found.loudest_level, found.clipped_share) == (0, -math.inf, 0)


def test_content_is_that_of_the_samples_and_not_of_the_blocks():
    rng = np.random.default_rng(1)
    samples = rng.uniform(-1, 1, 5000).astype(np.float32)
    samples[7] = 0.0
    negative_zero = samples.copy()
    negative_zero[7] = -0.0
    other = samples.copy()
    other[4999] = np.nextafter(other[4999], np.float32(2))
    contents = [
        inspect_blocks(blocks, sample_rate=RATE).content
        for blocks in ([samples], np.split(samples, [1, 100]), [negative_zero], [other])
    ]
    assert contents[0] == contents[1] == contents[2] != contents[3]
