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

    # Speakers who are taken for one another
    from speakergmm.reports.confusions import ConfusionTable as ConfusionTable
    from speakergmm.reports.confusions import FalseAcceptance as FalseAcceptance
    from speakergmm.reports.confusions import most_confused as most_confused
    from speakergmm.reports.confusions import most_falsely_accepted as most_falsely_accepted

    # DET curves and histograms of scores, as SVG
    from speakergmm.reports.figures import draw_det_curve as draw_det_curve
    from speakergmm.reports.figures import draw_histograms as draw_histograms
    from speakergmm.reports.figures import histogram_counts as histogram_counts
    from speakergmm.reports.figures import histogram_edges as histogram_edges
    from speakergmm.reports.figures import thin_curve as thin_curve

    # The HTML report of an evaluation
    from speakergmm.reports.html import configuration_rows as configuration_rows
    from speakergmm.reports.html import render_report as render_report
    from speakergmm.reports.html import write_report as write_report

    # Components of mixtures as ellipses
    from speakergmm.reports.mixtures import PALETTE as PALETTE
    from speakergmm.reports.mixtures import draw_components as draw_components
    from speakergmm.reports.mixtures import ellipse_outline as ellipse_outline

__getattr__, __dir__ = lazy_names(__name__)
