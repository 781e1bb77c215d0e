"""Closed-set identification experiments: accuracy over recordings or stretches of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Split, Utterance
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureConfig
from speakergmm.mixtures import DiagonalMixture
from speakergmm.speakers.experiment import whole_recordings
from speakergmm.speakers.extraction import (
    ExtractSpeech,
    OnSkip,
    as_config,
    cached_extractor,
    map_recordings,
)
from speakergmm.speakers.identification import LikelihoodScorer, fit_speaker_mixtures
from speakergmm.speakers.scoring import SpeakerScorer
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
        Column of the true speaker; -1 where she is not among the models or nobody said.
    """

    scores: NDArray[np.float64]
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    recording: NDArray[np.intp]
    truth: NDArray[np.intp]

    @property
    def accuracy(self) -> float:
        """Part of the rows with a true speaker among the models whose best score is hers.

        Raises
        ------
        InsufficientDataError
            If there is no such row.
        """
        known = self.truth >= 0
        if not known.any():
            raise InsufficientDataError("no test recording is of a speaker among the models")
        return float((self.scores[known].argmax(axis=1) == self.truth[known]).mean())


def run_identification(
    split: Split,
    scorer: SpeakerScorer | LikelihoodScorer,
    features: FeatureConfig | str | os.PathLike[str],
    *,
    window: int | None = None,
    shift: int = 1,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> ScoreMatrix:
    """Score every test recording of a split for every model.

    Parameters
    ----------
    split : Split
        Its target trials say who speaks.
    scorer : SpeakerScorer or LikelihoodScorer
        MAP-adapted models (top-C scoring) or plain mixtures (maximum likelihood).
    features : FeatureConfig, str or path
        Those the models were trained on.
    window : int, optional
        Score stretches of so many frames of speech, not whole recordings.
    shift : int, default=1
        Frames from one stretch to the next.
    n_jobs, strict, on_skip
        As for `run_protocol`.

    Returns
    -------
    ScoreMatrix
        Rows in the order of the recordings' first trials, stretches in time. A recording shorter
        than `window` has no row.

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
    if window is not None and (window < 1 or shift < 1):
        raise InvalidInputError(
            f"window {window!r} and shift {shift!r} must be at least 1 frame each"
        )
    speaker_of = {trial.path: trial.model for trial in split.trials if trial.label == "target"}
    column = {name: place for place, name in enumerate(scorer.names)}
    paths, blocks = [], []
    for utterance, scores in map_recordings(
        _ScoreStretches(as_config(features), scorer, window, shift),
        whole_recordings(split.test_paths()),
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
    ):
        paths.append(utterance.path)
        blocks.append(scores)
    lengths = [len(block) for block in blocks]
    if not sum(lengths):
        raise InsufficientDataError(
            "no test recording can be scored"
            + ("" if window is None else f"; none has {window} frames of speech")
        )
    recording = np.repeat(np.arange(len(paths)), lengths)
    truth = np.array([column.get(speaker_of.get(path, ""), -1) for path in paths], dtype=np.intp)
    return ScoreMatrix(
        np.concatenate(blocks), scorer.names, tuple(paths), recording, truth[recording]
    )


def train_split_mixtures(
    split: Split,
    *,
    n_components: int = 32,
    features: FeatureConfig | str | os.PathLike[str] = "speaker",
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    **options: Any,
) -> dict[str, DiagonalMixture]:
    """Train a plain mixture for each model of a split; see `train_speaker_mixtures`."""
    blocks: dict[str, list[NDArray[np.float32]]] = {model: [] for model in split.models}
    owners: dict[Path, list[str]] = {}
    for model in split.models:
        for path in split.enrolment[model]:
            owners.setdefault(path, []).append(model)
    for utterance, speech in map_recordings(
        ExtractSpeech(as_config(features)),
        whole_recordings(owners),
        n_jobs=n_jobs,
        strict=strict,
        on_skip=on_skip,
        affected={os.fspath(path): names for path, names in owners.items()},
    ):
        for model in owners[utterance.path]:
            blocks[model].append(speech.values)
    return fit_speaker_mixtures(blocks, n_components=n_components, n_jobs=n_jobs, **options)


@dataclass(frozen=True, slots=True)
class _ScoreStretches:
    config: FeatureConfig
    scorer: SpeakerScorer | LikelihoodScorer
    window: int | None
    shift: int

    def __call__(self, utterance: Utterance) -> NDArray[np.float64]:
        speech = cached_extractor(self.config).extract(utterance.path).speech_values
        if self.window is None:
            return self.scorer.score(speech)[None, :]
        frame_scores: Callable[..., NDArray[np.float64]] = self.scorer.frame_scores
        return window_averages(frame_scores(speech), length=self.window, shift=self.shift)
