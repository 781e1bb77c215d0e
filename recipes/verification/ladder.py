"""The ladder of systems: each rung is trained, run and calibrated on one protocol."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conditions import CONDITIONS, POOLED
from settings import CALIBRATED, LADDER, Settings
from systems import Work, complete, score, train

from speakergmm.corpora import Protocol
from speakergmm.metrics import Scores
from speakergmm.speakers import BackgroundModel, SpeakerSystem

CROSS = "models of LibriSpeech"
"""Title of the highest rung with a background and a cohort of another corpus."""


class Rung(NamedTuple):
    """The result of a rung.

    Attributes
    ----------
    title : str
    scores : Scores
        Of eval, in all conditions.
    dev : Scores or None
        Of dev in the conditions on which it is calibrated; None if it is not.
    seconds : float
        Wall-clock time of training, enrolment and scoring of eval.
    """

    title: str
    scores: Scores
    dev: Scores | None
    seconds: float


def climb(protocol: Protocol, work: Work, titles: Sequence[str]) -> Iterator[Rung]:
    """Yield some rungs of the ladder on a protocol.

    S-norm is left out where background speakers have one recording each, which is then a model and
    no test.
    """
    assert protocol.background is not None
    trained: dict[str, BackgroundModel] = {}
    for title in titles:
        settings = LADDER[title]
        background = protocol.background
        if settings.normalisation == "s" and len(background) == len(background.speakers):
            continue
        start = time.perf_counter()
        kind = repr((settings.config(), settings.n_components, settings.augmentation))
        kind += repr(settings.real_talkers)
        if kind not in trained:
            trained[kind] = train(protocol.background, settings, work)
        own = protocol.background.utterances
        system = complete(trained[kind], own, settings, work)
        yield _measured(title, protocol, system, settings, work, start)


def cross(protocol: Protocol, background: BackgroundModel, work: Work) -> Rung:
    """Return the highest rung with a background and a cohort of other speakers than its own."""
    system = complete(background, work.others, CALIBRATED, work)
    return _measured(CROSS, protocol, system, CALIBRATED, work)


def _measured(
    title: str,
    protocol: Protocol,
    system: SpeakerSystem,
    settings: Settings,
    work: Work,
    start: float | None = None,
) -> Rung:
    start = time.perf_counter() if start is None else start
    measures = settings.calibrated and "dev" in protocol.splits
    scores = score(system, protocol, "eval", CONDITIONS, work, measures=measures)
    seconds = time.perf_counter() - start
    dev = score(system, protocol, "dev", POOLED, work, measures=True) if measures else None
    return Rung(title, scores, dev, seconds)
