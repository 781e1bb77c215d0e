"""Augmentation: each condition does what it says, the same in every process, in pieces or whole."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from oracles.rooms import decay_time, naive_room_response
from scipy import signal

from speakergmm.corpora.augmentation import (
    CONDITION_NAMES,
    DEFAULT_CONDITIONS,
    LINE_RATE,
    AugmentationOptions,
    Babble,
    Clipping,
    Codec,
    Condition,
    Gain,
    Noise,
    Reverberation,
    Room,
    Talkers,
    Telephone,
    a_law,
    active_power,
    as_augmentation,
    augmented,
    available_codecs,
    content_name,
    linear_pcm,
    make_condition,
    room_response,
    talker_pool,
    with_decay,
)
from speakergmm.corpora.synthesis import LEXICON, Voice, speak
from speakergmm.errors import AudioError, InsufficientDataError, InvalidInputError, InvalidTypeError

RATE = 16000
PIECE_SECONDS = "speakergmm.corpora.augmentation.condition.PIECE_SECONDS"
CHANGING = [name for name in CONDITION_NAMES if name != "clean"]


@pytest.fixture(scope="module")
def speech():
    """Two seconds of synthetic speech."""
    spoken = speak(list(LEXICON)[:4], Voice(), np.random.default_rng(5))
    return spoken.samples.astype(np.float32)[: 2 * RATE]


@pytest.fixture
def white():
    """Four seconds of white noise at -20 dB."""
    return np.random.default_rng(0).normal(scale=0.1, size=4 * RATE).astype(np.float32)


@pytest.fixture
def short_pieces(monkeypatch):
    """Let recordings be cut into pieces of a third of a second."""
    monkeypatch.setattr(PIECE_SECONDS, 0.333)


def whole(*given, **named):
    return np.concatenate([np.empty(0, np.float32), *augmented(*given, **named)])


def levels_at(frequencies, before, after, rate=RATE):
    """Return the gain in dB at frequencies, from the spectra of a wideband signal."""
    grid, first = signal.welch(before, rate, nperseg=2048)
    _, last = signal.welch(after, rate, nperseg=2048)
    return np.interp(frequencies, grid, 10 * np.log10((last + 1e-20) / first))


def naive_active_power(samples, rate):
    size = int(0.02 * rate)
    powers = [
        np.mean(samples[at : at + size].astype(float) ** 2)
        for at in range(0, len(samples) - size + 1, size)
    ]
    return np.mean([power for power in powers if power >= max(powers) / 1000])


# Every condition


@pytest.mark.parametrize("name", CHANGING)
def test_a_version_has_the_length_and_the_range_and_differs(speech, name):
    made = whole(speech, RATE, name)
    assert made.dtype == np.float32
    assert len(made) == len(speech)
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= 1.0
    assert not np.array_equal(made, speech)


@pytest.mark.parametrize("name", CONDITION_NAMES)
def test_blocks_give_the_same_as_the_whole_recording(speech, short_pieces, name):
    cuts = [1, 1000, 1000, 9000, 30001]
    assert np.array_equal(whole(np.split(speech, cuts), RATE, name), whole(speech, RATE, name))


@pytest.mark.parametrize("name", ["telephone", "reverberation", "gain"])
@pytest.mark.parametrize("seed", range(4))
def test_pieces_have_no_seams(speech, monkeypatch, name, seed):
    """In these conditions nothing depends on where a recording is cut, but for quantisation."""
    kind = make_condition(name)
    at_once = kind.apply(speech, RATE, np.random.default_rng(seed))
    monkeypatch.setattr(PIECE_SECONDS, 0.0333)
    in_parts = kind.apply(speech, RATE, np.random.default_rng(seed))
    assert len(in_parts) == len(at_once)
    error = np.sqrt(np.mean((in_parts - at_once) ** 2) / np.mean(at_once**2))
    assert error < (0.03 if name == "telephone" else 1e-5)


@pytest.mark.parametrize("rate", [8000, 11025, 48000])
@pytest.mark.parametrize("name", CHANGING)
def test_any_rate_will_do(white, rate, name):
    samples = white[: rate // 2]
    assert len(whole(samples, rate, name)) == len(samples)


@pytest.mark.parametrize("n_samples", [0, 1, 5, 200])
@pytest.mark.parametrize("name", CONDITION_NAMES)
def test_very_short_recordings_keep_their_length(white, n_samples, name):
    made = whole(white[:n_samples], RATE, name)
    assert len(made) == n_samples
    assert np.isfinite(made).all()


@pytest.mark.parametrize("name", [name for name in CONDITION_NAMES if name != "codec"])
def test_digital_silence_stays_silent(name):
    """A distance to speech that is not there is not defined."""
    assert not whole(np.zeros(RATE, np.float32), RATE, name).any()


@pytest.mark.parametrize("name", CONDITION_NAMES)
def test_a_loud_sum_is_scaled_and_not_clipped(speech, name):
    loud = speech / np.abs(speech).max()
    assert np.abs(whole(loud, RATE, name)).max() <= 1.0


def test_after_a_loud_piece_the_later_ones_are_attenuated_alike(short_pieces):
    class Louder(Gain):
        def change(self, pieces, rate, rng):
            return (piece * np.float32(2) for piece in pieces)

    size = round(0.333 * RATE)  # of a short piece
    samples = np.concatenate([np.full(size, level, np.float32) for level in (0.25, 1.0, 0.5)])
    made = Louder().apply(samples, RATE, np.random.default_rng(0))
    assert made[[0, size, 2 * size]].tolist() == [0.5, 1.0, 0.5]


# Seeds


def test_versions_depend_on_the_seed_the_recording_and_the_condition_alone(speech):
    other = speech[::-1].copy()
    one = whole(speech, RATE, "noise", seed=1)
    assert np.array_equal(whole(speech, RATE, "noise", seed=1), one)
    assert not np.array_equal(whole(speech, RATE, "noise", seed=2), one)
    gains = [
        np.abs(whole(each, RATE, "gain")).max() / np.abs(each).max() for each in (speech, other)
    ]
    assert gains[0] != pytest.approx(gains[1], rel=1e-3)
    named = [whole(each, RATE, "gain", name="a") for each in (speech, other)]
    assert np.allclose(named[0], named[1][::-1], rtol=1e-6)
    pcm = np.rint(speech * 32768) / 32768
    assert content_name(pcm.astype(np.float32)) == content_name(speech)
    assert content_name(speech) != content_name(other)


_PROGRAM = """
import hashlib, numpy as np
from speakergmm.corpora.augmentation import augmented
samples = np.sin(np.arange(4000) / 7).astype(np.float32) / 2
for name in ("gain", "noise", "clipping"):
    print(hashlib.sha256(np.concatenate(list(augmented(samples, 8000, name, seed=4)))).hexdigest())
"""


@pytest.mark.slow
def test_every_process_makes_the_same():
    """Hashes of Python's own differ between these processes."""
    found = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_the_seed_of_a_version_is_as_it_was():
    """The first gain that NumPy 2 draws from the words of a SHA-256: a change breaks all models."""
    made = whole(np.full(100, 0.25, np.float32), 8000, "gain", seed=7, name="a")
    assert 20 * np.log10(made[0] / 0.25) == pytest.approx(GAIN_OF_SEED_7, abs=1e-4)


GAIN_OF_SEED_7 = 0.45033


# Levels


@pytest.mark.parametrize("kind", [Noise, Babble])
@pytest.mark.parametrize("snr", [5.0, 17.0])
def test_the_ratio_of_speech_to_what_is_added_is_as_asked(speech, kind, snr):
    quiet = speech * np.float32(0.2)
    for seed in range(6):
        made = kind(snr_db=(snr, snr)).apply(quiet, RATE, np.random.default_rng(seed))
        added = made.astype(float) - quiet
        found = 10 * np.log10(naive_active_power(quiet, RATE) / np.mean(added**2))
        assert found == pytest.approx(snr, abs=0.1)


def test_active_power_leaves_out_pauses(speech):
    padded = np.concatenate([np.zeros(RATE, np.float32), speech, np.zeros(RATE, np.float32)])
    assert active_power(padded, RATE) == pytest.approx(naive_active_power(padded, RATE), rel=1e-5)
    assert active_power(padded, RATE) == pytest.approx(active_power(speech, RATE), rel=1e-3)


def test_levels_are_those_of_the_speech_heard_so_far(speech, short_pieces):
    """A piece of silence after speech has as much noise as the speech."""
    silent = np.zeros(RATE, np.float32)
    made = Noise(snr_db=(10.0, 10.0), colours=("white",)).apply(
        np.concatenate([speech, silent]) * np.float32(0.2), RATE, np.random.default_rng(0)
    )
    wanted = naive_active_power(speech * np.float32(0.2), RATE) / 10
    assert np.mean(made[-RATE // 2 :].astype(float) ** 2) == pytest.approx(wanted, rel=0.05)


# Noise


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_colours_fall_as_they_should(colour, slope):
    tone = np.full(30 * RATE, 1e-3, np.float32)
    made = Noise(colours=(colour,)).apply(tone, RATE, np.random.default_rng(0)) - tone
    grid, power = signal.welch(made, RATE, nperseg=4096)
    octaves = [
        10 * np.log10(power[(grid >= f) & (grid < 2 * f)].mean())
        for f in (100, 200, 400, 800, 1600, 3200)
    ]
    assert np.diff(octaves) == pytest.approx(np.full(5, slope), abs=0.35)


def test_speech_shaped_noise_has_the_spectrum_of_the_recording():
    sections = signal.butter(2, [500, 1500], "bandpass", fs=RATE, output="sos")
    band = signal.sosfilt(sections, np.random.default_rng(1).normal(size=20 * RATE)).astype(
        np.float32
    )
    band *= np.float32(0.1 / band.std())
    made = Noise(colours=("speech",)).apply(band, RATE, np.random.default_rng(0)) - band
    gains = levels_at([300, 600, 1000, 1400, 2500, 4000], band, made)
    assert np.ptp(gains) < 1.5


# Telephone


@pytest.mark.parametrize("seed", range(12))
def test_a_telephone_passes_its_band_and_nothing_else(white, seed):
    made = Telephone(tilt=(0.0, 0.0)).apply(white, RATE, np.random.default_rng(seed))
    passed = levels_at([700, 1000, 1500, 2000, 2500], white, made)
    assert np.all(passed > passed.max() - 4.0)
    stopped = levels_at([40, 60, 4200, 5000, 7000], white, made)
    assert np.all(stopped < passed.max() - 9.0)
    assert np.all(stopped[-2:] < -45.0)


@pytest.mark.slow
def test_telephones_have_many_filters_and_never_that_of_the_tests():
    """Their responses to a click, with the edges of the telephone that mismatch is tested by."""
    kind = Telephone(tilt=(0.0, 0.0), low=(300.0, 300.0), high=(3400.0, 3400.0))
    click = np.eye(1, 4000, dtype=np.float32)[0]
    responses = []
    for seed in range(60):
        band = kind._filter(LINE_RATE, np.random.default_rng(seed))
        responses.append(np.abs(np.fft.rfft(np.concatenate(list(band(iter([click])))))))
    responses = np.array(responses)  # one value per Hz up to 2,000, then each second one
    hertz = np.arange(2001) * 2
    assert np.all(responses[:, (hertz > 700) & (hertz < 2500)] > 0.7)
    assert np.all(responses[:, hertz < 60] < 0.45)
    assert np.all(np.abs(responses[:, [150, 1700]] - 0.75) < 0.26)  # half or more at both edges
    tested = signal.butter(6, [300, 3400], "bandpass", fs=LINE_RATE, output="sos")
    expected = np.abs(signal.sosfreqz(tested, hertz, fs=LINE_RATE)[1])
    assert np.abs(responses - expected).max(axis=1).min() > 0.03
    differing = np.abs(responses[:, np.newaxis] - responses).max(axis=2) > 0.01
    assert differing.sum(axis=1).min() > 40


@pytest.mark.parametrize("tilt", [-0.4, 0.4])
def test_a_tilt_raises_one_end_of_the_band(white, tilt):
    flat, tilted = (
        Telephone(tilt=(each, each)).apply(white, RATE, np.random.default_rng(3))
        for each in (0.0, tilt)
    )
    low, high = levels_at([600, 2800], flat, tilted)
    angles = 2 * np.pi * np.array([600, 2800]) / LINE_RATE
    expected = 20 * np.log10(np.abs(1 - tilt * np.exp(-1j * angles)))
    assert high - low == pytest.approx(np.diff(expected)[0], abs=0.3)


def test_a_low_rate_needs_no_conversion(white):
    made = Telephone().apply(white, 6000, np.random.default_rng(0))
    assert len(made) == len(white)


def test_a_law_is_that_of_libsndfile():
    codes = np.arange(-32768, 32768, dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, codes, 8000, format="WAV", subtype="ALAW")
    file.seek(0)
    theirs, _ = soundfile.read(file, dtype="int16")
    ours = np.rint(a_law(codes.astype(np.float32) / 32768) * 32768).astype(int)
    steps = np.abs(ours - theirs)
    middle = np.abs(codes.astype(int)) % 16
    # At the edges of steps the tables of libsndfile round negative numbers the other way.
    assert not steps[(middle > 0) | (codes > 0)][:-16].any() or steps[codes > 0].max() == 0


def test_linear_pcm_are_as_many_as_asked(white):
    assert len(np.unique(linear_pcm(np.linspace(-1.2, 1.2, 9999, dtype=np.float32), 5))) == 32
    error = linear_pcm(white, 10) - white
    assert np.std(error) == pytest.approx(2 / 1024 / np.sqrt(12), rel=0.03)


# Codecs


@pytest.mark.parametrize("name", available_codecs())
def test_a_codec_keeps_speech_in_its_place(speech, name):
    made = Codec(names=(name,)).apply(speech, RATE, np.random.default_rng(0))
    assert not np.array_equal(made, speech)
    lags = signal.correlate(made, speech)
    assert abs(int(lags.argmax()) - (len(speech) - 1)) <= 0.01 * RATE
    assert active_power(made, RATE) == pytest.approx(active_power(speech, RATE), rel=0.5)


# Babble


@pytest.mark.slow
def test_talkers_are_equally_loud_and_made_once():
    pool = talker_pool(RATE)
    assert talker_pool(RATE) is pool
    assert [naive_active_power(voice, RATE) for voice in pool] == pytest.approx(
        [1.0] * len(pool), rel=1e-3
    )
    assert len({content_name(voice / 50) for voice in pool}) == len(pool)


def test_given_talkers_are_heard(tmp_path, speech):
    for number, frequency in enumerate((500.0, 1500.0)):
        tone = 0.1 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
        soundfile.write(tmp_path / f"{number}.wav", tone, RATE)
    options = AugmentationOptions(talkers=[tmp_path / "0.wav", tmp_path / "1.wav"])
    quiet = speech * np.float32(0.2)
    added = whole(quiet, RATE, "babble", options) - quiet
    grid, power = signal.welch(added, RATE, nperseg=1600)
    assert sorted(grid[np.argsort(power)[-2:]]) == [500.0, 1500.0]


def test_stored_talkers_are_those_of_the_recordings(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for n in range(20):
        paths.append(tmp_path / f"{n}.wav")
        soundfile.write(paths[-1], rng.uniform(-0.3, 0.3, 3 * RATE), RATE, "FLOAT")
    chosen = [paths[round(place * 19 / 15)] for place in range(16)]
    stored = Talkers.of(paths)
    for given, kept in zip(
        talker_pool(RATE, 0, tuple(map(str, chosen))), talker_pool(RATE, 0, stored), strict=True
    ):
        np.testing.assert_allclose(kept, given, rtol=0, atol=1e-4)
    # Of a longer recording the loudest seconds, and a shorter one is repeated.
    long = np.concatenate([rng.normal(size=RATE) * 0.01, rng.normal(size=3 * RATE) * 0.1])
    soundfile.write(paths[0], long, RATE, "FLOAT")
    soundfile.write(paths[1], long[RATE : 2 * RATE], RATE, "FLOAT")
    loud, short = Talkers.of(paths[:2]).samples
    assert np.corrcoef(loud, long[RATE:])[0, 1] > 0.999
    assert (short[:RATE] == short[RATE : 2 * RATE]).all()


def test_talkers_who_are_missing_or_silent_are_named(tmp_path, white):
    soundfile.write(tmp_path / "0.wav", np.zeros(RATE), RATE)
    with pytest.raises(InsufficientDataError, match=r"0\.wav: a talker of babble is silent"):
        whole(white, RATE, "babble", talkers=[tmp_path / "0.wav"])
    with pytest.raises(AudioError, match=r"a talker of babble: .*1\.wav"):
        whole(white, RATE, "babble", talkers=[tmp_path / "1.wav"])


# Rooms


def test_echoes_are_those_of_a_naive_sum():
    room = Room((3.1, 2.7, 2.4), (1.0, 0.9, 1.3), (2.2, 1.9, 1.1), 0.8)
    found = room_response(room, 8000, seconds=0.02)
    naive = naive_room_response(
        room.size, room.source, room.microphone, room.reflection, 8000, 0.02, 3
    )
    assert found == pytest.approx(naive, abs=1e-12)
    assert np.count_nonzero(found) > 30


def test_the_direct_sound_comes_first_and_at_its_time():
    room = Room((5.0, 4.0, 2.5), (1.0, 1.0, 1.0), (1.0, 2.5, 1.0), 0.8)
    response = room_response(room, RATE, 0.3)
    (heard,) = np.nonzero(response)
    assert heard[0] == round(1.5 / 343.0 * RATE)
    assert response[heard[0]] == pytest.approx(1 / (4 * np.pi * 1.5))


@pytest.mark.parametrize("t60", [0.15, 0.3, 0.6])
def test_sound_decays_in_the_time_that_is_asked(t60):
    room = with_decay(Room((4.5, 3.8, 2.8), (1.3, 1.7, 1.2), (2.9, 2.2, 1.5), 0.9), t60)
    audible = signal.butter(2, 100, "highpass", fs=RATE, output="sos")  # as Allen and Berkley do
    response = signal.sosfilt(audible, room_response(room, RATE, 1.2 * t60))
    assert decay_time(response, RATE) == pytest.approx(t60, rel=0.1)


@pytest.mark.slow
def test_rooms_cover_the_range_and_keep_the_speaker_near():
    kind = Reverberation()
    rooms = [kind.room(number) for number in range(kind.n_rooms)]
    times = np.sort([t60 for _, t60 in rooms])
    assert times[0] < 0.16
    assert times[-1] > 0.59
    assert np.diff(times).max() < 0.011
    assert all(0.3 <= room.distance <= 2.0 for room, _ in rooms)
    for room, _ in rooms:
        assert all(0.4 < x < size - 0.4 for x, size in zip(room.microphone, room.size, strict=True))


def test_a_room_adds_a_tail_and_no_delay():
    click = np.zeros(RATE, np.float32)
    click[100] = 0.5
    made = Reverberation().apply(click, RATE, np.random.default_rng(0))
    assert np.abs(made[:100]).max() < 1e-8
    assert np.abs(made).argmax() - 100 in range(400)
    assert np.count_nonzero(made) > 0.1 * RATE
    assert np.linalg.norm(made) == pytest.approx(0.5, rel=1e-3)


# Gain and clipping


def test_gains_cover_their_range_and_stop_at_full_scale(speech):
    quiet = speech * np.float32(0.1)
    gains = [
        20 * np.log10(np.std(whole(quiet, RATE, "gain", seed=s)) / np.std(quiet)) for s in range(60)
    ]
    assert min(gains) > -20.1
    assert min(gains) < -17.0
    assert 0.0 < max(gains) < 3.1


@pytest.mark.parametrize("share", [0.002, 0.05])
def test_as_many_samples_are_clipped_as_asked(speech, share):
    made = Clipping(share=(share, share)).apply(speech, RATE, np.random.default_rng(0))
    assert np.mean(np.abs(made) == 1.0) == pytest.approx(share, rel=0.05)
    inside = np.abs(made) < 1.0
    assert np.ptp(made[inside & (speech != 0)] / speech[inside & (speech != 0)]) < 1e-4


# Options and bad input


def test_every_name_has_a_condition_that_is_called_like_it():
    for name in CONDITION_NAMES:
        made = make_condition(name)
        assert isinstance(made, Condition)
        assert type(made).__name__.lower() == name
    assert DEFAULT_CONDITIONS == ("clean", "telephone", "babble", "noise", "reverberation", "gain")
    assert AugmentationOptions().conditions == DEFAULT_CONDITIONS


def test_options_are_given_in_several_forms():
    options = AugmentationOptions(conditions=("clean", "noise"), seed=3)
    assert as_augmentation(options) is options
    assert as_augmentation(options.to_dict()) == options
    assert (
        as_augmentation("default") == as_augmentation(DEFAULT_CONDITIONS) == AugmentationOptions()
    )
    assert as_augmentation("Clean,noise") == AugmentationOptions(conditions=["clean", "noise"])
    assert as_augmentation(None) is as_augmentation("none") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["telefone"], "there is no condition 'telefone'; did you mean 'telephone'?"),
        (["opera"], "there is no condition 'opera'; the conditions are clean, telephone, "),
        ([3], "there is no condition 3; the conditions are clean"),
        (["noise", "noise"], "the condition 'noise' is given twice"),
        ([], "conditions must be one or more of clean"),
        ("clean,,noise", "there is no condition ''"),
        ({"conditions": ["clean"], "seed": -1}, "seed must be a whole number >= 0, found -1"),
    ],
)
def test_wrong_conditions_are_refused(given, message):
    with pytest.raises(InvalidInputError, match=f"^{message.replace('?', chr(92) + '?')}"):
        as_augmentation(given)


def test_other_things_are_refused_with_what_is_right():
    with pytest.raises(InvalidTypeError, match="got int where AugmentationOptions"):
        as_augmentation(3)
    with pytest.raises(InvalidInputError, match="there is no condition 'hall'"):
        augmented(np.zeros(5), RATE, "hall")
    with pytest.raises(InvalidInputError, match="sample_rate must be a positive whole number"):
        augmented(np.zeros(5), 0.5, "gain")
    with pytest.raises(InvalidTypeError, match="has no option 'sed'; did you mean 'seed'"):
        augmented(np.zeros(5), RATE, "gain", sed=3)


@pytest.mark.parametrize("name", CONDITION_NAMES)
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.array([0.0, np.nan]), "samples that are NaN or infinite"),
        (np.array([0.0, 1000.0]), "samples of up to 1e"),
        (np.zeros((2, 2)), "one-dimensional"),
        (np.array([1, 2]), "floating point or int16"),
    ],
)
def test_samples_that_are_not_audio_are_refused(name, samples, message):
    with pytest.raises(InvalidInputError, match=message):
        whole(samples, RATE, name)
