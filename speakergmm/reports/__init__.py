"""Figures and the self-contained HTML report."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.reports.html import render_report as render_report
    from speakergmm.reports.html import write_report as write_report

__getattr__, __dir__ = lazy_names(__name__)
