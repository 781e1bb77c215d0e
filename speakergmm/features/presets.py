"""Named feature configurations."""

from typing import Any

# What Kaldi's MfccOptions give by default, dither off: use_energy with raw_energy, so that the
# first column is the log energy of the frame after removal of its mean. Frames, mel scale, floor
# and liftering of Kaldi are `FeatureConfig`'s own defaults.
_KALDI: dict[str, Any] = {
    "window": "povey",
    "n_filters": 23,
    "n_ceps": 12,
    "energy_position": "first",
}

# For speakers who are enrolled and tested with one device in one room: 19 cepstra and log energy,
# with two orders of deltas (60 columns); an energy rule for speech that suits short words. Filters
# and threshold were chosen on the dev lists of recipes/verification, whose RESULTS.md has the
# tables.
_SAME_SESSION: dict[str, Any] = {
    "n_filters": 40,
    "deltas": 2,
    "voice_activity": "energy",
    "vad_threshold": 4.5,
}

# Each as what it changes of `FeatureConfig`'s defaults.
PRESETS: dict[str, dict[str, Any]] = {
    # For speakers who are tested with other devices, in other rooms, or at other levels than they
    # were enrolled: the same cepstra, but nothing depends on the gain of a recording, and frames
    # count by their local signal-to-noise ratio. Background, enrolment and cohort should contain
    # such conditions, too.
    "speaker": {
        **_SAME_SESSION,
        "energy": "relative_log_energy",
        "vad_peak": 25.0,
        "vad_above_noise": 0.5,
        "frame_weights": "local_snr",
        "snr_midpoint": 2.0,
        "snr_slope": 1.0,
    },
    "speaker-same-session": _SAME_SESSION,
    "kaldi": _KALDI,
    # The HTK Book's MFCC_0: 26 filters over magnitudes, 12 cepstra, c0 last. Log energy can take
    # the place of c0, but without HTK's scaling to the loudest frame (ENORMALISE).
    "htk": {
        "remove_dc": False,
        "spectrum": "magnitude",
        "low_frequency": 0.0,
        "log_floor": 1.0,
        "n_ceps": 12,
        "cepstral_scale": "htk",
        "energy": "c0",
    },
    # For hidden Markov models of phones and words: Kaldi's thirteen cepstra, c0 among them, with
    # two orders of deltas (39 columns), of all frames. The acoustic model normalises speakers.
    "hmm": {**_KALDI, "energy": "c0", "deltas": 2},
    # librosa.feature.mfcc as it comes: 20 coefficients of which the first is c0.
    "librosa": {
        "sample_rate": 22050,
        "frame_length": 2048 / 22050,
        "frame_shift": 512 / 22050,
        "framing": "centred",
        "sample_scale": 1.0,
        "remove_dc": False,
        "pre_emphasis": 0.0,
        "window": "hann",
        "window_periodic": True,
        "n_fft": 2048,
        "n_filters": 128,
        "low_frequency": 0.0,
        "mel_scale": "slaney",
        "filter_slopes": "hertz",
        "filter_normalisation": "area",
        "logarithm": "decibel",
        "log_floor": 1e-10,
        "dynamic_range": 80.0,
        "lifter": 0,
        "energy": "c0",
        "energy_position": "first",
    },
}
