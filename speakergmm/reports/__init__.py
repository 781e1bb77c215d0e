"""Pictures of alignments, mixtures and error rates, and the self-contained HTML report."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Alignments: waveform, spectrogram and tiers of labels
    from speakergmm.reports.alignments import confidence_colour as confidence_colour
    from speakergmm.reports.alignments import draw_alignment as draw_alignment
    from speakergmm.reports.alignments import picture_svg as picture_svg
    from speakergmm.reports.alignments import spectrogram as spectrogram
    from speakergmm.reports.alignments import write_picture as write_picture

    # Plots of log-likelihood ratios
    from speakergmm.reports.calibration_plots import draw_bayes_error as draw_bayes_error
    from speakergmm.reports.calibration_plots import draw_cross_entropy as draw_cross_entropy
    from speakergmm.reports.calibration_plots import draw_reliability as draw_reliability
    from speakergmm.reports.calibration_plots import draw_tippett as draw_tippett

    # Two systems
    from speakergmm.reports.comparison import comparison_verdict as comparison_verdict
    from speakergmm.reports.comparison import draw_comparison as draw_comparison
    from speakergmm.reports.comparison import write_comparison as write_comparison

    # Errors of groups of trials
    from speakergmm.reports.condition_groups import errors_by_condition as errors_by_condition

    # Speakers who are taken for one another, or hard to recognise
    from speakergmm.reports.confusions import ConfusionTable as ConfusionTable
    from speakergmm.reports.confusions import FalseAcceptance as FalseAcceptance
    from speakergmm.reports.confusions import Menagerie as Menagerie
    from speakergmm.reports.confusions import SpeakerErrors as SpeakerErrors
    from speakergmm.reports.confusions import find_menagerie as find_menagerie
    from speakergmm.reports.confusions import most_confused as most_confused
    from speakergmm.reports.confusions import most_falsely_accepted as most_falsely_accepted

    # DET curves with their bands
    from speakergmm.reports.det_plots import band_outline as band_outline
    from speakergmm.reports.det_plots import draw_det_curves as draw_det_curves
    from speakergmm.reports.det_plots import thin_curve as thin_curve

    # All plots of an evaluation, and their files
    from speakergmm.reports.evaluation_plots import draw_evaluation as draw_evaluation
    from speakergmm.reports.evaluation_plots import write_plots as write_plots

    # The HTML report of an evaluation
    from speakergmm.reports.html import render_report as render_report
    from speakergmm.reports.html import write_report as write_report

    # Estimates with their intervals
    from speakergmm.reports.interval_plots import draw_intervals as draw_intervals

    # Components of mixtures as ellipses
    from speakergmm.reports.mixtures import draw_components as draw_components
    from speakergmm.reports.mixtures import ellipse_outline as ellipse_outline

    # Pages of one look
    from speakergmm.reports.pages import configuration_rows as configuration_rows
    from speakergmm.reports.pages import render_page as render_page

    # The look of plots, in files and on the page
    from speakergmm.reports.plots import PALETTE as PALETTE
    from speakergmm.reports.plots import page_svg as page_svg

    # Histograms of scores
    from speakergmm.reports.score_plots import draw_histograms as draw_histograms
    from speakergmm.reports.score_plots import draw_score_panels as draw_score_panels
    from speakergmm.reports.score_plots import histogram_counts as histogram_counts
    from speakergmm.reports.score_plots import histogram_edges as histogram_edges

    # Trials that were decided wrongly
    from speakergmm.reports.trial_errors import TrialError as TrialError
    from speakergmm.reports.trial_errors import worst_false_alarms as worst_false_alarms
    from speakergmm.reports.trial_errors import worst_misses as worst_misses

    # The verdict in words
    from speakergmm.reports.verdict import evaluation_verdict as evaluation_verdict

__getattr__, __dir__ = lazy_names(__name__)
