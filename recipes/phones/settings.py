"""Settings that the recipe chooses on held-out speakers, and the candidates."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from speakergmm.features import FeatureConfig
from speakergmm.hmm import DecodingOptions, TrainingSchedule
from speakergmm.recognition import (
    FeatureNormalisation,
    SilenceModel,
    TrainingOptions,
    TriphoneOptions,
)

OUTPUT = Path(tempfile.gettempdir()) / "speakergmm-phones"
OutputOption = Annotated[Path, typer.Option(help="Where models and alignments are kept.")]
DataOption = Annotated[Path | None, typer.Option(help="Folder that holds librispeech/.")]
SyntheticOption = Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
AlgorithmOption = Annotated[list[str], typer.Option(help="viterbi or baum-welch; may be repeated.")]
GaussiansOption = Annotated[int | None, typer.Option(help="How many, if not as settings.py says.")]
StagesOption = Annotated[list[str], typer.Option(help="Such as mono,tri; may be repeated.")]


@dataclass(frozen=True)
class Search:
    """Weights of acoustics and language in the decoder, and the width of its search."""

    acoustic_scale: float
    word_penalty: float = 0.0
    beam: float = 13.0
    max_active: int = 7000

    def options(self) -> DecodingOptions:
        """Return the decoder's options."""
        return DecodingOptions(
            acoustic_scale=self.acoustic_scale, beam=self.beam, max_active=self.max_active
        )


# Boundaries stay soft while the models know little.
ANNEALING = (0.1, 0.1, 0.1, 0.3, 0.3, 0.3)


@dataclass(frozen=True)
class Settings:
    """Settings of training and search; the defaults were chosen (RESULTS.md has the tables)."""

    algorithm: str = "viterbi"
    seed: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    variance: bool = True  # whether speakers are brought to the same variance, too
    silence_probability: float = 0.5
    stages: str = "mono"
    triphones: dict[str, Any] = field(default_factory=dict)
    phones: Search = Search(0.25, beam=20.0)
    words: Search = Search(0.15, -1.0, beam=15.0)

    def config(self) -> FeatureConfig:
        """Return the preset with the changes of these settings."""
        return FeatureConfig.preset("hmm").replace(**self.features)

    def options(self) -> TrainingOptions:
        """Return the options of training."""
        schedule = {"algorithm": self.algorithm, "annealing": ANNEALING, **self.schedule}
        return TrainingOptions(
            features=self.config(),
            normalisation=FeatureNormalisation("speaker", self.variance),
            schedule=TrainingSchedule(**schedule),
            silence=SilenceModel(
                probability=self.silence_probability, edge_probability=self.silence_probability
            ),
            seed=self.seed,
            stages=self.stages,
            triphones=TriphoneOptions(**self.triphones),
        )

    def with_gaussians(self, number: int) -> "Settings":
        """Return the same with another number of Gaussians."""
        return replace(self, schedule={**self.schedule, "n_gaussians": number})

    def quick(self) -> "Settings":
        """Return the same with half the iterations, enough to rank settings."""
        realign = (*range(1, 11), 12, 14, 16, 18)
        short = {"max_iter": 20, "grow_until": 15, "realign": realign}
        return replace(self, schedule={**short, **self.schedule})


# Factors of log-densities, and what each word or phone costs, that are compared.
SCALES: dict[str, Sequence[float]] = {
    "phones": (0.1, 0.15, 0.2, 0.25, 0.3),
    "words": (0.1, 0.125, 0.15, 0.2),
}
PENALTIES: dict[str, Sequence[float]] = {"phones": (0.0, -1.0), "words": (0.0, -1.0, -3.0)}

# Triphones are sharper: language counts more beside them, and a narrower beam finds the same. All
# of it was chosen on held-out speakers.
OF_STAGES: dict[str, dict[str, Any]] = {
    "mono": {},
    "mono,tri": {
        "stages": "mono,tri",
        "triphones": {"n_leaves": 400, "triphone_gaussians": 2000},
        "phones": Search(0.2, beam=14.0),
        "words": Search(0.12, -1.0, beam=13.0),
    },
}
OF_STAGES["mono,tri,lda-mllt"] = {**OF_STAGES["mono,tri"], "stages": "mono,tri,lda-mllt"}

# Smaller, as the corpus is: 30 phones, of which each is said some hundred times.
SYNTHETIC = Settings(schedule={"n_gaussians": 300})

# One factor at a time around the defaults.
FACTORS: dict[str, dict[str, Settings]] = {
    "seed": {str(seed): Settings(seed=seed) for seed in range(3)},
    "algorithm": {"baum-welch": Settings(algorithm="baum-welch")},
    "start": {"equal shares": Settings(schedule={"start": "equal", "annealing": ()})},
    "normalisation": {"mean alone": Settings(variance=False)},
    "filters": {"40": Settings(features={"n_filters": 40})},
    "cepstra": {"15 of 30 filters": Settings(features={"n_ceps": 15, "n_filters": 30})},
    "band": {"60-7600 Hz": Settings(features={"low_frequency": 60.0, "high_frequency": 7600.0})},
    "deltas": {"over 7 frames": Settings(features={"delta_window": 3})},
    "acoustic scale": {"0.1": Settings(schedule={"acoustic_scale": 0.1})},
    "boost of silence": {
        "1.25": Settings(schedule={"acoustic_scale": 0.1, "boost_silence": 1.25}),
    },
    "Gaussians": {str(n): Settings(schedule={"n_gaussians": n}) for n in (500, 2000)},
    "sharing out": {"by occupancy^0.5": Settings(schedule={"power": 0.5})},
    "least occupancy": {
        "20, 40 to split": Settings(
            schedule={"min_occupancy": 20.0, "min_frames_per_gaussian": 40.0}
        ),
    },
    "variance floor": {"0.1": Settings(schedule={"variance_floor": 0.1})},
    "perturbation": {"0.1": Settings(schedule={"perturbation": 0.1})},
    "silence": {"probability 0.2": Settings(silence_probability=0.2)},
}
