"""Speakers: background model, enrolment, scoring, the store, identification, experiments.

A `BackgroundModel` is trained on many people. Speakers are enrolled as Baum-Welch statistics
against it, which add up over sessions; `adapt_speaker` turns statistics into a model and
`SpeakerScorer` scores many models at once. `SpeakerStore` keeps all of it in one file.
`run_protocol` and `run_identification` run whole experiments.
"""

from speakergmm.features.recordings import SkippedRecording, SkippedRecordingWarning
from speakergmm.speakers.background import BackgroundModel, BackgroundWarning
from speakergmm.speakers.compatibility import (
    check_background,
    check_features,
    describe_difference,
)
from speakergmm.speakers.database import is_store
from speakergmm.speakers.enrolling import enroll_into
from speakergmm.speakers.enrolment import (
    DEFAULT_RELEVANCE_FACTOR,
    AdaptationSettings,
    SessionStatistics,
    SpeakerModel,
    adapt_speaker,
    collect_statistics,
    sum_statistics,
)
from speakergmm.speakers.experiment import enrol_models, run_protocol
from speakergmm.speakers.extraction import MINIMUM_SPEECH_SECONDS, SpeechFrames
from speakergmm.speakers.identification import (
    LikelihoodScorer,
    fit_speaker_mixtures,
    train_speaker_mixtures,
)
from speakergmm.speakers.identification_experiment import (
    ScoreMatrix,
    run_identification,
    run_identification_windows,
    train_split_mixtures,
)
from speakergmm.speakers.results import (
    EnrolledRecording,
    EnrolledSpeaker,
    EnrolmentReport,
    Identification,
    VerificationScore,
)
from speakergmm.speakers.scoring import DEFAULT_TOP_C, SpeakerScorer
from speakergmm.speakers.store import SpeakerStore
from speakergmm.speakers.windows import window_averages

__all__ = [
    "DEFAULT_RELEVANCE_FACTOR",
    "DEFAULT_TOP_C",
    "MINIMUM_SPEECH_SECONDS",
    "AdaptationSettings",
    "BackgroundModel",
    "BackgroundWarning",
    "EnrolledRecording",
    "EnrolledSpeaker",
    "EnrolmentReport",
    "Identification",
    "LikelihoodScorer",
    "ScoreMatrix",
    "SessionStatistics",
    "SkippedRecording",
    "SkippedRecordingWarning",
    "SpeakerModel",
    "SpeakerScorer",
    "SpeakerStore",
    "SpeechFrames",
    "VerificationScore",
    "adapt_speaker",
    "check_background",
    "check_features",
    "collect_statistics",
    "describe_difference",
    "enrol_models",
    "enroll_into",
    "fit_speaker_mixtures",
    "is_store",
    "run_identification",
    "run_identification_windows",
    "run_protocol",
    "sum_statistics",
    "train_speaker_mixtures",
    "train_split_mixtures",
    "window_averages",
]
