"""Scores of both systems on the same trials, and their likelihood ratios."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from material import Recording, background_of, by_speaker, split_of
from settings import Mixtures, Phrases
from sklearn.linear_model import LogisticRegression

from speakergmm.corpora import Protocol
from speakergmm.metrics import Scores, cllr, evaluate, min_cllr
from speakergmm.recognition import AcousticModel
from speakergmm.speakers import (
    BackgroundModel,
    CalibrationTrials,
    cross_validated_llrs,
    fit_calibration,
    run_protocol,
    score_phrases,
)


@dataclass
class Corpora:
    """Recordings of words, the background's speakers, and models that are trained once.

    Parameters
    ----------
    recordings : sequence of Recording
    background : sequence of str
        Names of its speakers.
    sample_rate : int
    jobs : int
    """

    recordings: Sequence[Recording]
    background: Sequence[str]
    sample_rate: int = 16_000
    jobs: int = 1
    trained: dict[str, AcousticModel | BackgroundModel] = field(default_factory=dict)

    def score(self, settings: Phrases | Mixtures, speakers: Sequence[str]) -> Scores:
        """Return the scores of the trials of some speakers."""
        if isinstance(settings, Mixtures):
            return self._score_mixtures(settings, speakers)
        options = settings.options(sample_rate=self.sample_rate)
        speech = background_of(self.recordings, self.background)
        kind = repr(options)
        if kind not in self.trained:
            self.trained[kind] = AcousticModel.train(speech, options=options, engine=self.jobs)
        lists = Protocol(None, {"eval": split_of(self.recordings, speakers)})
        model = self.trained[kind]
        assert isinstance(model, AcousticModel)
        return score_phrases(lists, model, engine=self.jobs, **settings.adaptation)

    def _score_mixtures(self, settings: Mixtures, speakers: Sequence[str]) -> Scores:
        config = settings.config(sample_rate=self.sample_rate)
        kind = repr((config, settings.n_components, settings.augmentation))
        if kind not in self.trained:
            self.trained[kind] = BackgroundModel.train(
                background_of(self.recordings, self.background).corpus,
                features=config,
                n_components=settings.n_components,
                augmentation=settings.augmentation,
                seed=0,
                engine=self.jobs,
            )
        split = split_of(self.recordings, speakers, by_word=settings.by_word)
        model = self.trained[kind]
        assert isinstance(model, BackgroundModel)
        factor = settings.relevance_factor
        lists = Protocol(None, {"eval": split})
        scores = run_protocol(lists, model, relevance_factor=factor, engine=self.jobs)
        return by_speaker(scores) if settings.by_word else scores


def dev_figures(scores: Scores) -> dict[str, float]:
    """Return EER and minCllr of dev scores, and Cllr by calibrations that saw other speakers."""
    trials = CalibrationTrials.of(scores)
    llrs = cross_validated_llrs(trials)
    parts = llrs[trials.is_target], llrs[~trials.is_target]
    own = scores.scores[scores.is_target], scores.scores[~scores.is_target]
    eer = evaluate(scores, n_bootstrap=0)["eer_linear"].value
    return {"EER": 100 * eer, "minCllr": min_cllr(*own), "Cllr": cllr(*parts)}


def calibrated(scores: Scores, dev: Scores) -> Scores:
    """Return scores as likelihood ratios, calibrated on those of dev."""
    return replace(scores, scores=fit_calibration(CalibrationTrials.of(dev)).llr(scores.scores))


def fused(scores: Sequence[Scores], dev: Sequence[Scores]) -> Scores:
    """Return likelihood ratios of two systems together, by logistic regression on dev."""
    columns = np.stack([each.scores for each in dev], axis=1)
    mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    fit = LogisticRegression(class_weight="balanced").fit(
        (columns - mean) / deviation, dev[0].is_target
    )
    tested = np.stack([each.scores for each in scores], axis=1)
    return replace(scores[0], scores=fit.decision_function((tested - mean) / deviation))


def joined(several: Sequence[Scores]) -> Scores:
    """Return the trials of several scores as one."""
    fields = ("models", "paths", "scores", "labels")
    return Scores(*(np.concatenate([getattr(each, f) for each in several]) for f in fields))
