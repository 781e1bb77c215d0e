"""Options of Kaldi's features, as its programs take them, and the configurations that they are."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureConfig, FeatureNormalisation
from speakergmm.text_files import stated_number

T = TypeVar("T")


@dataclass(frozen=True)
class ImportedFeatures:
    """Features of a model of Kaldi.

    Parameters
    ----------
    config : FeatureConfig
        Configuration of cepstra and deltas; without dither, which Kaldi's programs add.
    normalisation : FeatureNormalisation
        Normalisation by speaker.
    splice : tuple of int or None
        Frames to the left and to the right that are joined before a transform; None for deltas.
    """

    config: FeatureConfig
    normalisation: FeatureNormalisation
    splice: tuple[int, int] | None = None


def kaldi_features(given: Mapping[str, str]) -> ImportedFeatures:
    """Return the features of options of Kaldi's programs.

    Parameters
    ----------
    given : mapping of str to str
        Options of ``compute-mfcc-feats``, ``apply-cmvn``, ``add-deltas`` and ``splice-feats`` by
        their names, such as ``{"use-energy": "false"}``; others are as Kaldi has them by default.

    Raises
    ------
    InvalidInputError
        If an option is unknown, or has a value of which this package has no features; it is named.

    Examples
    --------
    >>> kaldi_features({"use-energy": "false", "num-ceps": "20"}).config.n_ceps
    19
    """
    read = _Options(given)
    rate = read.whole("sample-frequency", 16000)
    high = read.real("high-freq", 0.0)
    with_energy = read.flag("use-energy", True)
    length = read.real("frame-length", 25.0) / 1000
    n_ceps = read.whole("num-ceps", 13)
    changes: dict[str, Any] = {
        "name": "imported",
        "sample_rate": rate,
        "frame_length": length,
        "frame_shift": read.real("frame-shift", 10.0) / 1000,
        "pre_emphasis": read.real("preemphasis-coefficient", 0.97),
        "remove_dc": read.flag("remove-dc-offset", True),
        "window": read.choice("window-type", _WINDOWS, "povey"),
        "n_fft": None if read.flag("round-to-power-of-two", True) else round(length * rate),
        "n_filters": read.whole("num-mel-bins", 23),
        "low_frequency": read.real("low-freq", 20.0),
        "high_frequency": None if high == 0 else high if high > 0 else rate / 2 + high,
        "n_ceps": n_ceps - 1,
        "lifter": read.whole("cepstral-lifter", 22),
        "energy": "log_energy" if with_energy else "c0",
        "deltas": read.whole("delta-order", 2),
        "delta_window": read.whole("delta-window", 2),
    }
    for name, value in (("snip-edges", True), ("raw-energy", True), ("htk-compat", False)):
        if read.flag(name, value) != value and (with_energy or name != "raw-energy"):
            raise InvalidInputError(f"--{name}={str(not value).lower()} is not supported")
    for name, least in (("energy-floor", 0.0), ("vtln-warp", 1.0)):
        if read.real(name, least) != least and (with_energy or name != "energy-floor"):
            raise InvalidInputError(f"--{name}={given[name]} is not supported")
    means = read.flag("norm-means", True)
    variances = read.flag("norm-vars", False)
    if variances and not means:
        raise InvalidInputError("--norm-means=false with --norm-vars=true is not supported")
    splice = None
    if "left-context" in given or "right-context" in given:
        splice = read.whole("left-context", 4), read.whole("right-context", 4)
        changes["deltas"] = 0
    read.check_names()
    config = FeatureConfig.preset("kaldi").replace(**changes)
    normalisation = FeatureNormalisation("speaker" if means else "none", variances)
    return ImportedFeatures(config, normalisation, splice)


def parse_options(text: str) -> dict[str, str]:
    r"""Return the options of a file such as ``mfcc.conf``: ``--name=value``, and comments after #.

    Raises
    ------
    InvalidInputError
        If a word is no such option; the message has its line.

    Examples
    --------
    >>> parse_options("--use-energy=false  # c0\n--num-ceps=20")
    {'use-energy': 'false', 'num-ceps': '20'}
    """
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InvalidInputError(f"line {number}: {error}") from None
        for word in words:
            name, _, value = word.removeprefix("--").partition("=")
            if not word.startswith("--") or not name:
                raise InvalidInputError(
                    f"line {number}: {word[:60]!r} is no option; one is --name=value"
                )
            found[name.replace("_", "-")] = value or "true"
    return found


_WINDOWS = {"povey": "povey", "hamming": "hamming", "hanning": "hann", "rectangular": "rectangular"}
# Options that change nothing of what is computed here: noise, messages, other channels, warping
# that is not used, and conversion of sampling rates, which is done in any case.
_WITHOUT_EFFECT = frozenset({
    "dither", "verbose", "print-args", "channel", "allow-downsample", "allow-upsample",
    "min-duration", "output-format", "write-utt2dur", "utt2spk", "subtract-mean", "debug-mel",
    "vtln-low", "vtln-high", "vtln-map", "blackman-coeff", "max-feature-vectors", "compress",
    "truncate", "skip-dims", "config",
})  # fmt: skip
_FLAGS = {"true": True, "false": False}


class _Options:
    """Options by name, each read once; the rest are unknown."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._read: set[str] = set()

    def real(self, name: str, default: float) -> float:
        return self._value(name, default, stated_number, "a number")

    def whole(self, name: str, default: int) -> int:
        return self._value(name, default, int, "a whole number")

    def flag(self, name: str, default: bool) -> bool:
        return self._value(name, default, _FLAGS.__getitem__, "true or false")

    def choice(self, name: str, values: Mapping[str, str], default: str) -> str:
        return self._value(name, default, values.__getitem__, f"one of {', '.join(values)}")

    def check_names(self) -> None:
        unknown = sorted(set(self._given) - self._read - _WITHOUT_EFFECT)
        if unknown:
            raise InvalidInputError(
                f"options of features that are not supported: {', '.join(unknown[:10])}"
            )

    def _value(self, name: str, default: T, read: Callable[[str], T], what: str) -> T:
        self._read.add(name)
        if name not in self._given:
            return default
        try:
            return read(self._given[name])
        except (ValueError, KeyError):
            raise InvalidInputError(
                f"--{name} must be {what}, found {self._given[name][:60]!r}"
            ) from None
