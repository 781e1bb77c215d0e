"""Confidence intervals of word and phone error rates, by resampling speakers.

Errors of one speaker are correlated through the voice, and errors of one utterance through its
recording and the language model. Speakers are therefore drawn with replacement, each with all of
their utterances; if no speakers are named, utterances are drawn.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics.evaluation_options import BootstrapOptions
from speakergmm.metrics.resampling import Interval, draw_multiplicities, percentile_intervals
from speakergmm.metrics.transcription_errors import TranscriptionErrors, UtteranceErrors

TRANSCRIPTION_METRICS = (
    "error_rate",
    "substitutions",
    "deletions",
    "insertions",
    "sentence_error_rate",
)
"""Metrics that have intervals; counts are rates per word of the reference."""


def transcription_intervals(
    errors: TranscriptionErrors, options: BootstrapOptions | None = None, **changes: Any
) -> dict[str, Interval | None]:
    """Bootstrap the error rates over speakers, or over utterances if no speakers are named.

    Parameters
    ----------
    errors : TranscriptionErrors
    options : BootstrapOptions, optional
    **changes
        Fields of `BootstrapOptions`, in place of those of `options`.

    Returns
    -------
    dict of str to Interval or None
        Keys are `TRANSCRIPTION_METRICS`; substitutions, deletions and insertions are rates per word
        of the reference. None if more than ``1 - confidence`` of the replicates contain no word,
        if there is only one speaker (one utterance, if no speakers are named), so that all
        replicates are the same, or if no replicates are asked for.

    Raises
    ------
    InvalidInputError
        If an option is out of range.

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
    >>> from speakergmm.metrics import word_errors
    >>> found = word_errors({"u1": ["a"], "u2": ["b"]}, {"u1": ["a"], "u2": ["c"]})
    >>> transcription_intervals(found)["error_rate"]
    Interval(low=0.0, high=1.0, confidence=0.95)
    """
    options = BootstrapOptions.of(options, changes)
    if len({_cluster(each) for each in errors.utterances}) < 2 or not options.n_bootstrap:
        return dict.fromkeys(TRANSCRIPTION_METRICS)
    replicates = transcription_replicates(errors, options)
    return percentile_intervals(replicates, confidence=options.confidence)


def _cluster(each: UtteranceErrors) -> str:
    """Return the unit of resampling that an utterance belongs to."""
    return each.utterance if each.speaker is None else each.speaker


def transcription_replicates(
    errors: TranscriptionErrors, options: BootstrapOptions | None = None, **changes: Any
) -> dict[str, NDArray[np.float64]]:
    """Compute the error rates of every replicate.

    Parameters
    ----------
    errors, options, **changes
        As for `transcription_intervals`. Two systems with the same references and the same seed
        have the same replicates of speakers, so that their error rates can be subtracted.

    Returns
    -------
    dict of str to array of float, shape (n_bootstrap,)
        NaN where a replicate contains no word.
    """
    options = BootstrapOptions.of(options, changes)
    # One row of counts per utterance, summed by speaker ...
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
    # ... and weighted by the number of times that each speaker is drawn.
    drawn = draw_multiplicities(len(names), n_bootstrap=options.n_bootstrap, seed=options.seed)
    sums = drawn @ totals
    words = np.where(sums[:, 5] > 0, sums[:, 5], np.nan)
    denominators = (words, words, words, words, sums[:, 6])
    return {
        name: sums[:, column] / denominator
        for column, (name, denominator) in enumerate(
            zip(TRANSCRIPTION_METRICS, denominators, strict=True)
        )
    }
