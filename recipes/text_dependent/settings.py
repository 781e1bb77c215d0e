"""The two systems that the recipe compares, and the settings that are tried on dev speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from speakergmm.features import FeatureConfig, FeatureNormalisation
from speakergmm.recognition import TrainingOptions

WARPS = (0.9, 1.0, 1.1)


@dataclass(frozen=True)
class Phrases:
    """Word models adapted to the speaker; the defaults are what other settings are tried around."""

    preset: str = "speaker-same-session"
    features: Mapping[str, Any] = field(default_factory=lambda: {"n_filters": 60, "n_ceps": 23})
    scope: str = "utterance"
    variance: bool = False
    n_states: int = 12
    gaussians_per_state: float = 2.5
    warps: Sequence[float] = WARPS
    adaptation: Mapping[str, Any] = field(default_factory=lambda: {"adapt_variances": True})

    def options(self, *, sample_rate: int = 16_000, seed: int = 0) -> TrainingOptions:
        """Return the options of training; silence has a model, and is not cut away."""
        config = FeatureConfig.preset(self.preset)
        return TrainingOptions.for_words(
            features=config.replace(
                voice_activity="none",
                frame_weights="none",
                sample_rate=sample_rate,
                **self.features,
            ),
            normalisation=FeatureNormalisation(self.scope, self.variance),  # type: ignore[arg-type]
            n_states=self.n_states,
            gaussians_per_state=self.gaussians_per_state,
            frequency_warps=self.warps,
            seed=seed,
        )


@dataclass(frozen=True)
class Mixtures:
    """A GMM-UBM, the text-independent system.

    `by_word` enrols a model per speaker and word, from the one recording of that word.
    """

    preset: str = "speaker-same-session"
    features: Mapping[str, Any] = field(default_factory=dict)
    n_components: int = 64
    relevance_factor: float = 3.0
    augmentation: str = "none"
    by_word: bool = False

    def config(self, *, sample_rate: int = 16_000) -> FeatureConfig:
        """Return the configuration of the features."""
        return FeatureConfig.preset(self.preset).replace(sample_rate=sample_rate, **self.features)


FIRST = Phrases()
# Without warps, which take three times as long to train on: the models are compared around it.
PLAIN = replace(FIRST, warps=(1.0,))
# Of all that was tried on dev (RESULTS.md).
CHOSEN = replace(FIRST, adaptation={"adapt_variances": True, "variance_relevance_factor": 8.0})


def _around(**fields: Sequence[Any]) -> list[Phrases]:
    return [replace(PLAIN, **{name: value}) for name, values in fields.items() for value in values]


def _adapted(*several: Mapping[str, Any]) -> list[Phrases]:
    return [replace(FIRST, adaptation={**FIRST.adaptation, **each}) for each in several]


# One factor at a time.
FACTORS: dict[str, Sequence[Phrases]] = {
    "relevance factor": _adapted(*({"relevance_factor": r} for r in (1.0, 2.0, 8.0, 16.0))),
    "variances": _adapted(
        {"adapt_variances": False}, *({"variance_relevance_factor": v} for v in (4.0, 8.0, 32.0))
    ),
    "silence, passes": _adapted({"adapt_silence": True}, {"n_passes": 2}, {"n_passes": 4}),
    "warps": [PLAIN, replace(FIRST, warps=(0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15))],
    "warps, Gaussians per state": [replace(FIRST, gaussians_per_state=4.0)],
    "filters and cepstra": [
        *_around(features=({}, {"n_filters": 60}, {"n_filters": 60, "n_ceps": 29})),
        replace(PLAIN, preset="speaker"),
        replace(PLAIN, preset="hmm", features={}),
    ],
    "normalisation": [replace(PLAIN, variance=True), replace(PLAIN, scope="none")],
    "states": _around(n_states=(8, 16)),
    "Gaussians per state": _around(gaussians_per_state=(1.5, 4.0)),
}

_FINE = {"n_filters": 60, "n_ceps": 23}
# The text-independent system: all combinations, with either enrolment.
MIXTURES: list[Mixtures] = [
    Mixtures(preset, features, n_components)
    for preset in ("speaker-same-session", "speaker")
    for features in ({}, {"normalisation": "mean"}, _FINE, {**_FINE, "normalisation": "mean"})
    for n_components in (64, 256)
] + [Mixtures("speaker", _FINE, 256, augmentation="default")]
RELEVANCE_FACTORS = (1.0, 3.0, 6.0)

# The better of both presets in its best setting on dev, for either enrolment.
_OF_RECORDING = {**_FINE, "normalisation": "mean"}
MIXTURES_OF_WORDS = Mixtures("speaker-same-session", _OF_RECORDING, 256, by_word=True)
MIXTURES_OF_SPEAKERS = Mixtures("speaker", _OF_RECORDING, 256, relevance_factor=1.0)


def difference(settings: Phrases | Mixtures, base: Phrases | Mixtures) -> str:
    """Return what settings change of those that they are compared with."""
    changed = [
        f"{name} {value}" for name, value in vars(settings).items() if value != getattr(base, name)
    ]
    return ", ".join(changed) or "as first"
