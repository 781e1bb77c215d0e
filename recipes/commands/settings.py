"""Settings that the recipe chooses on the validation speakers, and the candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from speakergmm.features import FeatureConfig
from speakergmm.recognition import FeatureNormalisation, TrainingOptions

WARPS = (0.9, 1.0, 1.1)


@dataclass(frozen=True)
class Settings:
    """Settings of training; the defaults are what was chosen (RESULTS.md shows the tables)."""

    scope: Literal["none", "utterance", "speaker"] = "utterance"
    variance: bool = True
    n_states: int = 12
    gaussians_per_state: float = 4.0
    features: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def options(self, *, seed: int = 0) -> TrainingOptions:
        """Return the options of training."""
        return TrainingOptions.for_words(
            features=FeatureConfig.preset("hmm").replace(**self.features),
            normalisation=FeatureNormalisation(self.scope, self.variance),
            n_states=self.n_states,
            gaussians_per_state=self.gaussians_per_state,
            seed=seed,
            **self.training,
        )

    def but(self, **training: Any) -> "Settings":
        """Return the same with other options of training."""
        return replace(self, training={**self.training, **training})


CHOSEN = Settings()

# In the order in which they were tried: around 2.5 Gaussians per state, of which 4 were better.
_FIRST = Settings(gaussians_per_state=2.5)
FACTORS: dict[str, dict[str, Settings]] = {
    "Gaussians per state": {f"{n:g}": Settings(gaussians_per_state=n) for n in (1.5, 2.5)},
    "states, Gaussians per state": {
        f"{n}, {g:g}": Settings(n_states=n, gaussians_per_state=g)
        for n, g in ((8, 4), (16, 2), (20, 2))
    },
    "2.5 Gaussians, normalisation": {
        "speaker": replace(_FIRST, scope="speaker"),
        "utterance, mean alone": replace(_FIRST, variance=False),
    },
    "2.5 Gaussians, filters and cepstra": {
        "30 and 15": replace(_FIRST, features={"n_filters": 30, "n_ceps": 15})
    },
    "2.5 Gaussians, variance floor": {"0.1": _FIRST.but(variance_floor=0.1)},
    "2.5 Gaussians, frequency warps": {"0.9, 1, 1.1": _FIRST.but(frequency_warps=WARPS)},
    "filters and cepstra": {"30 and 15": Settings(features={"n_filters": 30, "n_ceps": 15})},
}
