"""Error rates, costs, identification accuracy and their intervals, from scored trials."""

from speakergmm.metrics.detection import actual_dcf, det_curve, equal_error_rate, min_dcf
from speakergmm.metrics.evaluation import Evaluation, Measure, evaluate
from speakergmm.metrics.identification import (
    Confusion,
    Identification,
    identification_accuracy,
    identification_from_matrix,
    identification_from_trials,
)
from speakergmm.metrics.intervals import Interval, bootstrap_intervals, speaker_clusters
from speakergmm.metrics.scores import Scores, read_scores, write_scores
from speakergmm.metrics.sorted_trials import DetCurve, OperatingPoint, SortedTrials

__all__ = [
    "Confusion",
    "DetCurve",
    "Evaluation",
    "Identification",
    "Interval",
    "Measure",
    "OperatingPoint",
    "Scores",
    "SortedTrials",
    "actual_dcf",
    "bootstrap_intervals",
    "det_curve",
    "equal_error_rate",
    "evaluate",
    "identification_accuracy",
    "identification_from_matrix",
    "identification_from_trials",
    "min_dcf",
    "read_scores",
    "speaker_clusters",
    "write_scores",
]
