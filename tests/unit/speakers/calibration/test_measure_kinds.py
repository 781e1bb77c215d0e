"""Measures are compared with those of the calibration, in the words of the field."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.speakers import CalibrationTrials, fit_calibration

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
