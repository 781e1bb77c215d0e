"""Systems of the recipe: from settings and a protocol to scores in the conditions of the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
from conditions import in_conditions, talkers_of
from settings import Settings

from speakergmm.corpora import Corpus, Protocol, Utterance
from speakergmm.metrics import Scores
from speakergmm.speakers import (
    BACKEND_TRAININGS,
    AdaptationOptions,
    BackgroundModel,
    NormalisationOptions,
    SpeakerSystem,
    make_cohort,
    run_protocol,
    train_backend,
)

T = TypeVar("T")
_TESTS_PER_SPEAKER = 10  # of a cohort, for the normalisations that need tests


@dataclass(frozen=True)
class Work:
    """Folders, processes and what was made so far of the work on one protocol.

    Parameters
    ----------
    name : str
        Of the protocol.
    seed, jobs : int
        Seed of the mixtures, and number of processes.
    folder : Path
        Where changed recordings are written.
    root : Path
        Folder of the data.
    others : sequence of Utterance
        Recordings of further speakers for cohorts and back-ends that learn, one of each.
    voices : sequence of Path
        Recordings of those who babble in augmentation; none of them does in the tests.
    trained : dict
        What was trained so far, in work on any protocol, by all that it depends on.
    """

    name: str
    seed: int
    jobs: int
    folder: Path
    root: Path
    others: Sequence[Utterance] = ()
    voices: Sequence[Path] = ()
    trained: dict[str, Any] = field(default_factory=dict)

    def once(self, make: Callable[[], T], *depends: object) -> T:
        """Return what is made from some things, made on the first call that names them."""
        key = repr((self.seed, *depends))
        if key not in self.trained:
            self.trained[key] = make()
        return self.trained[key]


def evenly(utterances: Sequence[Utterance], n: int) -> list[Utterance]:
    """Return n of the utterances, which are one per speaker, evenly spaced in their order."""
    places = np.linspace(0, len(utterances) - 1, min(n, len(utterances))).round().astype(int)
    return [utterances[place] for place in places]


def train(speech: Corpus | Sequence[Utterance], settings: Settings, work: Work) -> BackgroundModel:
    """Return a background model of speech of many speakers."""
    babbles = settings.augmentation == "default" or "babble" in settings.augmentation
    return BackgroundModel.train(
        speech,
        features=settings.config(),
        n_components=settings.n_components,
        covariance_type=settings.covariance_type,
        augmentation=settings.augmentation,
        talkers=list(work.voices) if settings.real_talkers and babbles and work.voices else None,
        seed=work.seed,
        engine=work.jobs,
    )


def trained_on(protocol: Protocol, settings: Settings, work: Work) -> SpeakerSystem:
    """Return a system of the background of a protocol, or of LibriSpeech; each is trained once."""
    assert protocol.background is not None
    shared = settings.shared_background
    own = work.others if shared else protocol.background.utterances
    place = "" if shared else work.name
    mixture = settings.config(), settings.n_components, settings.covariance_type
    versions = settings.augmentation, settings.real_talkers
    background = work.once(lambda: train(own, settings, work), place, mixture, versions)
    return work.once(lambda: complete(background, own, settings, work), place, settings)


def complete(
    background: BackgroundModel, own: Sequence[Utterance], settings: Settings, work: Work
) -> SpeakerSystem:
    """Return the system of a background model, with a cohort if scores are normalised.

    Parameters
    ----------
    background : BackgroundModel
    own : sequence of Utterance
        Recordings of its speakers, who are in the cohort; if there is one of each, some are.
    settings : Settings
    work : Work
    """
    adaptation = AdaptationOptions(relevance_factor=settings.relevance_factor)
    if settings.backend in BACKEND_TRAININGS:
        others = further(own, work.others) if settings.shared_learning else []
        speech = cut([*own, *others], settings.session_seconds)
        learning, engine = settings.learning, work.jobs
        system = train_backend(background, speech, settings.backend, engine=engine, **learning)
    else:
        system = SpeakerSystem(background, adaptation, settings.backend)
    if settings.normalisation == "none":
        return system
    options = NormalisationOptions(
        normalisation=settings.normalisation,  # type: ignore[arg-type] # checked there
        cohort_top=settings.cohort_top,
    )
    cohort = make_cohort(
        cohort_recordings(own, work.others, settings.shared_cohort),
        background,
        system.backend,
        tests_per_speaker=_TESTS_PER_SPEAKER if options.needs_tests else 0,
        engine=work.jobs,
    )
    return system.replace(cohort=cohort, normalisation=options)


def cohort_recordings(
    own: Sequence[Utterance], others: Sequence[Utterance], n_others: int
) -> list[Utterance]:
    """Return the recordings of a cohort: of own speakers, and of some others."""
    single = len({each.speaker for each in own}) == len(own)
    chosen = evenly(own, n_others) if single and n_others else list(own)
    return chosen + further(own, evenly(others, n_others))


def further(own: Sequence[Utterance], others: Sequence[Utterance]) -> list[Utterance]:
    """Return the recordings of others that are no own ones, under names of their own."""
    there = {each.path for each in own}
    return [
        replace(each, id=f"further-{each.id}", speaker=f"further-{each.speaker}")
        for each in others
        if each.path not in there
    ]


def cut(utterances: Sequence[Utterance], seconds: float | None) -> list[Utterance]:
    """Return the utterances, which are whole recordings, cut into sessions of about one length."""
    if seconds is None:
        return list(utterances)
    made = []
    for utterance in utterances:
        length = soundfile.info(utterance.path).duration
        places = np.linspace(0, length, max(1, round(length / seconds)) + 1).round(3)
        ends = [*places[:-1].tolist(), None]
        for number, (start, end) in enumerate(pairwise(ends)):
            made.append(replace(utterance, id=f"{utterance.id}-{number}", start=start, end=end))
    return made


def score(
    system: SpeakerSystem,
    protocol: Protocol,
    split: str,
    conditions: Sequence[str],
    work: Work,
    *,
    measures: bool = False,
) -> Scores:
    """Return the scores of a split in conditions of the test, which is a column of them."""
    changed = in_conditions(
        protocol.split(split),
        talkers_of(protocol),
        work.folder,
        root=work.root,
        conditions=conditions,
    )
    trials = replace(protocol, splits={**protocol.splits, split: changed})
    return run_protocol(trials, system, split=split, measures=measures, engine=work.jobs)


def measured(
    protocol: Protocol,
    settings: Settings,
    work: Work,
    *,
    split: str,
    conditions: Sequence[str],
) -> Scores:
    """Train a system on the background of a protocol, and return the scores of a split."""
    return score(trained_on(protocol, settings, work), protocol, split, conditions, work)


def in_condition(scores: Scores, *conditions: str) -> Scores:
    """Return the scores in one or several conditions of the test."""
    return scores.select(np.isin(scores.condition("condition").astype(str), conditions))
