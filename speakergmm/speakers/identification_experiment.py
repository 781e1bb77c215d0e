"""Closed-set identification experiments: accuracy over recordings or stretches of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm import metrics
from speakergmm.corpora import AnyPath, Split, Utterance
from speakergmm.errors import InsufficientDataError
from speakergmm.features import (
    FeatureConfig,
    as_feature_config,
    cached_extractor,
    map_recordings,
)
from speakergmm.parallel import Workers
from speakergmm.ranges import whole_number
from speakergmm.run_context import RunContext
from speakergmm.speakers.extraction import check_speech, whole_recordings
from speakergmm.speakers.speaker_mixtures import LikelihoodScorer
from speakergmm.speakers.speaker_options import DEFAULT_TOP_C
from speakergmm.speakers.speaker_scoring import SpeakerScorer
from speakergmm.speakers.windows import window_averages


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMatrix:
    """Scores of test recordings, or of stretches of them, for all models.

    Parameters
    ----------
    scores : array, shape (N, M)
        Average per frame of speech.
    names : tuple of str
        The models, in the order of the columns.
    paths : tuple of Path
        Recordings.
    recording : array of int, shape (N,)
        Which of `paths` each row is of.
    truth : array of int, shape (N,)
        Column of the true speaker; -1 where the speaker is not among the models or nobody said.
    """

    scores: NDArray[np.float64]
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    recording: NDArray[np.intp]
    truth: NDArray[np.intp]

    @property
    def identification(self) -> metrics.ClosedSetIdentification:
        """Outcome of the rows with a true speaker among the models; ties count against them.

        Raises
        ------
        InsufficientDataError
            If there is no such row.
        """
        known = self.truth >= 0
        if not known.any():
            raise InsufficientDataError("no test recording is of a speaker among the models")
        return metrics.identification_from_matrix(
            self.scores[known], self.truth[known], model_names=self.names
        )

    @property
    def accuracy(self) -> float:
        """Part of the rows with a true speaker among the models whose best score is hers alone.

        Raises
        ------
        InsufficientDataError
            If there is no such row.
        """
        return self.identification.accuracy()

    def accuracy_interval(
        self, options: metrics.BootstrapOptions | None = None, **changes: Any
    ) -> metrics.Interval | None:
        """Bootstrap the accuracy over speakers, because the rows of a speaker share a voice.

        Parameters
        ----------
        options : BootstrapOptions, optional
            Each replicate draws as many true speakers as there are, with replacement; the
            competing models stay the same.
        **changes
            Fields of `BootstrapOptions`, in place of those of `options`.

        Returns
        -------
        Interval or None
            Percentile interval; None if all rows are of one speaker. An interval of zero width, as
            at an accuracy of 1, means that all replicates agree, and not that the accuracy is
            certain.

        Raises
        ------
        InsufficientDataError
            If no row has a true speaker among the models.
        InvalidInputError
            If an option is out of range.
        """
        options = metrics.BootstrapOptions.of(options, changes)
        found = self.identification
        _, speaker = np.unique(found.true, return_inverse=True)
        return metrics.ratio_interval(
            np.bincount(speaker, weights=found.ranks == 1),
            np.bincount(speaker),
            options,
        )


def run_identification(
    split: Split,
    scorer: SpeakerScorer | LikelihoodScorer,
    features: FeatureConfig | AnyPath,
    *,
    window: int | None = None,
    shift: int = 1,
    top_c: int | None = DEFAULT_TOP_C,
    n_jobs: int = 1,
    run: RunContext | None = None,
) -> ScoreMatrix:
    """Score every test recording of a split for every model.

    Parameters
    ----------
    split : Split
        Its target trials say who speaks.
    scorer : SpeakerScorer or LikelihoodScorer
        MAP-adapted models (log-likelihood ratio) or plain mixtures (maximum likelihood).
    features : FeatureConfig, str or path
        Those the models were trained on.
    window : int, optional
        Score stretches of so many frames of speech, not whole recordings.
    shift : int, default=1
        Frames from one stretch to the next.
    top_c : int or None, default=5
        Components scored per frame by a `SpeakerScorer`; None for all. Plain mixtures are scored
        with all in any case.
    n_jobs : int, default=1
        Number of worker processes; -1 for all cores. It changes nothing but the time.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used.

    Returns
    -------
    ScoreMatrix
        Rows in the order of the recordings' first trials, stretches in time. A recording shorter
        than `window`, or with less than 0.1 s of speech, has no row.

    Raises
    ------
    InsufficientDataError
        If there is no row.

    Notes
    -----
    With `window` this is the evaluation of Reynolds and Rose [1]_: all stretches of a given
    length, one frame apart.

    References
    ----------
    .. [1] Reynolds and Rose, "Robust text-independent speaker identification using Gaussian
       mixture speaker models", IEEE Trans. Speech and Audio Processing 3 (1995) 72-83.
    """
    found = run_identification_windows(
        split,
        scorer,
        features,
        windows=(window,),
        shift=shift,
        top_c=top_c,
        n_jobs=n_jobs,
        run=run,
    )
    if window not in found:
        raise InsufficientDataError(
            "no test recording can be scored"
            + ("" if window is None else f"; none has {window} frames of speech")
        )
    return found[window]


def run_identification_windows(
    split: Split,
    scorer: SpeakerScorer | LikelihoodScorer,
    features: FeatureConfig | AnyPath,
    *,
    windows: Sequence[int | None],
    shift: int = 1,
    top_c: int | None = DEFAULT_TOP_C,
    n_jobs: int = 1,
    run: RunContext | None = None,
) -> dict[int | None, ScoreMatrix]:
    """Score stretches of several lengths; each recording is read and scored once.

    Parameters
    ----------
    split, scorer, features, shift, top_c, n_jobs, run
        As for `run_identification`.
    windows : sequence of int or None
        Lengths in frames of speech; None is the whole recording.

    Returns
    -------
    dict of (int or None) to ScoreMatrix
        By length, without those for which every recording is too short.

    Raises
    ------
    InvalidInputError
        If a length or the shift isn't positive.
    """
    for window in windows:
        if window is not None:
            whole_number("window", window)
            whole_number("shift", shift)
    speaker_of = {trial.path: trial.model for trial in split.trials if trial.label == "target"}
    column = {name: place for place, name in enumerate(scorer.names)}
    function = partial(
        _score_stretches, as_feature_config(features), scorer, tuple(windows), shift, top_c
    )
    scored = list(
        map_recordings(
            function,
            whole_recordings(split.test_paths()),
            workers=Workers(n_jobs),
            run=run or RunContext(),
            description="Scoring recordings",
        )
    )
    paths = tuple(utterance.path for utterance, _ in scored)
    truth = np.array([column.get(speaker_of.get(path, ""), -1) for path in paths], dtype=np.intp)
    matrices: dict[int | None, ScoreMatrix] = {}
    for place, window in enumerate(windows):
        parts = [scores[place] for _, scores in scored]
        recording = np.repeat(np.arange(len(paths)), [len(part) for part in parts])
        if len(recording):
            matrices[window] = ScoreMatrix(
                np.concatenate(parts), scorer.names, paths, recording, truth[recording]
            )
    return matrices


def _score_stretches(
    config: FeatureConfig,
    scorer: SpeakerScorer | LikelihoodScorer,
    windows: Sequence[int | None],
    shift: int,
    top_c: int | None,
    utterance: Utterance,
) -> list[NDArray[np.float64]]:
    features = cached_extractor(config).extract(utterance.path)
    check_speech(features.speech_seconds, os.fspath(utterance.path))
    options = {"top_c": top_c} if isinstance(scorer, SpeakerScorer) else {}
    scores = scorer.frame_scores(features.speech_values, **options)
    return [
        scores.mean(axis=0, keepdims=True)
        if window is None
        else window_averages(scores, length=window, shift=shift)
        for window in windows
    ]
