"""The configuration of feature extraction: a flat, frozen record of checked options."""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from speakergmm.errors import InvalidTypeError
from speakergmm.features.configuration_files import read_configuration
from speakergmm.features.grid import FrameGrid
from speakergmm.features.presets import PRESETS
from speakergmm.names_elsewhere import name_hint
from speakergmm.options import Options, one_of, real, text, whole, yes_no
from speakergmm.ranges import choice, number, whole_number, wrong_type

Kind = Literal["mfcc", "lfcc"]
Framing = Literal["inside", "centred"]
WindowFunction = Literal["hamming", "hann", "povey", "rectangular"]
Spectrum = Literal["power", "magnitude"]
MelScale = Literal["htk", "slaney"]
FilterSlopes = Literal["mel", "hertz"]
FilterNormalisation = Literal["none", "area"]
Logarithm = Literal["natural", "decibel"]
CepstralScale = Literal["orthonormal", "htk"]
Energy = Literal["none", "c0", "log_energy", "relative_log_energy"]
EnergyPosition = Literal["first", "last"]
VoiceActivity = Literal["none", "energy", "two_gaussian"]
FrameWeighting = Literal["none", "local_snr"]
Normalisation = Literal[
    "none", "mean", "mean_variance", "sliding_mean", "sliding_mean_variance", "warping"
]

# Part of the digest: to be raised when the same configuration begins to yield other numbers.
_NUMBERS_VERSION = 1
# Fields that are younger than digests in existing files, which leave them out at their defaults.
_YOUNGER = (
    "frequency_warp",
    "vad_peak",
    "vad_above_noise",
    "frame_weights",
    "snr_midpoint",
    "snr_slope",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig(Options):
    """Configuration of feature extraction: how features are computed from samples.

    The steps, in order: frames, log filter energies, cepstra (with energy), RASTA filter, deltas,
    normalisation, speech mask. `preset` and `load` return whole configurations.

    Parameters
    ----------
    name : str
        Name of the configuration for people; not part of `digest`.
    kind : {"mfcc", "lfcc"}
        Filters evenly spaced on a mel scale, or in Hz.
    sample_rate : int
        Sampling rate in Hz, to which other audio is converted.
    frame_length, frame_shift : float
        Length and distance of frames in seconds, rounded to whole samples. The shift must not
        exceed the length.
    framing : {"inside", "centred"}
        Only frames that lie entirely inside the audio (Kaldi's ``snip_edges``), or frames centred
        on multiples of the shift in audio padded with zeros (librosa's ``center``).
    sample_scale : float
        Factor applied to samples in [-1, 1]; 32768 yields the 16-bit units of HTK and Kaldi.
    remove_dc : bool
        Subtract the mean of each frame.
    pre_emphasis : float
        Coefficient c of x[t] - c x[t-1] within each frame, 0 to 1; the first sample becomes
        (1 - c) x[0].
    window : {"hamming", "hann", "povey", "rectangular"}
        Window function; ``povey`` is Hann to the power 0.85.
    window_periodic : bool
        Let the period of the window be its length (periodic), not its length - 1 (symmetric).
    n_fft : int or None
        Points of the Fourier transform; None for the smallest power of two that holds a frame.
    spectrum : {"power", "magnitude"}
        Spectrum that the filters sum.
    n_filters : int
        Number of triangular filters.
    low_frequency, high_frequency : float
        Lower end of the first and upper end of the last filter, in Hz; `high_frequency` may be
        None for half the sampling rate.
    frequency_warp : float
        Factor by which filters are moved along the frequency axis, apart from their upper end: the
        voice of a vocal tract shorter by that factor; see `filterbank.warped_frequency`.
    mel_scale : {"htk", "slaney"}
        Logarithmic throughout, or linear below 1 kHz; used by MFCC.
    filter_slopes : {"mel", "hertz"}
        Scale on which an MFCC filter is a triangle; LFCC filters are triangles in Hz.
    filter_normalisation : {"none", "area"}
        Filters with peak 1, or with area 1 (over Hz).
    logarithm : {"natural", "decibel"}
        ln, or 10 log10.
    log_floor : float
        Value to which filter energies and frame energies are raised before the logarithm.
    dynamic_range : float or None
        Log filter energies are raised to at least the maximum of the recording minus this value.
    n_ceps : int
        Number of cepstra c1, c2, ...; c0 is chosen by `energy`.
    cepstral_scale : {"orthonormal", "htk"}
        Scale of the cosine transform; the two differ in c0 only, by a factor of sqrt(2).
    lifter : int
        L of the cepstral weights 1 + L/2 sin(pi n / L); 0 for none.
    energy : {"none", "c0", "log_energy", "relative_log_energy"}
        Energy column beside the cepstra; log energy is the natural logarithm of the energy of the
        frame before pre-emphasis and window. Relative log energy is counted from the peak of the
        recording (the 98th percentile of energies averaged over three frames, or that of the speech
        where there is little in long noise; see `RecordingLevel`), whatever its gain; it is at
        least -20 nats.
    energy_position : {"first", "last"}
        Place of that column among the static features.
    rasta : bool
        Band-pass filter each static feature over time (Hermansky and Morgan 1994). The
        coefficients are per frame: designed for a shift of 10 ms (pole 0.98, -3 dB at 0.3 and
        13 Hz), the filter has frequencies in inverse proportion to another `frame_shift`.
    deltas : {0, 1, 2}
        Highest order of the time derivatives that are appended.
    delta_window : int
        Frames on each side in the regression.
    voice_activity : {"none", "energy", "two_gaussian"}
        Rule that marks frames of speech; with ``none``, all frames are speech.
    vad_threshold, vad_mean_scale : float
        A frame is loud if its log energy exceeds threshold + scale * mean log energy of the
        recording, in nats of 16-bit units whatever `sample_scale` is.
    vad_context : int
        Frames on each side that vote.
    vad_proportion : float
        A frame is speech if more than this share of the voting frames is loud; 0 to 1.
    vad_hangover : float
        Seconds that remain speech after the last frame of speech.
    vad_floor : float
        Root mean square, in 16-bit units, to which quieter frames are raised, so that digital
        silence does not lower the mean.
    vad_peak : float or None
        Log energy, in nats of 16-bit units, to which the peak of the recording is moved before the
        rule is applied: frames are loud whatever the gain of the recording. None leaves the level
        as it is; so does a peak below four times `vad_floor`, which is silence.
    vad_above_noise : float or None
        Nats by which a loud frame also exceeds the noise, the mean energy of the quietest quarter
        of the frames: steady noise is not speech, nor is anything in a recording of nothing else.
    vad_posterior : float
        With ``two_gaussian``, probability of the louder Gaussian above which a frame is loud.
    vad_separation : float
        With ``two_gaussian``, least distance of the two means, in nats; if they are closer, they
        are taken for one Gaussian, and the rule ``energy`` decides.
    frame_weights : {"none", "local_snr"}
        Weights with which frames count in models and scores: all alike, or by their local
        signal-to-noise ratio s as 1 / (1 + exp(-(s - midpoint) / slope)); see
        `frame_weights.LocalSnr`.
    snr_midpoint, snr_slope : float
        Ratio at which a frame counts half, and slope, in nats.
    normalisation : {"none", "mean", "mean_variance", "sliding_mean", "sliding_mean_variance", \
"warping"}
        Normalisation over the recording, or over a sliding window of `normalisation_window`
        seconds. If voice activity is detected, statistics are those of the speech frames.
        ``warping`` is short-time Gaussianisation.
    normalisation_window : float
        Length of the sliding window, in seconds.

    Notes
    -----
    Normalisation, RASTA and filters from 300 to 3400 Hz help if enrolment and test differ in their
    channel, and cost more than they bring where they do not. Equal error rates in percent on the
    words of dspspeech20, with 64 components and ``speaker-same-session``, enrolment clean and tests
    as they are; through a telephone (300-3400 Hz, mu-law); in babble at 10 dB; and 12 dB quieter:

    =================================  =====  =========  ======  ======
    change                             clean  telephone  babble  -12 dB
    =================================  =====  =========  ======  ======
    none                               2.2    28.6       35.3    4.9
    ``normalisation="mean"``           5.5    19.6       40.7    7.2
    ``normalisation="warping"``        6.8    19.6       29.3    6.9
    ``rasta=True``                     5.7    21.1       40.7    5.8
    300-3400 Hz and ``"mean"``         8.7    10.3       40.7    10.0
    =================================  =====  =========  ======  ======

    None of them cures babble or a change of level; the latter is cured by `vad_peak` and
    ``energy="relative_log_energy"``: 2.6, 27.1, 33.9 and 2.5 in a study of its own code. There,
    background and enrolment in several conditions gave 2.5, 9.6, 24.3 and 2.5; the mean removed
    from these cost more than it brought (4.8, 12.2, 22.6, 5.4), and the band was a choice for the
    telephone alone (3.7, 5.0, 30.1, 3.6).

    Raises
    ------
    InvalidInputError
        If a value lies outside its range; the message names the field.

    Examples
    --------
    >>> config = FeatureConfig.preset("kaldi").replace(deltas=2)
    >>> config.n_ceps, config.deltas
    (12, 2)
    >>> config == FeatureConfig.from_dict(config.to_dict())
    True
    """

    name: str = text("custom", "Name of the configuration.")
    kind: Kind = one_of("mfcc", get_args(Kind), "Scale on which the filters are evenly spaced.")
    sample_rate: int = whole(16000, "Sampling rate, in Hz.", least=100, most=1_000_000)
    frame_length: float = real(0.025, "Frame length, in seconds.", least=1e-4, most=10.0)
    frame_shift: float = real(0.010, "Frame shift, in seconds.", least=1e-5, most=10.0)
    framing: Framing = one_of("inside", get_args(Framing), "Frames at the ends of the audio.")
    sample_scale: float = real(32768.0, "Factor applied to samples.", least=1e-6, most=1e9)
    remove_dc: bool = yes_no(True, "Subtract the mean of each frame.")
    pre_emphasis: float = real(0.97, "Coefficient of pre-emphasis.", least=0.0, most=1.0)
    window: WindowFunction = one_of("hamming", get_args(WindowFunction), "Window function.")
    window_periodic: bool = yes_no(False, "Use a periodic window.")
    n_fft: int | None = whole(
        None, "Points of the Fourier transform.", least=2, most=1 << 20, optional=True
    )
    spectrum: Spectrum = one_of("power", get_args(Spectrum), "Spectrum that the filters sum.")
    n_filters: int = whole(26, "Number of filters.", most=1000)
    low_frequency: float = real(20.0, "Lower end of the filters, in Hz.", least=0.0, most=1e6)
    high_frequency: float | None = real(
        None, "Upper end of the filters, in Hz.", least=0.0, most=1e6, optional=True
    )
    frequency_warp: float = real(1.0, "Factor that moves the filters.", least=0.5, most=2.0)
    mel_scale: MelScale = one_of("htk", get_args(MelScale), "Mel scale.")
    filter_slopes: FilterSlopes = one_of(
        "mel", get_args(FilterSlopes), "Scale on which a filter is a triangle."
    )
    filter_normalisation: FilterNormalisation = one_of(
        "none", get_args(FilterNormalisation), "Normalisation of the filters."
    )
    logarithm: Logarithm = one_of("natural", get_args(Logarithm), "Logarithm of the energies.")
    log_floor: float = real(2.0**-23, "Least energy before the logarithm.", least=1e-30, most=1e10)
    dynamic_range: float | None = real(
        None, "Range of log filter energies below the maximum.", least=0.0, most=1e4, optional=True
    )
    n_ceps: int = whole(19, "Number of cepstra without c0.", least=0, most=999)
    cepstral_scale: CepstralScale = one_of(
        "orthonormal", get_args(CepstralScale), "Scale of the cosine transform."
    )
    lifter: int = whole(22, "Parameter of the lifter; 0 for none.", least=0, most=10_000)
    energy: Energy = one_of("log_energy", get_args(Energy), "Energy column beside the cepstra.")
    energy_position: EnergyPosition = one_of(
        "last", get_args(EnergyPosition), "Place of the energy column."
    )
    rasta: bool = yes_no(False, "Band-pass filter static features over time.")
    deltas: int = whole(0, "Highest order of deltas.", least=0, most=2)
    delta_window: int = whole(2, "Frames on each side in the regression of deltas.", most=100)
    voice_activity: VoiceActivity = one_of(
        "none", get_args(VoiceActivity), "Rule that marks frames of speech."
    )
    vad_threshold: float = real(5.5, "Threshold of log energy, in nats.", least=-1e3, most=1e3)
    vad_mean_scale: float = real(
        0.5, "Factor of the mean log energy in the threshold.", least=0.0, most=10.0
    )
    vad_context: int = whole(2, "Frames on each side that vote.", least=0, most=1000)
    vad_proportion: float = real(
        0.12, "Share of loud frames above which a frame is speech.", least=0.0, most=1.0
    )
    vad_hangover: float = real(
        0.0, "Seconds of speech appended to each stretch of speech.", least=0.0, most=10.0
    )
    vad_floor: float = real(
        1.0, "Least root mean square of a frame, in 16-bit units.", least=1e-3, most=1e4
    )
    vad_peak: float | None = real(
        None, "Log energy to which the peak is moved.", least=0.0, most=40.0, optional=True
    )
    vad_above_noise: float | None = real(
        None, "Least distance of speech from the noise, in nats.", most=40.0, optional=True
    )
    vad_posterior: float = real(
        0.5, "Posterior probability above which a frame is loud.", least=0.01, most=0.99
    )
    vad_separation: float = real(
        2.0, "Least distance of the two Gaussians, in nats.", least=0.0, most=100.0
    )
    frame_weights: FrameWeighting = one_of(
        "none", get_args(FrameWeighting), "Weights with which frames count."
    )
    snr_midpoint: float = real(
        1.0, "Ratio at which a frame counts half, in nats.", least=-40.0, most=40.0
    )
    snr_slope: float = real(0.5, "Slope of the weights, in nats.", least=0.01, most=100.0)
    normalisation: Normalisation = one_of(
        "none", get_args(Normalisation), "Normalisation of the features."
    )
    normalisation_window: float = real(
        3.0, "Length of the sliding window, in seconds.", least=0.01, most=600.0
    )

    @classmethod
    def _right_call(cls, value: object) -> str:
        return (
            f"got {value!r}; FeatureConfig.load(name) takes a preset "
            f"({', '.join(PRESETS)}) or a file, FeatureConfig(name=value, ...) single values"
        )

    @classmethod
    def _unknown(cls, name: str) -> InvalidTypeError:
        hint = name_hint(name, list(cls.declarations()))
        if name == "preset":
            hint = "; FeatureConfig.preset(name).replace(...) changes values of a preset"
        hint = hint or f"; the fields are {', '.join(cls.declarations())}"
        return InvalidTypeError(f"{name!r} is not a field of a feature configuration{hint}")

    def __post_init__(self) -> None:
        self.check_fields()
        self._check_together()

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return a configuration by its name.

        It is ``speaker``, ``speaker-same-session``, ``hmm``, ``kaldi``, ``htk`` or ``librosa``.

        Raises
        ------
        InvalidInputError
            If there is no preset of that name.

        Notes
        -----
        ``kaldi`` and ``librosa`` equal kaldi-native-fbank and librosa up to the rounding of
        float32. On speech, cepstra of ``kaldi`` differ by at most 3e-5 in the median, by less than
        2e-3 almost everywhere, and by up to 2e-2 in frames in which some filters hold ten decades
        less energy than others, as in a fricative: there both programs lose digits, and neither is
        closer to the result in float64. Those of ``librosa`` differ by less than 2e-6 of the
        largest value.
        """
        return cls(name=name, **PRESETS[choice("preset", name, PRESETS)])

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """Return a preset by its name, or read a configuration from a file.

        Parameters
        ----------
        name_or_path : str or path-like
            Name of a preset, or a TOML or JSON file whose keys are fields; its key ``preset``
            names the configuration that the other keys change. A warning is issued if there is no
            such key and fields are missing: these have the defaults of this class.

        Raises
        ------
        InvalidInputError
            If it is neither, cannot be parsed, or holds an unknown field or a bad value.
        InvalidTypeError
            If it is neither a name nor a path.
        """
        if not isinstance(name_or_path, str | os.PathLike):
            wanted = f"a FeatureConfig, a preset ({', '.join(PRESETS)}) or a file"
            remedy = "; give its .features" if hasattr(name_or_path, "features") else ""
            raise wrong_type(name_or_path, wanted, remedy)
        if isinstance(name_or_path, str) and name_or_path in PRESETS:
            return cls.preset(name_or_path)
        with read_configuration(name_or_path) as found:
            base = found.pop("preset", None)
            config = cls() if base is None else cls.preset(base)
            config = config.replace(**found)
        if base is None and len(found) < len(cls.declarations()):
            warnings.warn(
                f"{os.fspath(name_or_path)}: no preset, so it changes static MFCC without "
                'voice activity detection; preset = "speaker" changes the preset of speakers',
                stacklevel=2,
            )
        return config

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a configuration from a mapping of fields; fields that are missing have defaults.

        Raises
        ------
        InvalidInputError
            If a key is not a field, or a value is not allowed.
        """
        return cls(**{str(name): value for name, value in values.items()})

    def replace(self, /, **changes: Any) -> Self:
        """Return a copy with some fields changed.

        Raises
        ------
        InvalidInputError
            If a name is not a field, or a value is not allowed.
        """
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, as JSON can hold them."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of everything that changes the numbers."""
        values = self.to_dict()
        del values["name"]
        for field in fields(self):
            if field.name in _YOUNGER and values[field.name] == field.default:
                del values[field.name]
        canonical = json.dumps({"version": _NUMBERS_VERSION, **values}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def frame_samples(self) -> int:
        """Frame length in samples."""
        return round(self.frame_length * self.sample_rate)

    @property
    def shift_samples(self) -> int:
        """Frame shift in samples."""
        return round(self.frame_shift * self.sample_rate)

    @property
    def padding_samples(self) -> int:
        """Number of zeros put before and after the samples."""
        return self.frame_samples // 2 if self.framing == "centred" else 0

    def count_frames(self, n_samples: int) -> int:
        """Return the number of frames in so many samples at the rate of the configuration."""
        n_samples += 2 * self.padding_samples
        return max(0, 1 + (n_samples - self.frame_samples) // self.shift_samples)

    def grid(self, n_frames: int, *, first: int = 0) -> FrameGrid:
        """Return the times of `n_frames` frames of a recording, beginning with frame `first`."""
        rate = self.sample_rate
        start = (first * self.shift_samples - self.padding_samples) / rate
        return FrameGrid(self.frame_samples / rate, self.shift_samples / rate, start, n_frames)

    @property
    def fft_points(self) -> int:
        """Number of points of the Fourier transform."""
        return self.n_fft or 1 << (self.frame_samples - 1).bit_length()

    @property
    def top_frequency(self) -> float:
        """Upper end of the filters, in Hz."""
        return self.sample_rate / 2 if self.high_frequency is None else self.high_frequency

    def _check_together(self) -> None:
        """Raise an error if fields contradict each other."""
        shift, length = self.shift_samples, self.frame_samples
        whole_number(f"frame_shift, {self.frame_shift} s in samples,", shift, least=2, most=length)
        whole_number(f"n_fft, for frames of {length} samples,", self.fft_points, least=length)
        name = f"high_frequency, at {self.sample_rate} Hz,"
        number(name, self.top_frequency, above=self.low_frequency, most=self.sample_rate / 2)
        least = 1 if self.energy == "none" else 0
        name = f"n_ceps, with {self.n_filters} filters and energy {self.energy!r},"
        whole_number(name, self.n_ceps, least=least, most=self.n_filters - 1)


def as_feature_config(features: FeatureConfig | str | os.PathLike[str]) -> FeatureConfig:
    """Return a configuration that is given as such, by the name of a preset, or as a file."""
    return features if isinstance(features, FeatureConfig) else FeatureConfig.load(features)
