"""What the recipe chooses on the validation speakers, and what it chooses among."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from speakergmm.features import FeatureConfig
from speakergmm.recognition.features import FeatureNormalisation
from speakergmm.recognition.words import WordTrainingOptions

WARPS = (0.9, 1.0, 1.1)


@dataclass(frozen=True)
class Settings:
    """What is chosen; the defaults are what was chosen (RESULTS.md shows the tables)."""

    scope: Literal["none", "utterance", "speaker"] = "utterance"
    variance: bool = True
    n_states: int = 12
    n_gaussians: float = 4.0
    features: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def options(self, *, seed: int = 0) -> WordTrainingOptions:
        """Return what training is told."""
        return WordTrainingOptions(
            features=FeatureConfig.preset("hmm").replace(**self.features),
            normalisation=FeatureNormalisation(self.scope, self.variance),
            n_states=self.n_states,
            n_gaussians=self.n_gaussians,
            seed=seed,
            **self.training,
        )

    def but(self, **training: Any) -> "Settings":
        """Return the same with other options of training."""
        return replace(self, training={**self.training, **training})


CHOSEN = Settings()
WITHOUT_WARPS = CHOSEN.but(frequency_warps=(1.0,))

# One factor at a time around what was chosen.
FACTORS: dict[str, dict[str, Settings]] = {
    "normalisation": {
        "none": Settings(scope="none"),
        "speaker": Settings(scope="speaker"),
        "utterance, mean alone": Settings(variance=False),
    },
    "states": {str(n): Settings(n_states=n) for n in (8, 16)},
    "Gaussians a state": {f"{n:g}": Settings(n_gaussians=n) for n in (2.5, 6.0)},
    "frequency warps": {"0.9, 1, 1.1": CHOSEN.but(frequency_warps=WARPS)},
    "variance floor": {"0.1": CHOSEN.but(variance_floor=0.1)},
    "filters and cepstra": {"30 and 15": Settings(features={"n_filters": 30, "n_ceps": 15})},
    "algorithm": {"viterbi": CHOSEN.but(algorithm="viterbi")},
}
