"""Speaker recognition: background model, enrolment, scoring, the store, and experiments.

A `BackgroundModel` is trained on the speech of many speakers. A speaker is enrolled by the
Baum-Welch statistics of recordings under the background model, which are summed over sessions;
`adapt_speaker` makes a model from them, and `SpeakerScorer` scores many models at once. A
`SpeakerStore` keeps all of this in one file. `run_protocol` and `run_identification` run whole
experiments.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.speakers.backend_options import IvectorOptions as IvectorOptions
    from speakergmm.speakers.backend_options import SupervectorOptions as SupervectorOptions
    from speakergmm.speakers.backend_training import BACKEND_TRAININGS as BACKEND_TRAININGS
    from speakergmm.speakers.backend_training import train_backend as train_backend
    from speakergmm.speakers.backends import Backend as Backend
    from speakergmm.speakers.background import BackgroundModel as BackgroundModel
    from speakergmm.speakers.background import BackgroundWarning as BackgroundWarning
    from speakergmm.speakers.calibration.calibration_evidence import (
        CalibrationEvidence as CalibrationEvidence,
    )
    from speakergmm.speakers.calibration.calibration_options import (
        CalibrationOptions as CalibrationOptions,
    )
    from speakergmm.speakers.calibration.calibration_trials import (
        CalibrationTrials as CalibrationTrials,
    )
    from speakergmm.speakers.calibration.decisions import Decision as Decision
    from speakergmm.speakers.calibration.decisions import OpenSetDecision as OpenSetDecision
    from speakergmm.speakers.calibration.decisions import decide as decide
    from speakergmm.speakers.calibration.decisions import decide_open_set as decide_open_set
    from speakergmm.speakers.calibration.decisions import posterior as posterior
    from speakergmm.speakers.calibration.decisions import verbal_scale as verbal_scale
    from speakergmm.speakers.calibration.fusion import Fusion as Fusion
    from speakergmm.speakers.calibration.fusion import fit_fusion as fit_fusion
    from speakergmm.speakers.calibration.llr_bounds import llr_bounds as llr_bounds
    from speakergmm.speakers.calibration.map_fitting import (
        cross_validated_llrs as cross_validated_llrs,
    )
    from speakergmm.speakers.calibration.map_fitting import fit_score_map as fit_score_map
    from speakergmm.speakers.calibration.measure_kinds import MEASURE_KINDS as MEASURE_KINDS
    from speakergmm.speakers.calibration.measure_kinds import MeasureKind as MeasureKind
    from speakergmm.speakers.calibration.measure_kinds import MeasureRanges as MeasureRanges
    from speakergmm.speakers.calibration.promises import GroupRates as GroupRates
    from speakergmm.speakers.calibration.promises import Promise as Promise
    from speakergmm.speakers.calibration.promises import bayes_threshold as bayes_threshold
    from speakergmm.speakers.calibration.promises import promise_at as promise_at
    from speakergmm.speakers.calibration.promises import rates_by_group as rates_by_group
    from speakergmm.speakers.calibration.promises import threshold_for_rate as threshold_for_rate
    from speakergmm.speakers.calibration.score_calibration import Calibration as Calibration
    from speakergmm.speakers.calibration.score_calibration import (
        check_disjoint_speakers as check_disjoint_speakers,
    )
    from speakergmm.speakers.calibration.score_calibration import fit_calibration as fit_calibration
    from speakergmm.speakers.cohort import Cohort as Cohort
    from speakergmm.speakers.cohort import CohortOptions as CohortOptions
    from speakergmm.speakers.cohort import make_cohort as make_cohort
    from speakergmm.speakers.cohort_scores import CohortScores as CohortScores
    from speakergmm.speakers.cohort_scores import check_cohort as check_cohort
    from speakergmm.speakers.cohort_scores import normalise_cohort as normalise_cohort
    from speakergmm.speakers.cohort_scores import normalise_scores as normalise_scores
    from speakergmm.speakers.compatibility import check_background as check_background
    from speakergmm.speakers.compatibility import check_features as check_features
    from speakergmm.speakers.database import StoreExistsError as StoreExistsError
    from speakergmm.speakers.database import create_database as create_database
    from speakergmm.speakers.database import is_store as is_store
    from speakergmm.speakers.embedding_experiment import (
        EmbeddingScoringOptions as EmbeddingScoringOptions,
    )
    from speakergmm.speakers.embedding_experiment import score_embeddings as score_embeddings
    from speakergmm.speakers.embedding_files import EmbeddingTable as EmbeddingTable
    from speakergmm.speakers.embedding_files import read_embeddings as read_embeddings
    from speakergmm.speakers.enrolment import SessionStatistics as SessionStatistics
    from speakergmm.speakers.enrolment import SpeakerModel as SpeakerModel
    from speakergmm.speakers.enrolment import adapt_speaker as adapt_speaker
    from speakergmm.speakers.enrolment import collect_statistics as collect_statistics
    from speakergmm.speakers.enrolment import sum_statistics as sum_statistics
    from speakergmm.speakers.enrolment_sessions import EnrolmentSession as EnrolmentSession
    from speakergmm.speakers.enrolment_sessions import collect_sessions as collect_sessions
    from speakergmm.speakers.enrolment_sessions import enroll_sessions as enroll_sessions
    from speakergmm.speakers.extraction import MINIMUM_SPEECH_SECONDS as MINIMUM_SPEECH_SECONDS
    from speakergmm.speakers.feature_mapping import FeatureMapping as FeatureMapping
    from speakergmm.speakers.feature_mapping import fit_feature_mapping as fit_feature_mapping
    from speakergmm.speakers.identification_experiment import ScoreMatrix as ScoreMatrix
    from speakergmm.speakers.identification_experiment import (
        run_identification as run_identification,
    )
    from speakergmm.speakers.identification_experiment import (
        run_identification_windows as run_identification_windows,
    )
    from speakergmm.speakers.integrity import Ledger as Ledger
    from speakergmm.speakers.kaldi_plda import read_kaldi_plda as read_kaldi_plda
    from speakergmm.speakers.linear_scoring import LinearScorer as LinearScorer
    from speakergmm.speakers.linear_scoring import linear_scores as linear_scores
    from speakergmm.speakers.mixture_training_options import BackgroundOptions as BackgroundOptions
    from speakergmm.speakers.mixture_training_options import (
        SpeakerMixtureOptions as SpeakerMixtureOptions,
    )
    from speakergmm.speakers.normalised_scorer import NormalisedScorer as NormalisedScorer
    from speakergmm.speakers.packed_terms import PackedTerms as PackedTerms
    from speakergmm.speakers.phrase_experiment import PhraseScoringOptions as PhraseScoringOptions
    from speakergmm.speakers.phrase_experiment import score_phrases as score_phrases
    from speakergmm.speakers.phrase_likelihoods import PhraseLikelihoods as PhraseLikelihoods
    from speakergmm.speakers.recording_arguments import as_recordings as as_recordings
    from speakergmm.speakers.recording_arguments import audio_identity as audio_identity
    from speakergmm.speakers.recording_comparison import RecordingComparison as RecordingComparison
    from speakergmm.speakers.recording_comparison import compare_recordings as compare_recordings
    from speakergmm.speakers.score_normalisation import CohortMoments as CohortMoments
    from speakergmm.speakers.score_normalisation import adaptive_s_norm as adaptive_s_norm
    from speakergmm.speakers.score_normalisation import cohort_moments as cohort_moments
    from speakergmm.speakers.score_normalisation import s_norm as s_norm
    from speakergmm.speakers.score_normalisation import t_norm as t_norm
    from speakergmm.speakers.score_normalisation import z_norm as z_norm
    from speakergmm.speakers.score_normalisation import zt_norm as zt_norm
    from speakergmm.speakers.shipped import SHIPPED_SYSTEM as SHIPPED_SYSTEM
    from speakergmm.speakers.shipped import describe_shipped as describe_shipped
    from speakergmm.speakers.shipped import shipped_system as shipped_system
    from speakergmm.speakers.speaker_mixtures import LikelihoodScorer as LikelihoodScorer
    from speakergmm.speakers.speaker_mixtures import fit_speaker_mixtures as fit_speaker_mixtures
    from speakergmm.speakers.speaker_mixtures import (
        train_speaker_mixtures as train_speaker_mixtures,
    )
    from speakergmm.speakers.speaker_mixtures import train_split_mixtures as train_split_mixtures
    from speakergmm.speakers.speaker_options import DEFAULT_COHORT_TOP as DEFAULT_COHORT_TOP
    from speakergmm.speakers.speaker_options import (
        DEFAULT_RELEVANCE_FACTOR as DEFAULT_RELEVANCE_FACTOR,
    )
    from speakergmm.speakers.speaker_options import DEFAULT_TOP_C as DEFAULT_TOP_C
    from speakergmm.speakers.speaker_options import AdaptationOptions as AdaptationOptions
    from speakergmm.speakers.speaker_options import BackendName as BackendName
    from speakergmm.speakers.speaker_options import DecisionOptions as DecisionOptions
    from speakergmm.speakers.speaker_options import IdentificationOptions as IdentificationOptions
    from speakergmm.speakers.speaker_options import NormalisationOptions as NormalisationOptions
    from speakergmm.speakers.speaker_options import ProtocolOptions as ProtocolOptions
    from speakergmm.speakers.speaker_options import ScoringOptions as ScoringOptions
    from speakergmm.speakers.speaker_options import VerificationOptions as VerificationOptions
    from speakergmm.speakers.speaker_scoring import SpeakerScorer as SpeakerScorer
    from speakergmm.speakers.statistics_archive import StatisticsArchive as StatisticsArchive
    from speakergmm.speakers.statistics_archive import collect_archive as collect_archive
    from speakergmm.speakers.statistics_archive import recording_name as recording_name
    from speakergmm.speakers.store import SpeakerStore as SpeakerStore
    from speakergmm.speakers.store import describe_store as describe_store
    from speakergmm.speakers.store_enrolment import enroll_into as enroll_into
    from speakergmm.speakers.store_results import EnrolledRecording as EnrolledRecording
    from speakergmm.speakers.store_results import EnrolledSpeaker as EnrolledSpeaker
    from speakergmm.speakers.store_results import EnrolmentReport as EnrolmentReport
    from speakergmm.speakers.store_results import SpeakerRanking as SpeakerRanking
    from speakergmm.speakers.store_results import VerificationScore as VerificationScore
    from speakergmm.speakers.supervector_svm import SupervectorSvm as SupervectorSvm
    from speakergmm.speakers.supervector_svm import SvmOptions as SvmOptions
    from speakergmm.speakers.system import SpeakerSystem as SpeakerSystem
    from speakergmm.speakers.system import as_system as as_system
    from speakergmm.speakers.system import loaded_system as loaded_system
    from speakergmm.speakers.system_calibration import calibrate_system as calibrate_system
    from speakergmm.speakers.system_calibration import cohort_trials as cohort_trials
    from speakergmm.speakers.system_calibration import trials_of_scores as trials_of_scores
    from speakergmm.speakers.trial_answers import TrialAnswer as TrialAnswer
    from speakergmm.speakers.trial_answers import answer_trial as answer_trial
    from speakergmm.speakers.trial_measures import EnrolledMeasures as EnrolledMeasures
    from speakergmm.speakers.trial_measures import MeasuredSpeech as MeasuredSpeech
    from speakergmm.speakers.trial_measures import channel_distance as channel_distance
    from speakergmm.speakers.trial_measures import enrolment_measures as enrolment_measures
    from speakergmm.speakers.trial_measures import mean_of_statistics as mean_of_statistics
    from speakergmm.speakers.trial_measures import measures_of_trial as measures_of_trial
    from speakergmm.speakers.trial_measures import measures_of_trials as measures_of_trials
    from speakergmm.speakers.trial_scoring import ScoredClaims as ScoredClaims
    from speakergmm.speakers.trial_scoring import TrialTable as TrialTable
    from speakergmm.speakers.verification_experiment import enroll_models as enroll_models
    from speakergmm.speakers.verification_experiment import run_protocol as run_protocol
    from speakergmm.speakers.windows import window_averages as window_averages

__getattr__, __dir__ = lazy_names(__name__)
