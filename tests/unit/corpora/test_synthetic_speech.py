"""The synthesiser says what it was told to say: measured on the sound, by other means."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz

from speakergmm.corpora.synthesis import (
    ECHO,
    ENROLMENT_WORDS,
    LEXICON,
    PHONES,
    SAMPLE_RATE,
    SILENCE,
    TRIAL_WORDS,
    PlacedPhone,
    SessionConditions,
    Voice,
    articulate,
    cascade,
    cut,
    draw_session,
    draw_voice,
    glottal_source,
    intonation,
    lay_out,
    linear_phase,
    n_frames,
    overlap_add,
    quadratic,
    render,
    response,
    rosenberg_flow,
    speak,
)
from speakergmm.errors import InvalidInputError

STEADY = Voice(jitter=0.0, shimmer=0.0, breathiness=-80.0)


def sustained(phone, *, f0, voice=STEADY, seconds=0.6):
    n = int(seconds * SAMPLE_RATE)
    segments = [PlacedPhone(phone, 0, n, 0)]
    return render(segments, np.full(n, f0), voice, np.random.default_rng(0))


def measured_f0(samples):
    """Fundamental frequency by the highest peak of the autocorrelation, parabola through it."""
    samples = samples - samples.mean()
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(samples)]
    correlation = correlation / (len(samples) - np.arange(len(samples)))
    low, high = SAMPLE_RATE // 500, SAMPLE_RATE // 50
    inner = correlation[low:high]
    peaks = (inner > correlation[low - 1 : high - 1]) & (inner >= correlation[low + 1 : high + 1])
    # The first high peak: later ones, at multiples of the period, are as high.
    peak = low + int(np.flatnonzero(peaks & (inner > 0.9 * inner.max()))[0])
    before, at, after = correlation[peak - 1 : peak + 2]
    return SAMPLE_RATE / (peak + 0.5 * (before - after) / (before - 2 * at + after))


def measured_formants(samples, *, order=20):
    """Resonances by linear prediction: angles of the poles close to the unit circle, in Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 2 * len(samples))) ** 2
    correlation = np.fft.irfft(power)[: order + 1]
    predictor = solve_toeplitz(correlation[:-1], correlation[1:])
    poles = np.roots(np.append(1.0, -predictor))
    poles = poles[(poles.imag > 0) & (np.abs(poles) > 0.94)]
    return np.sort(np.angle(poles) * SAMPLE_RATE / (2 * np.pi))


@pytest.mark.parametrize("f0", [80.0, 117.3, 211.0, 300.0])
@pytest.mark.parametrize("phone", ["a", "i", "m"])
def test_autocorrelation_finds_the_requested_f0(phone, f0):
    samples = sustained(phone, f0=f0)[1600:8000]
    assert measured_f0(samples) == pytest.approx(f0, rel=0.004)


def test_a_gliding_f0_is_followed():
    n = SAMPLE_RATE
    f0 = np.linspace(100.0, 180.0, n)
    samples = render([PlacedPhone("ae", 0, n, 0)], f0, STEADY, np.random.default_rng(0))
    for middle in (4000, 8000, 12000):
        found = measured_f0(samples[middle - 400 : middle + 400])
        assert found == pytest.approx(f0[middle], rel=0.02)


@pytest.mark.parametrize("phone", ["i", "e", "ae", "a", "o", "u", "ax", "er"])
@pytest.mark.parametrize("scale", [1.0, 1.15])
def test_linear_prediction_finds_the_requested_formants(phone, scale):
    # Breath alone excites all frequencies evenly: no harmonics pull the estimate.
    voice = Voice(jitter=0.0, shimmer=0.0, breathiness=20.0, formant_scale=scale)
    samples = sustained(phone, f0=100.0, voice=voice, seconds=2.0)
    found = measured_formants(samples[1600:-1600])
    for target in np.array(PHONES[phone].formants) * scale:
        assert np.abs(found - target).min() < max(0.05 * target, 30.0)


@pytest.mark.parametrize("phone", ["a", "ae", "ax"])
def test_harmonics_are_strongest_at_the_formants(phone):
    samples = sustained(phone, f0=50.0, seconds=1.0)[3200:12800]
    level = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    hertz = np.fft.rfftfreq(1 << 16, 1.0 / SAMPLE_RATE)
    for target in PHONES[phone].formants[:3]:
        near = np.abs(hertz - target) < 250.0
        assert abs(hertz[near][np.argmax(level[near])] - target) <= 60.0


def test_fricative_noise_lies_where_its_shape_says():
    samples = sustained("s", f0=100.0)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    assert power[hertz > 3500].sum() > 0.9 * power.sum()
    samples = sustained("sh", f0=100.0)
    power = np.abs(np.fft.rfft(samples)) ** 2
    assert power[(hertz > 2000) & (hertz < 3500)].sum() > 0.5 * power.sum()


def test_nasal_has_a_dip_at_its_zero():
    voice = Voice(jitter=0.0, shimmer=0.0, breathiness=20.0)
    samples = sustained("n", f0=100.0, voice=voice, seconds=4.0)
    blocks = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024)
    power = (np.abs(np.fft.rfft(blocks * np.hanning(1024))) ** 2).mean(axis=0)
    hertz = np.fft.rfftfreq(1024, 1.0 / SAMPLE_RATE)

    def at(frequency):
        return 10 * np.log10(power[np.abs(hertz - frequency) < 40].mean())

    zero = PHONES["n"].antiformant
    assert zero is not None
    assert at(zero) < at(PHONES["n"].formants[2]) - 10.0


def test_stop_closes_then_bursts():
    segments = [
        PlacedPhone("a", 0, 3200, 0),
        PlacedPhone("t", 3200, 1920, 0),
        PlacedPhone("a", 5120, 3200, 0),
    ]
    samples = render(segments, np.full(8320, 120.0), STEADY, np.random.default_rng(0))

    def rms(start, end):
        return np.sqrt(np.mean(samples[start:end] ** 2))

    vowel, closure, burst = rms(1000, 2500), rms(3600, 4200), rms(4330, 4520)
    assert closure < 0.02 * vowel
    assert burst > 3 * closure


def test_silence_is_silent_without_a_room():
    spoken = speak(["naez"], STEADY, np.random.default_rng(1))
    first = spoken.segments[0]
    assert first.phone == SILENCE
    quiet = spoken.samples[: first.n_samples // 2]
    assert np.abs(quiet).max() < 1e-9 * np.abs(spoken.samples).max()


def test_jitter_and_shimmer_vary_the_pulses_and_only_them():
    f0 = np.full(SAMPLE_RATE, 100.0)
    steady = replace(STEADY, tilt=0.0)

    def pulses(**options):
        rng = np.random.default_rng(3)
        derivative, _ = glottal_source(f0, replace(steady, **options), rng)
        # The closure is the steepest fall of each cycle.
        cycles = derivative[80:-80].reshape(-1, 160)
        return cycles.argmin(axis=1), cycles.min(axis=1)

    places, depths = pulses()
    assert np.ptp(places) <= 1
    np.testing.assert_allclose(depths, -1.0, rtol=0.06)
    places, _ = pulses(jitter=0.02)
    # Openings move by 2 % of 160 samples, independently; a closure lies at 60 % between two.
    assert np.std(places) == pytest.approx(3.2 * np.hypot(0.4, 0.6), rel=0.2)
    _, depths = pulses(shimmer=0.1)
    assert np.std(depths) == pytest.approx(0.1, rel=0.25)


def test_rosenberg_pulse_opens_slowly_and_closes_fast():
    phase = np.linspace(0.0, 1.0, 1001)
    flow = rosenberg_flow(phase, open_quotient=0.6, speed_quotient=2.0)
    assert phase[np.argmax(flow)] == pytest.approx(0.4, abs=1e-3)
    assert flow.max() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(flow[phase > 0.6], 0.0, rtol=0, atol=1e-12)
    slope = np.diff(flow)
    assert -slope.min() > 1.9 * slope.max()


def test_filtering_by_frames_equals_a_recursive_filter_where_the_tract_stands_still():
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    source = rng.standard_normal(5000)
    pairs = quadratic(np.array([500.0, 1500.0, 2500.0]), np.array([90.0, 110.0, 170.0]))
    polynomial = cascade(np.tile(pairs, (n_frames(5000), 1, 1)))
    spectra = np.fft.rfft(cut(source), n=ECHO) / response(polynomial)
    found = overlap_add(np.fft.irfft(spectra, n=ECHO), 5000)
    a = np.polymul(np.polymul(pairs[0], pairs[1]), pairs[2])
    expected = lfilter([1.0], a, source)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000])
def test_frames_sum_to_the_source(n):
    source = np.random.default_rng(0).standard_normal(n)
    found = overlap_add(np.fft.irfft(np.fft.rfft(cut(source), n=ECHO), n=ECHO), n)
    np.testing.assert_allclose(found, source, rtol=0, atol=1e-12)


def test_formants_move_without_jumps_and_reach_their_targets():
    segments = [PlacedPhone("a", 0, 3200, 0), PlacedPhone("i", 3200, 3200, 0)]
    at = np.arange(0.0, 6401.0, 64.0)
    tracks = articulate(segments, STEADY, at=at)
    second = tracks.formants[:, 1]
    assert np.abs(np.diff(second)).max() < 100.0
    # A vowel yields a tenth to its neighbour.
    a, i = PHONES["a"].formants[1], PHONES["i"].formants[1]
    assert second[20] == pytest.approx(0.9 * a + 0.1 * i)
    assert second[-20] == pytest.approx(0.9 * i + 0.1 * a)


def test_consonant_leans_towards_its_vowels_as_its_locus_equation_says():
    def onset(vowel):
        segments = [PlacedPhone("d", 0, 1600, 0), PlacedPhone(vowel, 1600, 3200, 0)]
        return articulate(segments, STEADY, at=np.array([700.0])).formants[0, 1]

    yielding = PHONES["d"].yielding
    difference = PHONES["i"].formants[1] - PHONES["u"].formants[1]
    assert onset("i") - onset("u") == pytest.approx(yielding * difference, rel=1e-6)


def test_phones_of_an_utterance_follow_each_other_without_a_gap():
    words = ["rikae", "shaihe", "fatus"]
    segments = lay_out(words, np.random.default_rng(0), pause=1.0)
    assert segments[0].start == 0
    for one, next_one in pairwise(segments):
        assert one.end == next_one.start
    said = [s.phone for s in segments if s.phone != SILENCE]
    assert said == [phone for word in words for phone in LEXICON[word]]
    assert [s.phone for s in segments].count(SILENCE) == 4
    assert min(s.n_samples for s in segments) > 0.02 * SAMPLE_RATE


def test_f0_contour_falls_and_stays_near_the_voice():
    voice = Voice(f0=200.0, f0_range=2.0)
    segments = lay_out(list(LEXICON)[:6], np.random.default_rng(0))
    f0 = intonation(segments, voice, np.random.default_rng(0))
    assert f0.shape == (segments[-1].end,)
    assert f0[-1600:].mean() < f0[:8000].mean()
    assert 0.6 * 200.0 < f0.min() < f0.max() < 1.6 * 200.0


@pytest.mark.parametrize("snr", [5.0, 20.0, 35.0])
def test_noise_has_the_requested_power(snr):
    drawn = draw_session(np.random.default_rng(1))

    def spoken(level):
        session = SessionConditions(channel=drawn.channel, room=drawn.room, snr=level, level=-30.0)
        return speak(["rikae", "vumai"], STEADY, np.random.default_rng(2), session=session)

    clean, noisy = spoken(float("inf")), spoken(snr)
    speaking = np.zeros(len(clean.samples), dtype=bool)
    for s in clean.segments:
        speaking[s.start : s.end] = s.phone != SILENCE
    speech = np.mean(clean.samples[speaking] ** 2)
    noise = np.mean((noisy.samples - clean.samples) ** 2)
    assert 10 * np.log10(speech / noise) == pytest.approx(snr, abs=1e-6)
    assert 10 * np.log10(speech) == pytest.approx(-30.0, abs=1e-6)


def test_loud_recordings_are_turned_down_not_clipped():
    session = SessionConditions(level=0.0)
    spoken = speak(["rikae"], STEADY, np.random.default_rng(2), session=session)
    assert np.abs(spoken.samples).max() == pytest.approx(0.95)
    assert np.sum(np.abs(spoken.samples) > 0.949) < 5


def test_channel_has_the_requested_response_and_no_delay():
    knots = np.array([100.0, 1000.0, 4000.0])
    taps = linear_phase(knots, np.array([-6.0, 0.0, 6.0]))
    np.testing.assert_allclose(taps, taps[::-1], rtol=0, atol=1e-12)
    hertz = np.fft.rfftfreq(16000, 1.0 / SAMPLE_RATE)
    gain = 20 * np.log10(np.abs(np.fft.rfft(taps, 16000)))
    for frequency, level in [(1000.0, 0.0), (2000.0, 3.0), (4000.0, 6.0), (6000.0, 6.0)]:
        assert gain[hertz == frequency][0] == pytest.approx(level, abs=0.3)


def test_women_speak_higher_from_shorter_tracts():
    drawn = {
        sex: [draw_voice(sex, np.random.default_rng(i)) for i in range(40)] for sex in ("f", "m")
    }
    for what in ("f0", "formant_scale"):
        means = {sex: np.mean([getattr(v, what) for v in voices]) for sex, voices in drawn.items()}
        assert means["f"] > 1.1 * means["m"]
    scales = [v.formant_scale for v in drawn["m"]]
    assert 0.02 < np.std(scales) < 0.08


@pytest.mark.slow
def test_every_session_and_voice_drawn_is_usable():
    for seed in range(25):
        rng = np.random.default_rng(seed)
        voice = draw_voice("f" if seed % 2 else "m", rng)
        session = draw_session(rng)
        spoken = speak(["zuzai", "koraemau"], voice, rng, session=session)
        assert np.isfinite(spoken.samples).all()
        assert np.abs(spoken.samples).max() <= 0.95 + 1e-9


def test_vocabulary_covers_the_sounds_and_its_halves_share_no_word():
    assert set(ENROLMENT_WORDS).isdisjoint(TRIAL_WORDS)
    assert set(ENROLMENT_WORDS) | set(TRIAL_WORDS) == set(LEXICON)
    sounds = set(PHONES) - {SILENCE}
    assert len(sounds) == 30
    for half in (ENROLMENT_WORDS, TRIAL_WORDS):
        assert {phone for word in half for phone in LEXICON[word]} == sounds
    spellings = list(LEXICON.values())
    assert len(set(spellings)) == len(spellings)


def test_words_outside_the_lexicon_are_refused():
    with pytest.raises(InvalidInputError, match="lexicon, found 'hello'"):
        speak(["hello"], STEADY, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match="at least one word"):
        speak([], STEADY, np.random.default_rng(0))


def test_f0_of_another_length_is_refused():
    with pytest.raises(InvalidInputError, match=r"f0 must have shape \(100,\), found \(99,\)"):
        render([PlacedPhone("a", 0, 100, 0)], np.full(99, 100.0), STEADY, np.random.default_rng(0))
