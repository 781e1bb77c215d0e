"""Confidence intervals of error rates of words and phones, by resampling speakers.

The errors of one speaker hang together by the voice, those of one utterance by its recording and by
the language model. Hence speakers are drawn with replacement, each with all their utterances; where
no speakers are named, utterances are drawn.
"""

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics.resampling import (
    Interval,
    check_resampling,
    draw_multiplicities,
    percentile_intervals,
)
from speakergmm.metrics.transcription_errors import TranscriptionErrors, UtteranceErrors

TRANSCRIPTION_METRICS = (
    "error_rate",
    "substitutions",
    "deletions",
    "insertions",
    "sentence_error_rate",
)
"""Figures that have intervals: counts as rates for each word said, and of sentences."""


def transcription_intervals(
    errors: TranscriptionErrors,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Bootstrap the error rates over speakers, or over utterances where none are named.

    Parameters
    ----------
    errors : TranscriptionErrors
    n_bootstrap : int, default=1000
        Replicates, at least 2.
    confidence : float, default=0.95
        Nominal coverage, between 0 and 1.
    seed : int, default=0
        Of the drawing.

    Returns
    -------
    dict of str to Interval or None
        Keys are `TRANSCRIPTION_METRICS`; substitutions, deletions and insertions are rates per word
        of the reference. None if more than ``1 - confidence`` of the replicates contain no word,
        or if there is only one speaker (one utterance, if no speakers are named), so that all
        replicates are the same.

    Raises
    ------
    InvalidInputError
        If an option lies outside its range.

    Notes
    -----
    Percentile intervals. With ten speakers they are too narrow (see
    :func:`~speakergmm.metrics.bootstrap_intervals`).

    References
    ----------
    .. [1] Bisani, Ney, "Bootstrap estimates for confidence intervals in ASR performance
       evaluation", ICASSP 2004.

    Examples
    --------
    >>> from speakergmm.metrics.transcription_errors import word_errors
    >>> found = word_errors({"u1": ["a"], "u2": ["b"]}, {"u1": ["a"], "u2": ["c"]})
    >>> transcription_intervals(found)["error_rate"]
    Interval(low=0.0, high=1.0, confidence=0.95)
    """
    check_resampling(n_bootstrap, confidence)
    if len({_cluster(each) for each in errors.utterances}) < 2:
        return dict.fromkeys(TRANSCRIPTION_METRICS)
    replicates = transcription_replicates(errors, n_bootstrap=n_bootstrap, seed=seed)
    return percentile_intervals(replicates, confidence=confidence)


def _cluster(each: UtteranceErrors) -> str:
    return each.utterance if each.speaker is None else each.speaker


def transcription_replicates(
    errors: TranscriptionErrors, *, n_bootstrap: int = 1000, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Recompute the error rates on every resample.

    Parameters
    ----------
    errors, n_bootstrap, seed
        As for `transcription_intervals`. Two systems with the same references and the same seed are
        resampled alike, so that their replicates can be subtracted.

    Returns
    -------
    dict of str to array of float, shape (n_bootstrap,)
        NaN where a replicate holds no word.
    """
    table = np.array(
        [
            (c.errors, c.substitutions, c.deletions, c.insertions, c.errors > 0, c.n_reference, 1)
            for c in (each.counts for each in errors.utterances)
        ],
        dtype=np.float64,
    )
    clusters = [_cluster(each) for each in errors.utterances]
    names, member = np.unique(np.array(clusters, dtype=object).astype(str), return_inverse=True)
    totals = np.zeros((len(names), table.shape[1]))
    np.add.at(totals, member, table)
    sums = draw_multiplicities(len(names), n_bootstrap=n_bootstrap, seed=seed) @ totals
    words = np.where(sums[:, 5] > 0, sums[:, 5], np.nan)
    of_what = (words, words, words, words, sums[:, 6])
    return {
        name: sums[:, column] / whole
        for column, (name, whole) in enumerate(zip(TRANSCRIPTION_METRICS, of_what, strict=True))
    }
