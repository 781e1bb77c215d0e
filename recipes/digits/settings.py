"""Settings that the recipe chooses on training recordings, and the candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from speakergmm.features import FeatureConfig
from speakergmm.hmm import Lexicon
from speakergmm.recognition import FeatureNormalisation, TrainingOptions

WARPS = (0.9, 1.0, 1.1)

# Models of phones in place of words: each digit as CMUdict would say it, two where people differ.
PHONES = Lexicon.from_dict(
    {
        "0": [("Z", "IH", "R", "OW"), ("Z", "IY", "R", "OW")],
        "1": [("W", "AH", "N")],
        "2": [("T", "UW")],
        "3": [("TH", "R", "IY")],
        "4": [("F", "AO", "R")],
        "5": [("F", "AY", "V")],
        "6": [("S", "IH", "K", "S")],
        "7": [("S", "EH", "V", "AH", "N")],
        "8": [("EY", "T")],
        "9": [("N", "AY", "N")],
    }
)


@dataclass(frozen=True)
class Settings:
    """Settings of training; RESULTS.md shows the tables."""

    scope: Literal["none", "utterance", "speaker"]
    gaussians_per_state: float
    n_states: int = 10
    phones: bool = False
    features: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lexicon(self) -> Lexicon | None:
        """Pronunciations, where phones are modelled."""
        return PHONES if self.phones else None

    def options(self, *, sample_rate: int, seed: int = 0) -> TrainingOptions:
        """Return the options of training."""
        features = {"sample_rate": sample_rate, **self.features}
        return TrainingOptions.for_words(
            features=FeatureConfig.preset("hmm").replace(**features),
            normalisation=FeatureNormalisation(self.scope),
            units="phones" if self.phones else "words",
            n_states=self.n_states,
            gaussians_per_state=self.gaussians_per_state,
            seed=seed,
            **self.training,
        )

    def but(self, **training: Any) -> "Settings":
        """Return the same with other options of training."""
        return replace(self, training={**self.training, **training})


# The usual split: the same six speakers in training and test, recording by recording.
KNOWN = Settings("none", 12.0)
# Synthetic speech has some ten recordings of a word: set by hand for that, chosen nowhere.
KNOWN_SYNTHETIC = replace(KNOWN, gaussians_per_state=2.0)
# A speaker unknown in training.
UNKNOWN = Settings("speaker", 2.0, training={"frequency_warps": WARPS, "max_iter": 12})

KNOWN_FACTORS: dict[str, dict[str, Settings]] = {
    "normalisation": {
        "speaker": replace(KNOWN, scope="speaker"),
        "utterance": replace(KNOWN, scope="utterance"),
    },
    "Gaussians per state": {f"{n:g}": replace(KNOWN, gaussians_per_state=n) for n in (6.0, 18.0)},
    "states": {str(n): replace(KNOWN, n_states=n) for n in (7, 14)},
}

UNKNOWN_FACTORS: dict[str, dict[str, Settings]] = {
    "normalisation": {
        "utterance": replace(UNKNOWN, scope="utterance"),
    },
    "frequency warps": {"none": UNKNOWN.but(frequency_warps=(1.0,))},
    "Gaussians per state": {f"{n:g}": replace(UNKNOWN, gaussians_per_state=n) for n in (1.0, 4.0)},
    "states": {str(n): replace(UNKNOWN, n_states=n) for n in (7, 14)},
    "variance floor": {"0.1": UNKNOWN.but(variance_floor=0.1)},
    "algorithm": {"viterbi": UNKNOWN.but(algorithm="viterbi")},
    "units": {"phones": replace(UNKNOWN, phones=True, n_states=3)},
}

# What `nested` chooses among for each speaker that is left out; of equals it takes the first.
CANDIDATES: dict[str, Settings] = {
    f"{n:g}{suffix}": replace(UNKNOWN, gaussians_per_state=n).but(frequency_warps=warps)
    for suffix, warps in (("", (1.0,)), (", warps", WARPS))
    for n in (1.0, 2.0)
}
