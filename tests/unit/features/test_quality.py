"""Quality of recordings: known degradations of real speech, slow formulas, silence and scraps."""

import io
import warnings

import numpy as np
import pytest
import soxr
from scipy.signal import butter, firwin, sosfilt

from speakergmm.audio import read_audio, write_audio
from speakergmm.features import FeatureConfig, measure_quality

RATE = 16000
PATHS = [
    "dspspeech20/S12/S12-10-01.flac",
    "arabic_speech_commands/backward/00000011_NO_05.flac",
    "librispeech/train-clean-100/103-1240-0000.flac",
]


@pytest.fixture(params=PATHS)
def speech(request, data_dir):
    return read_audio(data_dir / request.param)[0].astype(float)


def frames_of(samples):
    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
    return frames - frames.mean(axis=1, keepdims=True)


def powers(samples):
    return (frames_of(samples) ** 2).mean(axis=1)


def active_power(samples):
    """The power of the frames within 30 dB of the loudest, as the truth for added noise has it."""
    power = powers(samples)
    return power[power > np.percentile(power, 98) / 1000].mean()


def rounded(samples):
    return np.clip(np.round(samples * 32768), -32768, 32767) / 32768


def telephone(samples):
    """Band-pass 300 to 3400 Hz at 8 kHz, 8-bit mu-law, and back to 16 kHz with 16 bits."""
    narrow = soxr.resample(samples, RATE, 8000)
    narrow = sosfilt(butter(6, [300, 3400], "band", fs=8000, output="sos"), narrow)
    law = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    return rounded(soxr.resample(np.sign(law) * (256 ** np.abs(law) - 1) / 255, 8000, RATE))


def with_noise(samples, snr, seed=0):
    noise = np.random.default_rng(seed).normal(size=len(samples))
    return samples + noise * np.sqrt(active_power(samples) / 10 ** (snr / 10) / noise.var())


def measured(samples, rate=RATE):
    return measure_quality(samples, sample_rate=rate)


def test_seconds_level_and_noise_equal_their_formulas_on_all_frames_at_once(speech):
    samples = with_noise(speech, 15)
    power = powers(samples)
    noise = np.sort(power)[: max(1, len(power) // 4)].mean()
    active = power > max(np.percentile(power, 98) / 1000, 2 * noise)
    found = measured(samples)
    assert found.speech_seconds == pytest.approx(0.01 * active.sum(), rel=0.1)
    assert found.level_db == pytest.approx(10 * np.log10(power[active].mean()), abs=0.5)
    expected = 10 * np.log10(power[active].mean() / noise - 1)
    assert found.snr_db == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("snr", [5, 10, 20])
def test_added_noise_is_found_to_within_four_decibels(speech, snr):
    own = measured(speech).snr_db  # of the recording as it is, and of its pauses
    assert min(snr, own) - 4 < measured(with_noise(speech, snr)).snr_db < snr + 4


def test_more_noise_is_a_lower_ratio(speech):
    found = [measured(with_noise(speech, snr)).snr_db for snr in (30, 20, 10, 0)]
    assert found == sorted(found, reverse=True)


def test_a_gain_changes_the_level_and_nothing_else(speech):
    loud, quiet = measured(speech), measured(speech * 10 ** (-12.4 / 20))
    assert quiet.level_db == pytest.approx(loud.level_db - 12.4, abs=0.3)
    assert quiet.snr_db == pytest.approx(loud.snr_db, abs=0.5)
    assert quiet.speech_seconds == pytest.approx(loud.speech_seconds, rel=0.1)
    assert quiet.bandwidth_hz == pytest.approx(loud.bandwidth_hz, abs=250)


@pytest.mark.parametrize("gain", [1, 0.1])
def test_the_telephone_ends_near_3400_hz_at_any_level(speech, gain):
    assert 3250 <= measured(rounded(gain * telephone(speech))).bandwidth_hz <= 4000


@pytest.mark.parametrize("cutoff", [4000, 5500])
@pytest.mark.parametrize("path", PATHS[::2])  # the other has nothing above 4 kHz but noise
def test_a_steep_filter_is_found(data_dir, path, cutoff):
    speech = read_audio(data_dir / path)[0]
    samples = np.convolve(speech, firwin(513, cutoff, fs=RATE), "same")
    assert measured(rounded(samples)).bandwidth_hz == pytest.approx(cutoff, abs=400)


def test_noise_hides_no_bandwidth_and_adds_none(speech):
    assert measured(speech).bandwidth_hz >= 7000
    assert measured(with_noise(speech, 5)).bandwidth_hz == 8000
    assert 3250 <= measured(telephone(0.5 * with_noise(speech, 5))).bandwidth_hz <= 3750


def test_clipping_is_a_share_of_the_samples(speech):
    clipped = rounded(speech * 0.99 / np.percentile(np.abs(speech), 99))
    at_end = np.abs(clipped) >= 0.99
    assert not at_end.any() or measured(clipped).clipped <= at_end.mean()
    clipped = rounded(speech * 20)
    runs = np.split(clipped, np.flatnonzero(np.diff(clipped)) + 1)
    expected = sum(len(run) for run in runs if len(run) > 2 and abs(run[0]) >= 0.99)
    assert measured(clipped).clipped == pytest.approx(expected / len(clipped))
    assert expected > 0
    assert measured(speech * 0.1).clipped == 0


def test_paths_files_arrays_and_blocks_are_measured_alike(tmp_path, speech):
    samples = rounded(speech)
    write_audio(tmp_path / "a.wav", samples, RATE)
    expected = measured(samples)
    assert measure_quality(tmp_path / "a.wav") == expected
    assert measure_quality(io.BytesIO((tmp_path / "a.wav").read_bytes())) == expected
    blocks = (block for block in np.array_split(samples, 7))
    assert measure_quality(blocks, sample_rate=RATE) == expected
    part = measure_quality(tmp_path / "a.wav", start=0.1, end=0.9)
    assert part == measured(samples[1600:14400])


def test_recordings_are_judged_at_their_own_rate_or_that_of_the_features(data_dir):
    path = data_dir / "fsdd" / "recordings" / "7_jackson_10.flac"
    samples, rate = read_audio(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        native = measure_quality(path)
    assert rate == 8000
    assert native.bandwidth_hz <= 4000
    high = measured(soxr.resample(samples, 8000, 48000), 48000)
    assert high.bandwidth_hz <= 4125
    assert high.snr_db == pytest.approx(native.snr_db, abs=1)
    narrow = FeatureConfig.preset("speaker").replace(sample_rate=8000)
    assert measure_quality(path, config=narrow) == native


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.full(RATE, 0.25),
        np.zeros(3),
        np.random.default_rng(0).normal(scale=0.01, size=RATE),
        np.sin(np.arange(RATE) / 5) / 2,
    ],
    ids=["silence", "constant", "short", "noise", "tone"],
)
def test_without_speech_its_measures_are_not_numbers(samples):
    found = measured(samples)
    assert found.speech_seconds == 0
    assert np.isnan([found.snr_db, found.bandwidth_hz, found.level_db]).all()
    assert found.clipped == 0


def test_no_blocks_hold_no_speech():
    assert measure_quality(iter([]), sample_rate=RATE).to_dict()["speech_seconds"] == 0


@pytest.mark.parametrize("rate", [150, 1000, 4000])
def test_low_rates_have_no_limit_below_their_half(rate):
    samples = np.random.default_rng(0).normal(scale=0.001, size=4 * rate)
    samples[rate : 2 * rate] *= 100
    assert measured(samples, rate).bandwidth_hz == rate / 2


def test_digital_silence_between_words_is_sixty_decibels():
    samples = np.zeros(RATE)
    samples[4000:8000] = np.random.default_rng(0).normal(scale=0.1, size=4000)
    assert measured(samples).snr_db == 60


def test_weak_high_frequencies_that_come_with_the_speech_are_no_limit():
    rng = np.random.default_rng(0)
    speaking = np.repeat([0.0, 1.0, 0.0], RATE)
    voice, hiss = speaking * rng.normal(size=(2, 3 * RATE))
    steep = firwin(513, 2500, fs=RATE, window=("kaiser", 10))  # 100 dB
    narrow = np.convolve(0.2 * voice, steep, "same") + rng.normal(scale=1e-5, size=3 * RATE)
    assert measured(narrow).bandwidth_hz == pytest.approx(2500, abs=200)
    assert measured(narrow + 0.004 * hiss).bandwidth_hz == 8000  # 34 dB below
