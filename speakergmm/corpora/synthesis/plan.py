"""Plan of a synthetic corpus: speakers, sessions and utterances, and their synthesis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from speakergmm.audio import write_audio
from speakergmm.corpora.synthesis.articulation import PlacedPhone
from speakergmm.corpora.synthesis.session import draw_session
from speakergmm.corpora.synthesis.synthetic_options import SyntheticCorpusOptions
from speakergmm.corpora.synthesis.utterance import speak
from speakergmm.corpora.synthesis.vocabulary import ENROLMENT_WORDS, LEXICON, TRIAL_WORDS
from speakergmm.corpora.synthesis.voice import SAMPLE_RATE, draw_voice

Purpose = Literal["background", "enrolment", "trial"]

_GROUPS: Final[dict[str, tuple[Purpose, ...]]] = {
    "background": ("background",),
    "dev": ("enrolment", "trial"),
    "eval": ("enrolment", "trial"),
}
_SEXES: Final[tuple[Literal["f", "m"], ...]] = ("f", "m")
# Sessions in which a speaker is recorded, and words from which utterances are drawn.
_PURPOSES: Final[dict[Purpose, tuple[tuple[int, ...], tuple[str, ...]]]] = {
    "background": ((1, 2), tuple(LEXICON)),
    "enrolment": ((1,), ENROLMENT_WORDS),
    "trial": ((2, 3), TRIAL_WORDS),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One recording that is to be synthesised."""

    utterance: str
    speaker: str
    session: int
    number: int
    purpose: Purpose
    n_words: int

    @property
    def path(self) -> str:
        """Path of the recording, relative to the folder of all recordings."""
        return f"{self.speaker}/{self.utterance}.wav"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording that was synthesised, with its labels."""

    plan: Plan
    words: tuple[str, ...]
    segments: tuple[PlacedPhone, ...]
    snr: float


@dataclass(frozen=True, slots=True)
class Job:
    """All recordings of a speaker, and the folder to which they are written."""

    seed: int
    group: int
    index: int
    sex: Literal["f", "m"]
    plans: tuple[Plan, ...]
    folder: Path


def plan_jobs(options: SyntheticCorpusOptions, folder: Path) -> list[Job]:
    """Return the planned recordings of a corpus, speaker by speaker."""
    jobs = []
    for group, (name, purposes) in enumerate(_GROUPS.items()):
        for index in range(getattr(options, f"n_{name}")):
            speaker = f"{name[0]}{index + 1:03d}"
            plans = tuple(_plans(speaker, purposes, options))
            jobs.append(Job(options.seed, group, index, _SEXES[index % 2], plans, folder))
    return jobs


def _plans(
    speaker: str, purposes: Sequence[Purpose], options: SyntheticCorpusOptions
) -> Iterable[Plan]:
    """Yield the planned recordings of a speaker."""
    for purpose in purposes:
        (sessions, _), n_words = _PURPOSES[purpose], getattr(options, f"n_{purpose}_words")
        for number in range(getattr(options, f"n_{purpose}_utterances")):
            session = sessions[number % len(sessions)]
            name = f"{speaker}-{session}-{number + 1:03d}"
            yield Plan(name, speaker, session, number, purpose, n_words)


def _stream(job: Job, *key: int) -> np.random.Generator:
    """Return a random stream of its own for each purpose, independent of the sizes."""
    sequence = np.random.SeedSequence(job.seed, spawn_key=(job.group, job.index, *key))
    return np.random.default_rng(sequence)


def record_speaker(job: Job) -> list[Recorded]:
    """Synthesise and write all recordings of a speaker."""
    voice = draw_voice(job.sex, _stream(job, 0))
    sessions = {
        session: draw_session(_stream(job, 1, session))
        for session in {plan.session for plan in job.plans}
    }
    recorded = []
    for plan in job.plans:
        path = job.folder / plan.path
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = _stream(job, 2, plan.session, plan.number)
        _, pool = _PURPOSES[plan.purpose]
        words = [pool[i] for i in rng.choice(len(pool), size=plan.n_words, replace=False)]
        session = sessions[plan.session]
        spoken = speak(words, voice, rng, session=session)
        pcm = np.rint(spoken.samples * 32767.0).astype(np.int16)
        write_audio(path, pcm / 32768.0, SAMPLE_RATE)
        recorded.append(Recorded(plan, spoken.words, spoken.segments, session.snr))
    return recorded
