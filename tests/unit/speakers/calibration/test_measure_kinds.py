"""Measures are compared with those of the calibration, in the words of the field."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.speakers import CalibrationTrials, MeasureRanges, fit_calibration

from .conftest import simulated_trials


@pytest.fixture(scope="module")
def calibration():
    """Studio recordings of words: 1 to 3 s, 20 to 40 dB, 7.2 to 8 kHz, -30 to -20 dB."""
    raw, rng = simulated_trials(6, 10), np.random.default_rng(0)
    ends = {
        "speech_seconds": (1, 3), "snr_db": (20, 40), "bandwidth_hz": (7200, 8000),
        "clipped": (0, 0), "level_db": (-30, -20), "background_log_likelihood": (-62, -58),
        "channel_distance": (0.1, 0.4), "test_pitch": (100, 200),
    }  # fmt: skip
    measures = {name: rng.uniform(*each, len(raw)) for name, each in ends.items()}
    return fit_calibration(
        CalibrationTrials(
            raw.scores, raw.is_target, raw.model_speakers, raw.test_speakers, measures
        )
    )


ORDINARY = {
    "speech_seconds": 2.0, "snr_db": 30.0, "bandwidth_hz": 7600.0, "clipped": 0.0,
    "level_db": -25.0, "background_log_likelihood": -60.0, "channel_distance": 0.2,
    "test_pitch": 150.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bandwidth_hz": 3400.0}, "bandwidth 3.4 kHz; calibration saw 7.2 to 8.0 kHz"),
        ({"snr_db": 5.0}, "signal-to-noise ratio 5 dB; calibration saw 20 to 40 dB"),
        ({"level_db": -55.0}, "level -55 dB; calibration saw -30 to -20 dB"),
        ({"level_db": 0.0}, "level 0 dB; calibration saw -30 to -20 dB"),
        ({"speech_seconds": 0.3}, "speech 0.3 s; calibration saw 1 to 3 s"),
        ({"clipped": 0.05}, "clipped samples 5 %; calibration saw 0 to 0 %"),
        ({"channel_distance": 2.0}, "channel distance 2; calibration saw 0.1 to 0.4"),
        (
            {"background_log_likelihood": -70.0},
            "log-likelihood per frame under the background model -70.0; "
            "calibration saw -62.0 to -58.0",
        ),
        ({"test_pitch": 400.0}, "test pitch 400; calibration saw 101 to 199"),
    ],
)
def test_an_odd_recording_is_unlike_for_one_reason(calibration, changes, reason):
    assert calibration.unlike(ORDINARY | changes) == (reason,)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"snr_db": 18.0},  # a step that nobody hears
        {"snr_db": 70.0},  # cleaner
        {"speech_seconds": 60.0},  # longer
        {"channel_distance": 0.0},
        {"background_log_likelihood": -50.0},
        {"level_db": -34.0},
        {"bandwidth_hz": 6900.0},
        {"unknown": 3.0},
    ],
)
def test_ordinary_recordings_and_better_ones_are_not_unlike(calibration, changes):
    assert calibration.unlike(ORDINARY | changes) == ()


def test_several_reasons_are_all_told(calibration):
    assert len(calibration.unlike(ORDINARY | {"snr_db": 0.0, "bandwidth_hz": 3400.0})) == 2


def test_a_recording_without_a_measure_is_refused(calibration):
    with pytest.raises(InvalidInputError, match="measure 'snr_db' is missing; the calibration nee"):
        calibration.unlike({name: 1.0 for name in ORDINARY if name != "snr_db"})


def recordings(rng, n_speakers, *, mean, between, within, n_recordings=20):
    """Measures of recordings of speakers, whose rooms differ, and the numbers of the speakers."""
    speakers = np.repeat(np.arange(n_speakers), n_recordings)
    rooms = rng.normal(mean, between, n_speakers)
    return rng.normal(rooms[speakers], within), speakers


@pytest.mark.parametrize("n_speakers", [4, 8, 20])
@pytest.mark.parametrize(("name", "mean", "far"), [("level_db", -25, -80), ("snr_db", 15, -30)])
def test_other_speakers_are_rarely_unlike_and_other_conditions_always(n_speakers, name, mean, far):
    """Rooms differ by 5 dB, recordings of one by 2 dB: few speakers do not show all rooms."""
    rng, n_unlike, n_far, n_draws = np.random.default_rng(0), 0, 0, 60
    for _ in range(n_draws):
        values, speakers = recordings(rng, n_speakers, mean=mean, between=5, within=2)
        seen = MeasureRanges.seen({name: values}, speakers, speakers)
        others, _ = recordings(rng, 10, mean=mean, between=5, within=2, n_recordings=3)
        n_unlike += sum(bool(seen.unlike({name: each})) for each in others)
        n_far += bool(seen.unlike({name: far}))
    # At most 1 % on either side are expected, and speakers rather than recordings are unlike.
    assert n_unlike / (30 * n_draws) < 0.03
    assert n_far / n_draws > 0.9 if n_speakers > 4 else n_far > 0


def test_no_noise_that_can_be_heard_is_no_difference():
    """The clean words of four speakers had no noise at all, those of others 40 dB."""
    clean, speakers = np.full(80, 60.0), np.repeat(np.arange(4), 20)
    seen = MeasureRanges.seen({"snr_db": clean}, speakers, speakers)
    assert not seen.unlike({"snr_db": 40.0})
    assert not seen.unlike({"snr_db": 30.0})
    assert seen.unlike({"snr_db": 20.0}) == (
        "signal-to-noise ratio 20 dB; calibration saw 60 to 60 dB",
    )


def test_enrolments_are_compared_over_the_speakers_of_models():
    rng = np.random.default_rng(1)
    models, tests = np.repeat(np.arange(12), 12), np.tile(np.arange(12), 12)
    seconds = rng.uniform(8, 12, 12)[models]
    name = "enrolment_speech_seconds"
    seen = MeasureRanges.seen({name: seconds}, models, tests)
    assert not seen.unlike({name: 7.0})
    assert seen.unlike({name: 1.0})[0].startswith("enrolment speech 1 s; calibration saw 8")


def test_of_watched_measures_those_count_that_are_known():
    raw, rng = simulated_trials(6, 10), np.random.default_rng(0)
    watched = {"test_level_db": rng.normal(-20, 1, 360), "test_clipped": np.zeros(360)}
    fields = (raw.scores, raw.is_target, raw.model_speakers, raw.test_speakers)
    calibration = fit_calibration(CalibrationTrials(*fields, watched=watched))
    assert calibration.unlike({}) == ()
    assert calibration.unlike({"test_level_db": -70.0})[0].startswith("test level -70 dB")
