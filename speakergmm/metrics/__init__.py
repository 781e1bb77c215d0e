"""Error rates, costs and accuracies of speaker recognition and transcription, with intervals."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.metrics.bootstrap import SpeakerClusters as SpeakerClusters
    from speakergmm.metrics.bootstrap import bootstrap_intervals as bootstrap_intervals
    from speakergmm.metrics.bootstrap import bootstrap_replicates as bootstrap_replicates
    from speakergmm.metrics.bootstrap import eer_of_curves as eer_of_curves
    from speakergmm.metrics.bootstrap import hull_eer_of_curves as hull_eer_of_curves
    from speakergmm.metrics.bootstrap import speaker_clusters as speaker_clusters
    from speakergmm.metrics.boundaries import BoundaryErrors as BoundaryErrors
    from speakergmm.metrics.boundaries import BoundaryMetric as BoundaryMetric
    from speakergmm.metrics.boundaries import TimedLabel as TimedLabel
    from speakergmm.metrics.boundaries import boundaries_by_class as boundaries_by_class
    from speakergmm.metrics.boundaries import boundary_errors as boundary_errors
    from speakergmm.metrics.boundaries import summarise_boundaries as summarise_boundaries
    from speakergmm.metrics.condition_evaluation import ConditionEvaluation as ConditionEvaluation
    from speakergmm.metrics.condition_evaluation import ConditionGroup as ConditionGroup
    from speakergmm.metrics.condition_evaluation import (
        evaluate_by_condition as evaluate_by_condition,
    )
    from speakergmm.metrics.det_bands import DetBand as DetBand
    from speakergmm.metrics.det_bands import det_band as det_band
    from speakergmm.metrics.detection import actual_dcf as actual_dcf
    from speakergmm.metrics.detection import det_curve as det_curve
    from speakergmm.metrics.detection import equal_error_rate as equal_error_rate
    from speakergmm.metrics.detection import min_dcf as min_dcf
    from speakergmm.metrics.dev_thresholds import DevThreshold as DevThreshold
    from speakergmm.metrics.dev_thresholds import check_enough_trials as check_enough_trials
    from speakergmm.metrics.dev_thresholds import check_speakers_apart as check_speakers_apart
    from speakergmm.metrics.dev_thresholds import choose_threshold as choose_threshold
    from speakergmm.metrics.evaluation_options import BootstrapOptions as BootstrapOptions
    from speakergmm.metrics.evaluation_options import EvaluationOptions as EvaluationOptions
    from speakergmm.metrics.group_errors import DecidedTrials as DecidedTrials
    from speakergmm.metrics.group_errors import WorstGroup as WorstGroup
    from speakergmm.metrics.group_errors import worst_groups as worst_groups
    from speakergmm.metrics.identification import ClosedSetIdentification as ClosedSetIdentification
    from speakergmm.metrics.identification import SpeakerConfusion as SpeakerConfusion
    from speakergmm.metrics.identification import identification_accuracy as identification_accuracy
    from speakergmm.metrics.identification import (
        identification_from_matrix as identification_from_matrix,
    )
    from speakergmm.metrics.identification import (
        identification_from_trials as identification_from_trials,
    )
    from speakergmm.metrics.likelihood_ratios import TippettCurve as TippettCurve
    from speakergmm.metrics.likelihood_ratios import calibration_loss as calibration_loss
    from speakergmm.metrics.likelihood_ratios import cllr as cllr
    from speakergmm.metrics.likelihood_ratios import min_cllr as min_cllr
    from speakergmm.metrics.likelihood_ratios import tippett_curve as tippett_curve
    from speakergmm.metrics.percentages import percentage as percentage
    from speakergmm.metrics.phone_mappings import PHONE_MAPPINGS as PHONE_MAPPINGS
    from speakergmm.metrics.phone_mappings import PhoneMapping as PhoneMapping
    from speakergmm.metrics.phone_mappings import fold_stress as fold_stress
    from speakergmm.metrics.phone_mappings import read_phone_mapping as read_phone_mapping
    from speakergmm.metrics.pool_adjacent_violators import PavCalibration as PavCalibration
    from speakergmm.metrics.pool_adjacent_violators import pav_calibration as pav_calibration
    from speakergmm.metrics.prior_curves import BayesErrors as BayesErrors
    from speakergmm.metrics.prior_curves import EmpiricalCrossEntropy as EmpiricalCrossEntropy
    from speakergmm.metrics.prior_curves import bayes_error_curve as bayes_error_curve
    from speakergmm.metrics.prior_curves import empirical_cross_entropy as empirical_cross_entropy
    from speakergmm.metrics.resampling import Interval as Interval
    from speakergmm.metrics.resampling import draw_multiplicities as draw_multiplicities
    from speakergmm.metrics.resampling import draw_within as draw_within
    from speakergmm.metrics.resampling import percentile_interval as percentile_interval
    from speakergmm.metrics.resampling import ratio_interval as ratio_interval
    from speakergmm.metrics.resampling import wilson_interval as wilson_interval
    from speakergmm.metrics.score_files import export_lir as export_lir
    from speakergmm.metrics.score_files import read_scores as read_scores
    from speakergmm.metrics.score_files import write_scores as write_scores
    from speakergmm.metrics.scores import Scores as Scores
    from speakergmm.metrics.sorted_trials import DetCurve as DetCurve
    from speakergmm.metrics.sorted_trials import OperatingPoint as OperatingPoint
    from speakergmm.metrics.sorted_trials import SortedTrials as SortedTrials
    from speakergmm.metrics.system_comparison import MetricDifference as MetricDifference
    from speakergmm.metrics.system_comparison import compare_systems as compare_systems
    from speakergmm.metrics.system_comparison import in_order_of as in_order_of
    from speakergmm.metrics.transcription_bootstrap import (
        TRANSCRIPTION_METRICS as TRANSCRIPTION_METRICS,
    )
    from speakergmm.metrics.transcription_bootstrap import (
        transcription_intervals as transcription_intervals,
    )
    from speakergmm.metrics.transcription_bootstrap import (
        transcription_replicates as transcription_replicates,
    )
    from speakergmm.metrics.transcription_errors import ErrorCounts as ErrorCounts
    from speakergmm.metrics.transcription_errors import TranscriptionErrors as TranscriptionErrors
    from speakergmm.metrics.transcription_errors import UtteranceErrors as UtteranceErrors
    from speakergmm.metrics.transcription_errors import WordConfusion as WordConfusion
    from speakergmm.metrics.transcription_errors import phone_errors as phone_errors
    from speakergmm.metrics.transcription_errors import word_errors as word_errors
    from speakergmm.metrics.trial_evaluation import Evaluation as Evaluation
    from speakergmm.metrics.trial_evaluation import Metric as Metric
    from speakergmm.metrics.trial_evaluation import evaluate as evaluate
    from speakergmm.metrics.trial_groups import GroupColumn as GroupColumn

__getattr__, __dir__ = lazy_names(__name__)
