"""speakergmm: classical speaker and speech modelling in Python.

Every public name can be imported from here and is loaded when it is first used, so that
``import speakergmm`` takes no time. The names stand in groups, one for each sub-package:

- Recordings (`speakergmm.audio`)
- Corpora (`speakergmm.corpora`): lists of recordings, their speakers, transcripts and trials
- Estimators (`speakergmm.estimators`): the interfaces of scikit-learn and hmmlearn
- Features (`speakergmm.features`)
- Hidden Markov models (`speakergmm.hmm`), lexicons and language models
- Error rates (`speakergmm.metrics`)
- Mixtures (`speakergmm.mixtures`) of Gaussians and their statistics
- Acoustic models (`speakergmm.recognition`): training, alignment, recognition of phones and words
- Reports (`speakergmm.reports`)
- Running (`speakergmm.run_context`): strictness, progress, checkpoints, omitted recordings
- Speakers (`speakergmm.speakers`): background model, enrolment, verification, identification
- Errors: all derive from `SpeakerGmmError`, and their messages are one line
- Warnings

The sub-packages export more than is listed here, such as the parts that these names are made of.

Examples
--------
Train a background model, enrol a speaker and verify a recording:

>>> from speakergmm import BackgroundModel, SpeakerStore, read_corpus
>>> background = BackgroundModel.train(read_corpus("recordings"))     # doctest: +SKIP
>>> with SpeakerStore.create("voices.db", background) as store:       # doctest: +SKIP
...     store.enroll("ana", ["ana1.wav", "ana2.wav"])
...     print(store.verify("ana", "unknown.wav").score)

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
    # Recordings
    from speakergmm.audio import probe as probe
    from speakergmm.audio import read_audio as read_audio
    from speakergmm.audio import write_audio as write_audio

    # Corpora
    from speakergmm.corpora import Corpus as Corpus
    from speakergmm.corpora import Protocol as Protocol
    from speakergmm.corpora import Utterance as Utterance
    from speakergmm.corpora import make_synthetic_corpus as make_synthetic_corpus
    from speakergmm.corpora import read_corpus as read_corpus
    from speakergmm.corpora import read_protocol as read_protocol
    from speakergmm.corpora import read_transcripts as read_transcripts
    from speakergmm.corpora import validate_corpus as validate_corpus

    # Estimators
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

    # Features
    from speakergmm.features import FeatureConfig as FeatureConfig
    from speakergmm.features import FeatureExtractor as FeatureExtractor
    from speakergmm.features import Features as Features
    from speakergmm.features import FeatureStore as FeatureStore
    from speakergmm.features import FeatureStoreWarning as FeatureStoreWarning
    from speakergmm.features import extract_features as extract_features

    # Hidden Markov models
    from speakergmm.hmm import BackoffLanguageModel as BackoffLanguageModel
    from speakergmm.hmm import DecodingOptions as DecodingOptions
    from speakergmm.hmm import Lexicon as Lexicon
    from speakergmm.hmm import TrainingSchedule as TrainingSchedule
    from speakergmm.hmm import train_ngram as train_ngram

    # Error rates
    from speakergmm.metrics import Scores as Scores
    from speakergmm.metrics import equal_error_rate as equal_error_rate
    from speakergmm.metrics import evaluate as evaluate
    from speakergmm.metrics import min_dcf as min_dcf
    from speakergmm.metrics import read_scores as read_scores
    from speakergmm.metrics import write_scores as write_scores

    # Mixtures
    from speakergmm.mixtures import DiagonalMixture as DiagonalMixture
    from speakergmm.mixtures import FullMixture as FullMixture
    from speakergmm.mixtures import MixtureStatistics as MixtureStatistics
    from speakergmm.mixtures import SphericalMixture as SphericalMixture
    from speakergmm.mixtures import TiedMixture as TiedMixture
    from speakergmm.mixtures import accumulate as accumulate
    from speakergmm.mixtures import adapt as adapt
    from speakergmm.mixtures import fit_mixture as fit_mixture
    from speakergmm.mixtures import make_mixture as make_mixture

    # Acoustic models
    from speakergmm.recognition import AcousticModel as AcousticModel
    from speakergmm.recognition import Decoder as Decoder
    from speakergmm.recognition import TrainingOptions as TrainingOptions
    from speakergmm.recognition import align_recordings as align_recordings
    from speakergmm.recognition import read_words as read_words

    # Reports
    from speakergmm.reports import write_report as write_report

    # Running
    from speakergmm.run_context import RunContext as RunContext
    from speakergmm.run_context import SkippedRecording as SkippedRecording

    # Speakers
    from speakergmm.speakers import BackgroundModel as BackgroundModel
    from speakergmm.speakers import SpeakerScorer as SpeakerScorer
    from speakergmm.speakers import SpeakerStore as SpeakerStore
    from speakergmm.speakers import run_identification as run_identification
    from speakergmm.speakers import run_protocol as run_protocol
    from speakergmm.speakers import train_speaker_mixtures as train_speaker_mixtures

    # isort: split
    # Errors
    from speakergmm.corpora import TranscriptError as TranscriptError
    from speakergmm.documents import DocumentError as DocumentError
    from speakergmm.errors import AudioError as AudioError
    from speakergmm.errors import CannotPromiseError as CannotPromiseError
    from speakergmm.errors import CollapsedComponentError as CollapsedComponentError
    from speakergmm.errors import CorpusError as CorpusError
    from speakergmm.errors import EngineError as EngineError
    from speakergmm.errors import EngineWarning as EngineWarning
    from speakergmm.errors import IncompatibleModelError as IncompatibleModelError
    from speakergmm.errors import InsufficientDataError as InsufficientDataError
    from speakergmm.errors import InvalidInputError as InvalidInputError
    from speakergmm.errors import InvalidTypeError as InvalidTypeError
    from speakergmm.errors import MissingLibraryError as MissingLibraryError
    from speakergmm.errors import ModelFormatError as ModelFormatError
    from speakergmm.errors import ReadOnlyError as ReadOnlyError
    from speakergmm.errors import SpeakerGmmError as SpeakerGmmError
    from speakergmm.errors import StoreError as StoreError
    from speakergmm.errors import UnknownSpeakerError as UnknownSpeakerError
    from speakergmm.errors import UnlikeCalibrationError as UnlikeCalibrationError
    from speakergmm.files import UnreadableFileError as UnreadableFileError
    from speakergmm.files import UnwritableFileError as UnwritableFileError
    from speakergmm.hmm import (
        ImpossibleSequenceError as ImpossibleSequenceError,
    )
    from speakergmm.hmm import LanguageModelError as LanguageModelError
    from speakergmm.hmm import LexiconError as LexiconError
    from speakergmm.hmm import NoPathError as NoPathError
    from speakergmm.hmm import UnknownWordError as UnknownWordError
    from speakergmm.speakers import StoreExistsError as StoreExistsError
    from speakergmm.text_files import FaultyFileError as FaultyFileError

    # isort: split
    # Warnings
    from speakergmm.audio import AudioWarning as AudioWarning
    from speakergmm.checkpoints import CheckpointWarning as CheckpointWarning
    from speakergmm.corpora import CorpusWarning as CorpusWarning
    from speakergmm.errors import ProtocolWarning as ProtocolWarning
    from speakergmm.errors import SchedulerLostError as SchedulerLostError
    from speakergmm.errors import WorkerLostError as WorkerLostError
    from speakergmm.recognition.speaker_transforms import (
        SpeakerTransformWarning as SpeakerTransformWarning,
    )
    from speakergmm.run_context import SkippedRecordingWarning as SkippedRecordingWarning
    from speakergmm.speakers import BackgroundWarning as BackgroundWarning
    from speakergmm.subspace import EmbeddingWarning as EmbeddingWarning

__getattr__, __dir__ = lazy_names(__name__)
