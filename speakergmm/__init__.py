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

from speakergmm.lazy import lazy_names

__version__ = "0.1.0"

# Not from the module `typing`: the command must answer signals before anything is loaded.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.audio import probe as probe
    from speakergmm.audio import read_audio as read_audio
    from speakergmm.audio import write_audio as write_audio
    from speakergmm.corpora import Corpus as Corpus
    from speakergmm.corpora import Protocol as Protocol
    from speakergmm.corpora import Utterance as Utterance
    from speakergmm.corpora import read_corpus as read_corpus
    from speakergmm.corpora import read_protocol as read_protocol
    from speakergmm.corpora import read_transcripts as read_transcripts
    from speakergmm.corpora import validate_corpus as validate_corpus
    from speakergmm.corpora.synthetic import make_synthetic_corpus as make_synthetic_corpus
    from speakergmm.estimators import BayesianGaussianMixture as BayesianGaussianMixture
    from speakergmm.estimators import DirichletProcessMixture as DirichletProcessMixture
    from speakergmm.estimators import GaussianMixture as GaussianMixture
    from speakergmm.estimators import GaussianMixtureHMM as GaussianMixtureHMM
    from speakergmm.estimators import (
        GaussianMixtureOutlierDetector as GaussianMixtureOutlierDetector,
    )
    from speakergmm.estimators import GaussianMixtureRegressor as GaussianMixtureRegressor
    from speakergmm.estimators import HMMClassifier as HMMClassifier
    from speakergmm.estimators import select_n_components as select_n_components
    from speakergmm.features import FeatureConfig as FeatureConfig
    from speakergmm.features import FeatureExtractor as FeatureExtractor
    from speakergmm.features import Features as Features
    from speakergmm.hmm import BackoffLanguageModel as BackoffLanguageModel
    from speakergmm.hmm import Lexicon as Lexicon
    from speakergmm.hmm import TrainingSchedule as TrainingSchedule
    from speakergmm.hmm import train_ngram as train_ngram
    from speakergmm.metrics import Scores as Scores
    from speakergmm.metrics import equal_error_rate as equal_error_rate
    from speakergmm.metrics import evaluate as evaluate
    from speakergmm.metrics import min_dcf as min_dcf
    from speakergmm.metrics import read_scores as read_scores
    from speakergmm.metrics import write_scores as write_scores
    from speakergmm.mixtures import DiagonalMixture as DiagonalMixture
    from speakergmm.mixtures import FullMixture as FullMixture
    from speakergmm.mixtures import MixtureStatistics as MixtureStatistics
    from speakergmm.mixtures import SphericalMixture as SphericalMixture
    from speakergmm.mixtures import TiedMixture as TiedMixture
    from speakergmm.mixtures import accumulate as accumulate
    from speakergmm.mixtures import adapt as adapt
    from speakergmm.mixtures import fit_mixture as fit_mixture
    from speakergmm.mixtures import make_mixture as make_mixture
    from speakergmm.recognition import AcousticModel as AcousticModel
    from speakergmm.recognition import Decoder as Decoder
    from speakergmm.recognition import TrainingOptions as TrainingOptions
    from speakergmm.recognition import WordRecogniser as WordRecogniser
    from speakergmm.recognition import align_recordings as align_recordings
    from speakergmm.recognition import train_word_models as train_word_models
    from speakergmm.reports import write_report as write_report
    from speakergmm.speakers import BackgroundModel as BackgroundModel
    from speakergmm.speakers import SpeakerScorer as SpeakerScorer
    from speakergmm.speakers import SpeakerStore as SpeakerStore
    from speakergmm.speakers import run_identification as run_identification
    from speakergmm.speakers import run_protocol as run_protocol
    from speakergmm.speakers import train_speaker_mixtures as train_speaker_mixtures

__getattr__, __dir__ = lazy_names(__name__)
