"""Descriptions of models of the Montreal Forced Aligner: ``meta.yaml`` and ``meta.json``.

Versions 1 and 2.0 have few fields, and no names of numbered phones; later ones state everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from speakergmm.documents import parse_json, parse_yaml
from speakergmm.errors import InvalidInputError
from speakergmm.recognition.imported.feature_options import ImportedFeatures, kaldi_features
from speakergmm.recognition.silence_model import SilenceModel

POSITIONS = ("_B", "_E", "_I", "_S")
"""Ends of the names of phones at the beginning, end and middle of words, and of words of one."""

# Sounds other than speech in versions that did not write the names of phones.
_SILENCES = ("sil", "sp", "spn")
_KALDI_NAMES = {
    "num_coefficients": "num-ceps", "low_frequency": "low-freq", "high_frequency": "high-freq",
}  # fmt: skip
_PASSED = (
    "use_energy", "frame_shift", "frame_length", "snip_edges", "low_frequency", "high_frequency",
    "sample_frequency", "energy_floor", "num_coefficients", "num_mel_bins", "cepstral_lifter",
    "preemphasis_coefficient",
)  # fmt: skip
_LACKING = {
    "pitch": "pitch", "use_pitch": "pitch", "use_voicing": "voicing", "uses_voiced": "voicing",
    "use_delta_pitch": "pitch",
}  # fmt: skip
_TRUE = ("true", "True", "yes")


@dataclass(frozen=True)
class MfaMeta:
    """Description of a model: its phones, its features and its pauses.

    Parameters
    ----------
    version : str
        Version of the program that trained it.
    phones : tuple of str
        Its phones, without positions and silences.
    features : ImportedFeatures
        Its features.
    silence : SilenceModel
        Names and probabilities of pauses.
    unknown : tuple of str
        The word for unknown words, and its phone.
    """

    version: str
    phones: tuple[str, ...]
    features: ImportedFeatures
    silence: SilenceModel
    unknown: tuple[str, str]

    @classmethod
    def parse(cls, name: str, content: bytes, *, spliced: bool = False) -> MfaMeta:
        """Read ``meta.json`` or ``meta.yaml``.

        With a transform (``lda.mat``), frames are `spliced` whatever it states.

        Raises
        ------
        InvalidInputError
            If it cannot be parsed, or states what this package lacks: it is named.
        """
        read = parse_json if name.endswith(".json") else parse_yaml
        found = _as_texts(read(content))
        if not isinstance(found, dict):
            raise InvalidInputError("must hold a table of fields")
        kind = found.get("architecture", "gmm-hmm")
        if kind != "gmm-hmm":
            raise InvalidInputError(f"architecture {str(kind)[:40]!r} is not supported: gmm-hmm is")
        phones = found.get("phones", [])
        if not isinstance(phones, list) or not all(isinstance(phone, str) for phone in phones):
            raise InvalidInputError("phones must be a list of names")
        words = found.get("dictionaries")
        words = words if isinstance(words, dict) else {}
        return cls(
            str(found.get("version", "unknown"))[:60],
            tuple(phones),
            _features(found.get("features", "mfcc+deltas"), spliced),
            SilenceModel(
                _text(found, "optional_silence_phone", "sil"),
                _probability(found, "silence_probability"),
                _probability(found, "initial_silence_probability"),
            ),
            (_text(words, "oov_word", "<unk>"), _text(found, "oov_phone", "spn")),
        )

    def numbered_phones(self, n_phones: int) -> dict[int, str]:
        """Return the names of numbered phones in versions that did not write them.

        Raises
        ------
        InvalidInputError
            If they are as many as neither with nor without positions.
        """
        spoken = sorted(set(self.phones) - set(_SILENCES))
        silences = [name for base in _SILENCES for name in (base, *(base + p for p in POSITIONS))]
        placed = [*silences, *(phone + place for phone in spoken for place in POSITIONS)]
        for names in (placed, [*_SILENCES, *spoken]):
            if len(names) == n_phones:
                return dict(enumerate(names, start=1))
        raise InvalidInputError(
            f"the model has {n_phones} phones without names, its description {len(spoken)}: give "
            "phones.txt"
        )


def _features(found: Any, spliced: bool) -> ImportedFeatures:
    if isinstance(found, str):
        parts = found.split("+")
        if other := [part for part in parts if part not in ("mfcc", "deltas")]:
            raise InvalidInputError(f"features {', '.join(other)[:60]} are not supported")
        found = {"type": "mfcc", "uses_deltas": "true"}
    if not isinstance(found, dict) or found.get("type", "mfcc") != "mfcc":
        raise InvalidInputError("features must be a table of type mfcc")
    for name, what in _LACKING.items():
        if found.get(name) in _TRUE:
            raise InvalidInputError(f"features with {what} ({name}) are not supported")
    given = {"use-energy": "false"}
    for name in _PASSED:
        if found.get(name) not in (None, "null"):
            value = found[name]
            given[_KALDI_NAMES.get(name, name.replace("_", "-"))] = str(value)
    if found.get("uses_cmvn", "true") not in _TRUE:
        given["norm-means"] = "false"
    # Where a transform is learnt, frames are spliced whatever else is stated.
    adapted = any(found.get(name) in _TRUE for name in ("uses_speaker_adaptation", "lda"))
    if spliced or adapted or found.get("uses_splices") in _TRUE:
        for name, side in (("left-context", "left"), ("right-context", "right")):
            given[name] = str(found.get(f"splice_{side}_context", 3))
    return kaldi_features({name: value.lower() for name, value in given.items()})


def _as_texts(value: Any) -> Any:
    """Return the content of a document with texts in place of all single values, as YAML has it."""
    if isinstance(value, dict):
        return {name: _as_texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_texts(each) for each in value]
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(found: dict[str, Any], name: str, default: str) -> str:
    value = found.get(name, default)
    return value if isinstance(value, str) and value not in ("", "null") else default


def _probability(found: dict[str, Any], name: str) -> float:
    value = _text(found, name, "0.5")
    try:
        return float(value)
    except ValueError:
        raise InvalidInputError(f"{name} must be a number, found {value[:40]!r}") from None
