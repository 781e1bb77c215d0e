"""Settings of the model that ships; RESULTS.md has the tables by which they were chosen."""

from typing import Any

PRESET = "speaker"
N_COMPONENTS = 128
AUGMENTATION = "default"
SEED = 0

# Of the speaker models, and of the normalisation: chosen on the dev lists.
RELEVANCE_FACTOR = 3.0
NORMALISATION = "t"
COHORT_TOP = 40
COHORT_SPEAKERS = 60

# Words that are joined to one recording, and how many such recordings each speaker has.
ENROLMENT_LENGTHS = {1: 3, 3: 2, 10: 1}
TEST_LENGTHS = {1: 6, 3: 4, 10: 2}

# Conditions of the tests: the first ones are calibrated on, the last one was never simulated.
CALIBRATION_CONDITIONS = ("clean", "telephone", "babble", "noise", "reverberation", "gain")
# Half of the recordings that are enrolled are clean, the others in each of the other conditions.
ENROLMENT_CONDITIONS = tuple(
    name for other in CALIBRATION_CONDITIONS[1:] for name in ("clean", other)
)
REPORT_CONDITIONS = (*CALIBRATION_CONDITIONS, "codec")

MEASURES = ("channel_distance", "test_bandwidth_hz", "test_snr_db", "test_speech_seconds")
SHRINKAGE = 0.1
MOST_EVIDENCE = 2500
"""Trials of either kind that are kept in the file as evidence of the error rates."""

CORPORA = ("dspspeech20", "arabic_speech_commands")

SYSTEMS: tuple[dict[str, Any], ...] = (
    {"normalisation": "none"},
    *({"relevance_factor": factor} for factor in (3.0, 6.0, 10.0)),
)
MEASURE_SETS: tuple[tuple[str, ...], ...] = (
    (),
    ("test_speech_seconds", "enrolment_speech_seconds"),
    ("test_speech_seconds", "enrolment_speech_seconds", "test_snr_db", "enrolment_snr_db"),
    MEASURES,
    (*MEASURES, "enrolment_snr_db"),
    (*MEASURES, "enrolment_snr_db", "enrolment_bandwidth_hz"),
    (*MEASURES, "enrolment_snr_db", "enrolment_bandwidth_hz", "enrolment_speech_seconds"),
    (
        *("test_speech_seconds", "enrolment_speech_seconds", "test_snr_db", "enrolment_snr_db"),
        *("test_bandwidth_hz", "enrolment_bandwidth_hz", "channel_distance"),
        "test_background_log_likelihood",
    ),
)
TITLE = (
    "GMM-UBM of 250 speakers of LibriSpeech (as many women as men), with T-norm, for speech that "
    "is clean, by telephone, in babble or noise, in rooms, and at other levels"
)
MEASURED_ON = (
    "the eval lists of dspspeech20 and Arabic Speech Commands, single recordings of 1 to 10 words"
)
ATTRIBUTION = (
    "Trained on LibriSpeech, (c) 2014 by Vassil Panayotov, CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/), https://www.openslr.org/12; features and "
    "statistics of one utterance each of 250 speakers, changed by augmentation",
    "Calibrated on DSPSpeech-20, MIT licence, https://github.com/zhongyuchen/DSPSpeech-20",
    "Calibrated on Arabic Speech Commands, Abdulkader Ghandoura, CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/), "
    "https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset",
)
