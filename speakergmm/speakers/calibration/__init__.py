"""Calibration: raw scores become log-likelihood ratios, error rates that hold, and decisions.

A `CalibrationTrials` holds scores of trials whose speakers are known; `fit_calibration` makes a
`Calibration` of them, which maps scores (and measures of the quality of recordings) to natural
log-likelihood ratios within the bounds that the data support. Its evidence, ratios that were
cross-validated by speaker, is what a `Promise` of error rates rests on. Everything here works on
arrays; nothing reads audio or knows how a score was made.
"""
