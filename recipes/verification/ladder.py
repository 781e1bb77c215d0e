"""The ladder of systems: each rung is trained, run and calibrated on one protocol."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conditions import CONDITIONS, POOLED
from settings import LADDER, Settings
from systems import Work, further, score, trained_on

from speakergmm.corpora import Protocol
from speakergmm.metrics import Scores
from speakergmm.speakers import SpeakerSystem, fit_fusion


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
    no test; models of LibriSpeech are left out on LibriSpeech and where there is none.
    """
    assert protocol.background is not None
    for title in titles:
        settings = LADDER[title]
        background = protocol.background
        if settings.normalisation == "s" and len(background) == len(background.speakers):
            continue
        if settings.shared_background and not further(background.utterances, work.others):
            continue
        start = time.perf_counter()
        system = trained_on(protocol, settings, work)
        yield _measured(title, protocol, system, settings, work, start)


def fuse(title: str, parts: Sequence[Rung]) -> Rung:
    """Return the rung of several systems whose scores are fused by weights from dev."""
    dev = [each.dev for each in parts if each.dev is not None]
    fusion = fit_fusion(dev)
    scores = fusion.fuse([each.scores for each in parts])
    return Rung(title, scores, fusion.fuse(dev), sum(each.seconds for each in parts))


def _measured(
    title: str,
    protocol: Protocol,
    system: SpeakerSystem,
    settings: Settings,
    work: Work,
    start: float,
) -> Rung:
    measures = settings.calibrated and "dev" in protocol.splits
    scores = score(system, protocol, "eval", CONDITIONS, work, measures=measures)
    seconds = time.perf_counter() - start
    dev = score(system, protocol, "dev", POOLED, work, measures=True) if measures else None
    return Rung(title, scores, dev, seconds)
