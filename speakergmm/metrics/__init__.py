"""Error rates, costs and accuracies of speakers and of transcripts, with their intervals."""

from speakergmm.metrics.detection import actual_dcf, det_curve, equal_error_rate, min_dcf
from speakergmm.metrics.evaluation import Evaluation, Measure, evaluate
from speakergmm.metrics.identification import (
    Confusion,
    Identification,
    identification_accuracy,
    identification_from_matrix,
    identification_from_trials,
)
from speakergmm.metrics.intervals import (
    Interval,
    bootstrap_intervals,
    speaker_clusters,
    wilson_interval,
)
from speakergmm.metrics.phone_mappings import PHONE_MAPPINGS, PhoneMapping, read_phone_mapping
from speakergmm.metrics.scores import Scores, read_scores, write_scores
from speakergmm.metrics.sorted_trials import DetCurve, OperatingPoint, SortedTrials
from speakergmm.metrics.transcription import TranscriptionErrors, phone_errors, word_errors
from speakergmm.metrics.transcription_intervals import transcription_intervals

__all__ = [
    "PHONE_MAPPINGS",
    "Confusion",
    "DetCurve",
    "Evaluation",
    "Identification",
    "Interval",
    "Measure",
    "OperatingPoint",
    "PhoneMapping",
    "Scores",
    "SortedTrials",
    "TranscriptionErrors",
    "actual_dcf",
    "bootstrap_intervals",
    "det_curve",
    "equal_error_rate",
    "evaluate",
    "identification_accuracy",
    "identification_from_matrix",
    "identification_from_trials",
    "min_dcf",
    "phone_errors",
    "read_phone_mapping",
    "read_scores",
    "speaker_clusters",
    "transcription_intervals",
    "wilson_interval",
    "word_errors",
    "write_scores",
]
