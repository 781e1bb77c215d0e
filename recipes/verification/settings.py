"""The systems that the recipe measures, and the settings that it compares on the dev lists."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from speakergmm.features import FeatureConfig


@dataclass(frozen=True)
class Settings:
    """A system; values other than the defaults were chosen on dev (RESULTS.md has the tables).

    Parameters
    ----------
    preset, features
        A preset of features, and what is changed of it.
    n_components, covariance_type, relevance_factor
        Of the mixtures.
    augmentation : str
        Conditions of background, enrolment and cohort.
    real_talkers : bool
        Voices of babble in these are speakers of LibriSpeech, not synthetic.
    normalisation, cohort_top
        Of the scores.
    shared_cohort : int
        Speakers of LibriSpeech in the cohort beside those of the background.
    shared_background : bool
        The background is LibriSpeech in place of the protocol's own speakers.
    backend, learning
        What scores, and the options of its training if it learns from sessions: those of the
        background's speakers and, if `shared_learning`, of all of LibriSpeech's.
    shared_learning : bool
    session_seconds : float, optional
        Length of the sessions into which recordings are cut for this training.
    calibrated : bool
        Scores become log-likelihood ratios by the dev lists, in the conditions of the test.
    """

    n_components: int = 64
    covariance_type: str = "diag"
    relevance_factor: float = 3.0
    preset: str = "speaker-same-session"
    features: dict[str, Any] = field(default_factory=dict)
    augmentation: str = "none"
    real_talkers: bool = False
    normalisation: str = "none"
    cohort_top: int | None = None
    shared_cohort: int = 0
    shared_background: bool = False
    backend: str = "gmm-ubm"
    learning: dict[str, Any] = field(default_factory=dict)
    shared_learning: bool = True
    session_seconds: float | None = None
    calibrated: bool = False

    def config(self) -> FeatureConfig:
        """Return the preset with the changes of these settings."""
        return FeatureConfig.preset(self.preset).replace(**self.features)


SAME_SESSION = Settings()
ROBUST = Settings(
    preset="speaker",
    n_components=256,
    relevance_factor=6.0,
    augmentation="default",
    real_talkers=True,
)
NORMALISED = replace(ROBUST, normalisation="t", cohort_top=40, shared_cohort=63)
CALIBRATED = replace(NORMALISED, calibrated=True)

# Features and components of Kaldi's recipe for i-vectors on the same lists; dimension and scorer
# were chosen on dev.
IVECTORS = replace(
    SAME_SESSION,
    features={"n_filters": 23, "vad_threshold": 5.5},
    covariance_type="full",
    backend="ivector",
    learning={"dimension": 200, "scorer": "cosine"},
    shared_learning=False,
)

# Back-ends that learn how sessions of many speakers differ, from LibriSpeech alone.
LEARNT = replace(
    ROBUST,
    shared_background=True,
    session_seconds=3.0,
    backend="ivector",
    learning={"dimension": 200, "max_iter": 5},
)
SVM: dict[str, Any] = {"relevance_factor": 6.0, "n_nuisances": 40}
ISV: dict[str, Any] = {"dimension": 50, "relevance_factor": 6.0, "max_iter": 5}

# Each rung adds one thing to the one before it; T-norm of the first one stands beside the ladder.
LADDER: dict[str, Settings] = {
    "GMM-UBM": replace(SAME_SESSION, calibrated=True),
    "GMM-UBM, T-norm": replace(SAME_SESSION, normalisation="t"),
    "GMM-UBM, S-norm": replace(SAME_SESSION, normalisation="s"),
    "i-vectors": replace(IVECTORS, calibrated=True),
    "robust features": replace(ROBUST, augmentation="none"),
    "multi-condition": ROBUST,
    "normalised, calibrated": CALIBRATED,
    "models of LibriSpeech": replace(CALIBRATED, shared_background=True),
    "SVM of LibriSpeech": replace(LEARNT, backend="svm", learning=SVM, calibrated=True),
    "ISV of LibriSpeech": replace(LEARNT, backend="isv", learning=ISV, calibrated=True),
    "i-vectors of LibriSpeech": replace(LEARNT, calibrated=True),
}
BASELINE = "models of LibriSpeech"
"""The rung with which the others that know LibriSpeech alone are compared."""
FUSED = {"fusion": (BASELINE, "i-vectors of LibriSpeech")}
"""Systems whose scores are fused by weights from dev."""


def _around(base: Settings, **fields: Sequence[Any]) -> list[Settings]:
    """Return settings that differ from a base in one field at a time."""
    return [replace(base, **{name: value}) for name, values in fields.items() for value in values]


def _learnt(backend: str, *several: dict[str, Any]) -> list[Settings]:
    """Return settings with a back-end that learns, whose own scores are compared as they are."""
    base = replace(ROBUST, backend=backend, session_seconds=3.0)
    return [replace(base, learning=each) for each in several]


def _features(base: Settings, *changes: dict[str, Any]) -> list[Settings]:
    return [replace(base, features={**base.features, **each}) for each in changes]


# One factor at a time around a system, so that few comparisons are made on the dev lists: for one
# session clean recordings count, for the robust system all conditions of the test.
FACTORS: dict[str, Sequence[Settings]] = {
    "components": _around(SAME_SESSION, n_components=(32, 64, 128, 256)),
    "relevance factor": _around(SAME_SESSION, relevance_factor=(0.5, 1.0, 3.0, 6.0, 10.0, 16.0)),
    "filters": _features(SAME_SESSION, *({"n_filters": n} for n in (26, 40, 60, 80))),
    "cepstra": _features(SAME_SESSION, *({"n_ceps": n} for n in (15, 19, 23))),
    "energy": _features(SAME_SESSION, *({"energy": name} for name in ("log_energy", "none"))),
    "orders of deltas": _features(SAME_SESSION, *({"deltas": n} for n in (0, 1, 2))),
    "speech threshold": _features(
        SAME_SESSION,
        *({"vad_threshold": t} for t in (3.5, 4.5, 5.5, 6.5)),
        {"voice_activity": "two_gaussian"},
        {"voice_activity": "none"},
    ),
    "channel": _features(
        SAME_SESSION,
        *({"normalisation": name} for name in ("none", "mean", "sliding_mean", "warping")),
        {"rasta": True},
    ),
    "cepstra or linear": _features(SAME_SESSION, *({"kind": kind} for kind in ("mfcc", "lfcc"))),
    "i-vectors": [
        replace(IVECTORS, learning={**scorer, "dimension": dimension})
        for dimension in (50, 100, 200)
        for scorer in (
            {"scorer": "cosine"},
            *(
                {"scorer": "cosine", "normalisation": "wccn", "shrinkage": each}
                for each in (0.1, 0.5)
            ),
            *({"n_discriminants": 9, "shrinkage": each} for each in (0.0, 0.5)),
        )
    ],
    "score normalisation": _around(SAME_SESSION, normalisation=("none", "z", "t", "zt", "s")),
}
ROBUST_FACTORS: dict[str, Sequence[Settings]] = {
    "components": _around(NORMALISED, n_components=(64, 128, 256)),
    "relevance factor": _around(NORMALISED, relevance_factor=(3.0, 6.0, 10.0, 16.0)),
    "augmentation": _around(
        NORMALISED,
        augmentation=(
            "none",
            "default",
            "clean,babble,noise,reverberation,gain",
            "clean,telephone,noise,reverberation,gain",
            "clean,telephone,babble,noise,reverberation,gain,codec,clipping",
        ),
    ),
    "talkers of babble": _around(NORMALISED, real_talkers=(False, True)),
    "frame weights": _features(
        NORMALISED,
        {"frame_weights": "none"},
        *({"snr_midpoint": each} for each in (1.0, 1.5, 2.0, 3.0)),
    ),
    "upper frequency": _features(NORMALISED, *({"high_frequency": f} for f in (None, 7600.0))),
    "cohort": [
        replace(NORMALISED, normalisation="none", cohort_top=None, shared_cohort=0),
        replace(NORMALISED, cohort_top=None, shared_cohort=0),
        *_around(NORMALISED, cohort_top=(None, 20, 40)),
    ],
    "back-end of LibriSpeech": [
        replace(NORMALISED, shared_background=True),
        *(
            replace(LEARNT, learning={**LEARNT.learning, **each})
            for each in (
                {},
                {"n_discriminants": 150, "shrinkage": 0.5},
                {"n_discriminants": 50, "shrinkage": 0.5},
                {"scorer": "cosine", "normalisation": "wccn", "shrinkage": 0.1},
            )
        ),
        replace(LEARNT, backend="svm", learning=SVM),
        *(replace(LEARNT, backend="isv", learning={**ISV, "dimension": n}) for n in (20, 50)),
    ],
    "back-end": [
        replace(ROBUST, backend="linear"),
        *_learnt(
            "ivector",
            {"dimension": 200, "scorer": "cosine"},
            {"dimension": 200, "scorer": "cosine", "normalisation": "wccn", "shrinkage": 0.5},
            {"dimension": 200, "n_discriminants": 50, "shrinkage": 0.5},
            {"dimension": 200, "n_discriminants": 150, "shrinkage": 0.5},
        ),
        *_learnt("isv", *({"dimension": n, "relevance_factor": 6.0} for n in (10, 50))),
        *_learnt("jfa", {"speaker_dimension": 50, "session_dimension": 50}),
        *_learnt("svm", {"relevance_factor": 6.0}, {"relevance_factor": 6.0, "n_nuisances": 40}),
    ],
}


def difference(settings: Settings, base: Settings) -> str:
    """Return what settings change of those that they are compared with."""
    changed = [
        f"{name} {value}" for name, value in vars(settings).items() if value != getattr(base, name)
    ]
    return ", ".join(changed) or "as chosen"
