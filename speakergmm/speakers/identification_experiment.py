"""Closed-set identification experiments: accuracy over whole recordings or over windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm import metrics
from speakergmm.corpora import AnyPath, Split, Utterance
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError
from speakergmm.features import (
    FeatureConfig,
    FeatureStore,
    as_feature_config,
    map_recordings,
)
from speakergmm.ranges import whole_number
from speakergmm.run_context import RunContext
from speakergmm.speakers.extraction import opened_store, speech_features, whole_recordings
from speakergmm.speakers.speaker_mixtures import LikelihoodScorer
from speakergmm.speakers.speaker_options import DEFAULT_TOP_C
from speakergmm.speakers.speaker_scoring import SpeakerScorer
from speakergmm.speakers.windows import window_averages


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMatrix:
    """Scores of test recordings, or of windows of them, for all models.

    Parameters
    ----------
    scores : array, shape (N, M)
        Average score per frame of speech, in natural logarithms.
    names : tuple of str
        Names of the models, in the order of the columns.
    paths : tuple of Path
        Test recordings.
    recording : array of int, shape (N,)
        Recording of each row: its place in `paths`.
    truth : array of int, shape (N,)
        Column of the true speaker; -1 if the speaker is unknown or not among the models.
    """

    scores: NDArray[np.float64]
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    recording: NDArray[np.intp]
    truth: NDArray[np.intp]

    @property
    def identification(self) -> metrics.ClosedSetIdentification:
        """Identification of the rows whose true speaker is among the models.

        Raises
        ------
        InsufficientDataError
            If there are no such rows.
        """
        known = self.truth >= 0
        if not known.any():
            raise InsufficientDataError("no test recording is of a speaker among the models")
        return metrics.identification_from_matrix(
            self.scores[known], self.truth[known], model_names=self.names
        )

    @property
    def accuracy(self) -> float:
        """Fraction of the rows with a true speaker among the models that are identified correctly.

        Ties count as errors.

        Raises
        ------
        InsufficientDataError
            If there are no such rows.
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
            If there are no rows whose true speaker is among the models.
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
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> ScoreMatrix:
    """Score every test recording of a split with every model.

    Parameters
    ----------
    split : Split
        Its target trials determine the true speakers.
    scorer : SpeakerScorer or LikelihoodScorer
        MAP-adapted models (log-likelihood ratio) or independent mixtures (log-likelihood).
    features : FeatureConfig, str or path
        The features on which the models were trained.
    window : int, optional
        Length of the windows in frames of speech; by default whole recordings are scored.
    shift : int, default=1
        Number of frames from one window to the next.
    top_c : int or None, default=None
        Components that a `SpeakerScorer` evaluates per frame; by default all. Independent mixtures
        are always evaluated with all components.
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again. Recordings that it lacks, or has
        from another version of the file, are extracted, with a warning.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of worker processes. It changes nothing but the
        time.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used.

    Returns
    -------
    ScoreMatrix
        Recordings are in the order of their first trials, windows in the order of time. A recording
        that is shorter than `window`, or has less than 0.1 s of speech, has no rows. Averages
        count frames by their weights, if the features have any; lengths of windows are in frames.

    Raises
    ------
    InsufficientDataError
        If there are no rows.

    Notes
    -----
    With `window` this is the evaluation of Reynolds and Rose [1]_: all segments of a given length,
    one frame apart.

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
        feature_store=feature_store,
        engine=engine,
        run=run,
    )
    if window not in found:
        raise InsufficientDataError(
            "no test recording can be scored"
            + ("" if window is None else f"; none of them has {window} frames of speech")
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
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> dict[int | None, ScoreMatrix]:
    """Score windows of several lengths; each recording is read and scored once.

    Parameters
    ----------
    split, scorer, features, shift, top_c, feature_store, engine, run
        As for `run_identification`.
    windows : sequence of int or None
        Lengths in frames of speech; None stands for the whole recording.

    Returns
    -------
    dict of (int or None) to ScoreMatrix
        By length, without lengths for which every recording is too short.

    Raises
    ------
    InvalidInputError
        If a length or the shift is not positive.
    """
    for window in windows:
        if window is not None:
            whole_number("window", window)
            whole_number("shift", shift)
    speaker_of = {trial.path: trial.model for trial in split.trials if trial.label == "target"}
    column = {name: place for place, name in enumerate(scorer.names)}
    config, engine = as_feature_config(features), Engine.of(engine)
    store = opened_store(feature_store, config)
    scored = list(
        map_recordings(
            ScoreWindows(config, scorer, tuple(windows), shift, top_c),
            whole_recordings(split.test_paths(), store, engine=engine),
            engine=engine,
            run=RunContext.checked(run),
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


@dataclass(frozen=True, slots=True, eq=False)
class ScoreWindows:
    """Scores of windows of a recording; can be sent to worker processes."""

    config: FeatureConfig
    scorer: SpeakerScorer | LikelihoodScorer
    windows: tuple[int | None, ...]
    shift: int
    top_c: int | None

    def __call__(self, utterance: Utterance) -> list[NDArray[np.float64]]:
        """Return the scores of one recording, for each length of windows."""
        frames = speech_features(utterance, self.config).speech_frames
        options = {"top_c": self.top_c} if isinstance(self.scorer, SpeakerScorer) else {}
        scores = self.scorer.frame_scores(frames, **options)
        weights = frames.weights
        if weights is not None and not weights.any():
            raise InsufficientDataError(
                f"{utterance.path}: the weights of all {len(weights)} frames of speech are zero"
            )
        return [
            window_averages(scores, length=window, shift=self.shift, weights=weights)
            if window is not None
            else scores.mean(axis=0, keepdims=True)
            if weights is None
            else np.average(scores, axis=0, weights=weights)[None]
            for window in self.windows
        ]
