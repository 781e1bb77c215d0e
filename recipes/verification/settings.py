"""The settings that the recipe compares on the dev lists, and those that were chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from speakergmm.features import FeatureConfig


@dataclass(frozen=True)
class Settings:
    """Settings to be compared; the defaults were chosen on dev (RESULTS.md has the tables)."""

    n_components: int = 64
    relevance_factor: float = 3.0
    features: dict[str, Any] = field(default_factory=dict)
    top_c: int | None = None

    def config(self) -> FeatureConfig:
        """Return the preset with the changes of these settings."""
        return FeatureConfig.preset("speaker-same-session").replace(**self.features)


# One factor at a time around the preset, so that few comparisons are made on the dev lists.
FACTORS: dict[str, Sequence[Settings]] = {
    "components": [Settings(n_components=n) for n in (32, 64, 128, 256)],
    "relevance factor": [Settings(relevance_factor=r) for r in (0.5, 1.0, 3.0, 6.0, 10.0, 16.0)],
    "filters": [Settings(features={"n_filters": n}) for n in (26, 40, 60, 80)],
    "cepstra": [Settings(features={"n_ceps": n}) for n in (15, 19, 23)],
    "energy": [Settings(features={"energy": energy}) for energy in ("log_energy", "none")],
    "orders of deltas": [Settings(features={"deltas": n}) for n in (0, 1, 2)],
    "speech threshold": [
        *(Settings(features={"vad_threshold": t}) for t in (3.5, 4.5, 5.5, 6.5)),
        Settings(features={"voice_activity": "two_gaussian"}),
        Settings(features={"voice_activity": "none"}),
    ],
    "channel": [
        Settings(features=changes)
        for changes in (
            {"normalisation": "none"},
            {"normalisation": "mean"},
            {"normalisation": "sliding_mean"},
            {"normalisation": "warping"},
            {"rasta": True},
        )
    ],
    "cepstra or linear": [Settings(features={"kind": kind}) for kind in ("mfcc", "lfcc")],
}
