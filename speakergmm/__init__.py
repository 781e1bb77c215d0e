"""speakergmm: classical speaker and speech modelling in Python.

The names below can be imported from here; each is loaded when it is first used, so that
``import speakergmm`` takes no time.

Examples
--------
Train a background model, enrol a speaker, ask whether a recording is of the speaker:

>>> from speakergmm import BackgroundModel, SpeakerStore, read_corpus
>>> background = BackgroundModel.train(read_corpus("recordings"))     # doctest: +SKIP
>>> with SpeakerStore.create("voices.db", background) as store:       # doctest: +SKIP
...     store.enroll("ana", ["ana1.wav", "ana2.wav"])
...     print(store.verify("ana", "who.wav").score)

Fit a mixture as with scikit-learn:

>>> import numpy as np
>>> from speakergmm import GaussianMixture
>>> X = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 0.0], [10.0, 2.0], [10.0, 4.0], [10.0, 0.0]])
>>> GaussianMixture(n_components=2, random_state=0).fit(X).predict([[0.0, 0.0], [12.0, 3.0]])
array([1, 0])
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

# Not from the module `typing`: the command must answer signals before anything is loaded.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from speakergmm.audio import probe, read_audio, write_audio
    from speakergmm.corpora import (
        Corpus,
        Protocol,
        Utterance,
        read_corpus,
        read_protocol,
        read_transcripts,
        validate_corpus,
    )
    from speakergmm.corpora.synthetic import make_synthetic_corpus
    from speakergmm.estimators import (
        BayesianGaussianMixture,
        DirichletProcessMixture,
        GaussianMixture,
        GaussianMixtureHMM,
        GaussianMixtureOutlierDetector,
        GaussianMixtureRegressor,
        HMMClassifier,
        select_n_components,
    )
    from speakergmm.features import FeatureConfig, FeatureExtractor, Features
    from speakergmm.hmm import (
        BackoffLanguageModel,
        Lexicon,
        TrainingSchedule,
        train_ngram,
    )
    from speakergmm.metrics import (
        Scores,
        equal_error_rate,
        evaluate,
        min_dcf,
        read_scores,
        write_scores,
    )
    from speakergmm.mixtures import (
        DiagonalMixture,
        FullMixture,
        MixtureStatistics,
        SphericalMixture,
        TiedMixture,
        accumulate,
        adapt,
        fit_mixture,
        make_mixture,
    )
    from speakergmm.recognition import (
        AcousticModel,
        Decoder,
        TrainingOptions,
        WordRecogniser,
        align_recordings,
        train_word_models,
    )
    from speakergmm.reports import write_report
    from speakergmm.speakers import (
        BackgroundModel,
        SpeakerScorer,
        SpeakerStore,
        run_identification,
        run_protocol,
        train_speaker_mixtures,
    )

_HOMES = {
    "audio": ("probe", "read_audio", "write_audio"),
    "corpora": (
        "Corpus",
        "Protocol",
        "Utterance",
        "read_corpus",
        "read_protocol",
        "read_transcripts",
        "validate_corpus",
    ),
    "corpora.synthetic": ("make_synthetic_corpus",),
    "estimators": (
        "BayesianGaussianMixture",
        "DirichletProcessMixture",
        "GaussianMixture",
        "GaussianMixtureHMM",
        "GaussianMixtureOutlierDetector",
        "GaussianMixtureRegressor",
        "HMMClassifier",
        "select_n_components",
    ),
    "features": ("FeatureConfig", "FeatureExtractor", "Features"),
    "hmm": ("BackoffLanguageModel", "Lexicon", "TrainingSchedule", "train_ngram"),
    "metrics": (
        "Scores",
        "equal_error_rate",
        "evaluate",
        "min_dcf",
        "read_scores",
        "write_scores",
    ),
    "mixtures": (
        "DiagonalMixture",
        "FullMixture",
        "MixtureStatistics",
        "SphericalMixture",
        "TiedMixture",
        "accumulate",
        "adapt",
        "fit_mixture",
        "make_mixture",
    ),
    "recognition": (
        "AcousticModel",
        "Decoder",
        "TrainingOptions",
        "WordRecogniser",
        "align_recordings",
        "train_word_models",
    ),
    "reports": ("write_report",),
    "speakers": (
        "BackgroundModel",
        "SpeakerScorer",
        "SpeakerStore",
        "run_identification",
        "run_protocol",
        "train_speaker_mixtures",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AcousticModel",
    "BackgroundModel",
    "BackoffLanguageModel",
    "BayesianGaussianMixture",
    "Corpus",
    "Decoder",
    "DiagonalMixture",
    "DirichletProcessMixture",
    "FeatureConfig",
    "FeatureExtractor",
    "Features",
    "FullMixture",
    "GaussianMixture",
    "GaussianMixtureHMM",
    "GaussianMixtureOutlierDetector",
    "GaussianMixtureRegressor",
    "HMMClassifier",
    "Lexicon",
    "MixtureStatistics",
    "Protocol",
    "Scores",
    "SpeakerScorer",
    "SpeakerStore",
    "SphericalMixture",
    "TiedMixture",
    "TrainingOptions",
    "TrainingSchedule",
    "Utterance",
    "WordRecogniser",
    "__version__",
    "accumulate",
    "adapt",
    "align_recordings",
    "equal_error_rate",
    "evaluate",
    "fit_mixture",
    "make_mixture",
    "make_synthetic_corpus",
    "min_dcf",
    "probe",
    "read_audio",
    "read_corpus",
    "read_protocol",
    "read_scores",
    "read_transcripts",
    "run_identification",
    "run_protocol",
    "select_n_components",
    "train_ngram",
    "train_speaker_mixtures",
    "train_word_models",
    "validate_corpus",
    "write_audio",
    "write_report",
    "write_scores",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
