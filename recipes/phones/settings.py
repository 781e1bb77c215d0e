"""What the recipe chooses on held-out speakers, and what it chooses among."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from speakergmm.features import FeatureConfig
from speakergmm.hmm.decoding import DecodingOptions
from speakergmm.hmm.schedule import TrainingSchedule
from speakergmm.recognition.acoustic_model import SilenceModel
from speakergmm.recognition.features import FeatureNormalisation
from speakergmm.recognition.training import TrainingOptions


@dataclass(frozen=True)
class Search:
    """How the decoder weighs acoustics against language, and how wide it searches."""

    acoustic_scale: float
    word_penalty: float = 0.0
    beam: float = 20.0
    max_active: int = 20000

    def options(self) -> DecodingOptions:
        """Return the decoder's options."""
        return DecodingOptions(
            acoustic_scale=self.acoustic_scale, beam=self.beam, max_active=self.max_active
        )


# Boundaries stay soft while the models know little.
ANNEALING = (0.1, 0.1, 0.1, 0.3, 0.3, 0.3)


@dataclass(frozen=True)
class Settings:
    """What is chosen; the defaults are what was chosen (RESULTS.md shows the tables)."""

    algorithm: str = "viterbi"
    seed: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    variance: bool = True  # whether speakers are brought to the same variance, too
    silence_probability: float = 0.5
    phones: Search = Search(0.25)
    words: Search = Search(0.1)

    def options(self) -> TrainingOptions:
        """Return what training is told."""
        schedule = {"algorithm": self.algorithm, "annealing": ANNEALING, **self.schedule}
        return TrainingOptions(
            features=FeatureConfig.preset("hmm").replace(**self.features),
            normalisation=FeatureNormalisation("speaker", self.variance),
            schedule=TrainingSchedule(**schedule),
            silence=SilenceModel(
                probability=self.silence_probability, edge_probability=self.silence_probability
            ),
            seed=self.seed,
        )

    def quick(self) -> "Settings":
        """Return the same with half the iterations, enough to rank settings."""
        realign = (*range(1, 11), 12, 14, 16, 18)
        short = {"n_iterations": 20, "grow_until": 15, "realign": realign}
        return replace(self, schedule={**short, **self.schedule})


# Factors of log-densities, and what each word or phone costs, that are compared.
SCALES: dict[str, Sequence[float]] = {
    "phones": (0.1, 0.15, 0.2, 0.25, 0.3),
    "words": (0.06, 0.08, 0.1, 0.125, 0.15),
}
PENALTIES: dict[str, Sequence[float]] = {"phones": (0.0, -1.0), "words": (0.0, -2.0, -4.0)}

# Smaller, as the corpus is: 30 phones, of which each is said some hundred times.
SYNTHETIC = Settings(schedule={"n_gaussians": 300})

# One factor at a time around the defaults.
FACTORS: dict[str, dict[str, Settings]] = {
    "seed": {str(seed): Settings(seed=seed) for seed in range(3)},
    "normalisation": {"mean": Settings(variance=False)},
    "filters": {str(n): Settings(features={"n_filters": n}) for n in (40,)},
}
