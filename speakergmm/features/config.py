"""The configuration of feature extraction: one flat, frozen, validated record."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints

from speakergmm.documents import parse_json, parse_toml
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.features.fields import checked
from speakergmm.features.grid import FrameGrid
from speakergmm.features.presets import PRESETS
from speakergmm.files import UnreadableFileError, read_bytes, shown_path
from speakergmm.ranges import choice, number, whole_number, wrong_type

# Part of the digest: raise it when the same configuration begins to give other numbers.
_NUMBERS_VERSION = 1
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    """How features are computed from samples.

    Steps, in order: frames, log filter energies, cepstra (with energy), RASTA, deltas,
    normalisation, speech mask. `preset` and `load` give whole configurations.

    Attributes
    ----------
    name : str
        What a person calls it; has no part in `digest`.
    kind : {"mfcc", "lfcc"}
        Filters evenly spaced on a mel scale, or in Hz.
    sample_rate : int
        Hz; other audio is converted to it.
    frame_length, frame_shift : float
        Seconds; rounded to whole samples. The shift may not exceed the length.
    framing : {"inside", "centred"}
        Only frames that lie wholly inside the audio (Kaldi's ``snip_edges``), or frames centred on
        multiples of the shift over audio padded with zeros (librosa's ``center``).
    sample_scale : float
        Factor on samples in [-1, 1]; 32768 gives the 16-bit units of HTK and Kaldi.
    remove_dc : bool
        Subtract each frame's mean.
    pre_emphasis : float
        Coefficient c of x[t] - c x[t-1] within each frame, 0 to 1; the first sample becomes
        (1 - c) x[0].
    window : {"hamming", "hann", "povey", "rectangular"}
        Window function; ``povey`` is Hann to the power 0.85.
    window_periodic : bool
        Divide the circle by the window's length instead of length - 1.
    n_fft : int or None
        Points of the Fourier transform; None takes the power of two that holds the frame.
    spectrum : {"power", "magnitude"}
        What the filters sum up.
    n_filters : int
        Number of triangular filters.
    low_frequency, high_frequency : float
        Hz, ends of the filters; None as `high_frequency` is half the sampling rate.
    frequency_warp : float
        Factor by which filters are moved along the frequency axis, their upper end excepted: the
        voice of a vocal tract shorter by that factor; see `filterbank.warped_frequency`.
    mel_scale : {"htk", "slaney"}
        Logarithmic throughout, or linear below 1 kHz; used by MFCC.
    filter_slopes : {"mel", "hertz"}
        Scale on which an MFCC filter is a triangle; LFCC filters are triangles in Hz.
    filter_normalisation : {"none", "area"}
        Peak 1, or area 1 (over Hz).
    logarithm : {"natural", "decibel"}
        ln, or 10 log10.
    log_floor : float
        Least filter energy, and least frame energy, before the logarithm.
    dynamic_range : float or None
        Log filter energies are raised to no less than the recording's maximum minus this.
    n_ceps : int
        Number of cepstra c1, c2, ...; c0 comes with `energy`.
    cepstral_scale : {"orthonormal", "htk"}
        Scale of the cosine transform; they differ in c0 only, by a factor of sqrt(2).
    lifter : int
        L of the cepstral weights 1 + L/2 sin(pi n / L); 0 for none.
    energy : {"none", "c0", "log_energy"}
        What stands beside the cepstra; log energy is that of the frame before pre-emphasis and
        window, natural logarithm.
    energy_position : {"first", "last"}
        Its column among the static features.
    rasta : bool
        Band-pass filter each static feature over time (Hermansky and Morgan 1994). Its
        coefficients are per frame: made for a shift of 10 ms (pole 0.98, -3 dB at 0.3
        and 13 Hz), it is another filter at another `frame_shift`, its frequencies in inverse
        proportion to it.
    deltas : {0, 1, 2}
        Order of time derivatives appended.
    delta_window : int
        Frames on each side in the regression.
    voice_activity : {"none", "energy", "two_gaussian"}
        Rule that marks frames of speech; without one, all are.
    vad_threshold, vad_mean_scale : float
        A frame is loud if its log energy exceeds threshold + scale * mean log energy of the
        recording, in nats of 16-bit units whatever `sample_scale` is.
    vad_context : int
        Frames on each side that vote.
    vad_proportion : float
        A frame is speech if more than this part of the voters is loud; 0 to 1.
    vad_hangover : float
        Seconds that stay speech after the last frame of speech.
    vad_floor : float
        Root mean square, in 16-bit units, below which a frame counts as having just that: digital
        silence must not drag the mean down.
    vad_posterior : float
        With ``two_gaussian``, probability of the louder Gaussian above which a frame is loud.
    vad_separation : float
        With ``two_gaussian``, least distance of the two means, in nats; closer ones are taken for
        a single one, and the rule ``energy`` decides.
    normalisation : {"none", "mean", "mean_variance", "sliding_mean", "sliding_mean_variance", \
"warping"}
        Over the recording, or over `normalisation_window`; statistics are of speech frames where
        voice activity detection is on. ``warping`` is short-time Gaussianisation.
    normalisation_window : float
        Seconds.

    Raises
    ------
    InvalidInputError
        If a value lies outside what is allowed; names the field.

    Examples
    --------
    >>> config = FeatureConfig.preset("kaldi").replace(deltas=2)
    >>> config.n_ceps, config.deltas
    (12, 2)
    >>> config == FeatureConfig.from_dict(config.to_dict())
    True
    """

    name: str = "custom"
    kind: Literal["mfcc", "lfcc"] = "mfcc"
    sample_rate: Annotated[int, (100, 1_000_000)] = 16000
    frame_length: Annotated[float, (1e-4, 10.0)] = 0.025
    frame_shift: Annotated[float, (1e-5, 10.0)] = 0.010
    framing: Literal["inside", "centred"] = "inside"
    sample_scale: Annotated[float, (1e-6, 1e9)] = 32768.0
    remove_dc: bool = True
    pre_emphasis: Annotated[float, (0.0, 1.0)] = 0.97
    window: Literal["hamming", "hann", "povey", "rectangular"] = "hamming"
    window_periodic: bool = False
    n_fft: Annotated[int | None, (2, 1 << 20)] = None
    spectrum: Literal["power", "magnitude"] = "power"
    n_filters: Annotated[int, (1, 1000)] = 26
    low_frequency: Annotated[float, (0.0, 1e6)] = 20.0
    high_frequency: Annotated[float | None, (0.0, 1e6)] = None
    frequency_warp: Annotated[float, (0.5, 2.0)] = 1.0
    mel_scale: Literal["htk", "slaney"] = "htk"
    filter_slopes: Literal["mel", "hertz"] = "mel"
    filter_normalisation: Literal["none", "area"] = "none"
    logarithm: Literal["natural", "decibel"] = "natural"
    log_floor: Annotated[float, (1e-30, 1e10)] = 2.0**-23
    dynamic_range: Annotated[float | None, (0.0, 1e4)] = None
    n_ceps: Annotated[int, (0, 999)] = 19
    cepstral_scale: Literal["orthonormal", "htk"] = "orthonormal"
    lifter: Annotated[int, (0, 10_000)] = 22
    energy: Literal["none", "c0", "log_energy"] = "log_energy"
    energy_position: Literal["first", "last"] = "last"
    rasta: bool = False
    deltas: Annotated[int, (0, 2)] = 0
    delta_window: Annotated[int, (1, 100)] = 2
    voice_activity: Literal["none", "energy", "two_gaussian"] = "none"
    vad_threshold: Annotated[float, (-1e3, 1e3)] = 5.5
    vad_mean_scale: Annotated[float, (0.0, 10.0)] = 0.5
    vad_context: Annotated[int, (0, 1000)] = 2
    vad_proportion: Annotated[float, (0.0, 1.0)] = 0.12
    vad_hangover: Annotated[float, (0.0, 10.0)] = 0.0
    vad_floor: Annotated[float, (1e-3, 1e4)] = 1.0
    vad_posterior: Annotated[float, (0.01, 0.99)] = 0.5
    vad_separation: Annotated[float, (0.0, 100.0)] = 2.0
    normalisation: Literal[
        "none", "mean", "mean_variance", "sliding_mean", "sliding_mean_variance", "warping"
    ] = "none"
    normalisation_window: Annotated[float, (0.01, 600.0)] = 3.0

    def __new__(cls, /, *given: object, **named: object) -> Self:
        """Name the right call where a preset or a file is given, and the fields that there are."""
        if given:
            raise InvalidTypeError(
                f"got {given[0]!r}; FeatureConfig.load(name) takes a preset "
                f"({', '.join(PRESETS)}) or a file, FeatureConfig(name=value, ...) single values"
            )
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in named if name not in known]:
            raise InvalidInputError(
                f"{unknown[0]!r} is not a field of a feature configuration; "
                f"the fields are {', '.join(known)}"
            )
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            object.__setattr__(self, name, checked(name, getattr(self, name), hint))
        self._check_together()

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return a named configuration: ``speaker``, ``hmm``, ``kaldi``, ``htk`` or ``librosa``.

        Raises
        ------
        InvalidInputError
            If there is none of that name.

        Notes
        -----
        ``kaldi`` and ``librosa`` equal kaldi-native-fbank and librosa but for the rounding of
        float32. On speech, cepstra of ``kaldi`` differ by 3e-5 at most in the median, by less than
        2e-3 almost everywhere, and by up to 2e-2 in frames of which some filters hold ten decades
        less energy than others, as in a fricative: there both programs lose digits, and against
        float64 this one no more than the other. Those of ``librosa`` differ by less than 2e-6 of
        the largest.
        """
        return cls(name=name, **PRESETS[choice("preset", name, PRESETS)])

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """Return a preset by its name, or read a configuration from a file.

        Parameters
        ----------
        name_or_path : str or path-like
            A preset's name, or a TOML or JSON file whose keys are fields; its key ``preset``
            names the configuration that the others change.

        Raises
        ------
        InvalidInputError
            If it is neither, can't be parsed, or holds an unknown field or a bad value.
        InvalidTypeError
            If it is neither a name nor a path.
        """
        if not isinstance(name_or_path, str | os.PathLike):
            wanted = f"a FeatureConfig, a preset ({', '.join(PRESETS)}) or a file"
            remedy = "; give its .features" if hasattr(name_or_path, "features") else ""
            raise wrong_type(name_or_path, wanted, remedy)
        if isinstance(name_or_path, str) and name_or_path in PRESETS:
            return cls.preset(name_or_path)
        path = Path(name_or_path)
        try:
            text = read_bytes(path, limit=_LARGEST_FILE)
            found = parse_json(text) if path.suffix.lower() == ".json" else parse_toml(text)
            if not isinstance(found, dict):
                raise InvalidInputError(f"must hold a table of fields, not {type(found).__name__}")
            base = found.pop("preset", None)
            config = cls() if base is None else cls.preset(base)
            return config.replace(**{"name": path.stem, **found})
        except UnreadableFileError as error:
            if error.kind != "missing":
                raise InvalidInputError(str(error)) from None
            raise InvalidInputError(
                f"{error.shown_path!r} is neither a preset ({', '.join(PRESETS)}) nor a file"
            ) from None
        except InvalidInputError as error:
            raise InvalidInputError(f"{shown_path(path)}: {error}") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a configuration from fields; those left out have their defaults.

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
        # Fields younger than the digests that stand in files: no part of it while they do nothing.
        if values["frequency_warp"] == 1.0:
            del values["frequency_warp"]
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
        """Zeros put before and after the samples."""
        return self.frame_samples // 2 if self.framing == "centred" else 0

    def count_frames(self, n_samples: int) -> int:
        """Count the frames of a number of samples, at the rate of the configuration."""
        n_samples += 2 * self.padding_samples
        return max(0, 1 + (n_samples - self.frame_samples) // self.shift_samples)

    def grid(self, n_frames: int, *, first: int = 0) -> FrameGrid:
        """Return the times of frames from a recording's frame `first` on, by whole samples."""
        rate = self.sample_rate
        start = (first * self.shift_samples - self.padding_samples) / rate
        return FrameGrid(self.frame_samples / rate, self.shift_samples / rate, start, n_frames)

    @property
    def fft_points(self) -> int:
        """Points of the Fourier transform."""
        return self.n_fft or 1 << (self.frame_samples - 1).bit_length()

    @property
    def top_frequency(self) -> float:
        """Upper end of the filters, in Hz."""
        return self.sample_rate / 2 if self.high_frequency is None else self.high_frequency

    def _check_together(self) -> None:
        """Check what a field may be only in view of others."""
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
