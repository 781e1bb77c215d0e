"""Figures and the self-contained HTML report."""

from speakergmm.reports.html import render_report, write_report

__all__ = ["render_report", "write_report"]
