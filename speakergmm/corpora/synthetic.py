"""The synthetic corpus: invented speakers who say invented words, with a protocol and the truth."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import numpy as np

from speakergmm.corpora.protocol import Protocol, read_protocol
from speakergmm.corpora.synthesis import (
    ENROLMENT_WORDS,
    LEXICON,
    PHONES,
    SAMPLE_RATE,
    TRIAL_WORDS,
    Segment,
    draw_session,
    draw_voice,
    speak,
)
from speakergmm.errors import CorpusError, InvalidInputError

NAME: Final = "synthetic"
"""Folder of the recordings, and name of the protocol."""

_RECORD: Final = "corpus.json"
_FORMAT: Final = 1
_HEADER_BYTES: Final = 44
_GROUPS: Final = ("background", "dev", "eval")
_SEXES: Final[tuple[Literal["f", "m"], ...]] = ("f", "m")
_BACKGROUND_SESSIONS: Final = 2
_TRIAL_SESSIONS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """How many of everything; the parameters of `make_synthetic_corpus`."""

    n_background: int
    n_dev: int
    n_eval: int
    n_background_utterances: int
    n_enrolment_utterances: int
    n_trial_utterances: int
    n_background_words: int
    n_enrolment_words: int
    n_trial_words: int

    def __post_init__(self) -> None:
        pools = {
            "n_background_words": len(LEXICON),
            "n_enrolment_words": len(ENROLMENT_WORDS),
            "n_trial_words": len(TRIAL_WORDS),
        }
        for name, value in asdict(self).items():
            least = 2 if name in ("n_dev", "n_eval") else 1
            most = pools.get(name, 999)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InvalidInputError(
                    f"{name} must be an integer from {least} to {most}, got {value!r}"
                )


@dataclass(frozen=True, slots=True)
class _Plan:
    """One recording to be made."""

    utterance: str
    speaker: str
    session: int
    number: int
    purpose: Literal["background", "enrolment", "trial"]
    n_words: int

    @property
    def path(self) -> str:
        """Below the recordings' folder."""
        return f"{self.speaker}/{self.utterance}.wav"


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What was said in a recording."""

    plan: _Plan
    words: tuple[str, ...]
    segments: tuple[Segment, ...]
    snr: float


@dataclass(frozen=True, slots=True)
class _Job:
    """All recordings of a speaker, and where to put them."""

    seed: int
    group: int
    index: int
    sex: Literal["f", "m"]
    plans: tuple[_Plan, ...]
    folder: Path


def make_synthetic_corpus(
    directory: str | os.PathLike[str],
    *,
    seed: int = 0,
    n_background: int = 20,
    n_dev: int = 10,
    n_eval: int = 20,
    n_background_utterances: int = 10,
    n_enrolment_utterances: int = 4,
    n_trial_utterances: int = 10,
    n_background_words: int = 5,
    n_enrolment_words: int = 4,
    n_trial_words: int = 3,
    n_jobs: int = 1,
) -> Protocol:
    """Make a corpus of invented speech, with lists for speaker recognition and exact labels.

    Women and men with their own vocal tracts, voices and habits say words of an invented language
    of 30 phones; sessions differ in microphone, room, level, pitch, tempo and effort. Enrolment
    and trial recordings share neither session nor word. The default sizes make 50 speakers and
    about 24 minutes, with speakers as far apart as makes a plain GMM-UBM err in a few per cent of
    the trials.

    Parameters
    ----------
    directory : path
        Where to write; created. It must be absent, empty, or hold a corpus made by this function.
    seed : int, default=0
        Fixes every sample. Everything random has its own stream, so more speakers or recordings
        leave the others as they are.
    n_background, n_dev, n_eval : int
        Speakers of each group; women and men in turn. Dev and eval need two at least.
    n_background_utterances : int, default=10
        Recordings of each background speaker, over two sessions.
    n_enrolment_utterances : int, default=4
        Recordings that enrol each dev or eval speaker, all of one session.
    n_trial_utterances : int, default=10
        Recordings tried of each dev or eval speaker, over two other sessions.
    n_background_words, n_enrolment_words, n_trial_words : int
        Words of a recording, about 0.5 s each with the pauses.
    n_jobs : int, default=1
        Processes to work with; the result doesn't depend on it.

    Returns
    -------
    Protocol
        As read from ``directory/protocols/synthetic``, with relative paths taken from `directory`.

    Raises
    ------
    InvalidInputError
        If the seed is negative or a number is out of its range.
    CorpusError
        If the directory holds anything else, or a corpus of another seed or size, or one whose
        recordings are damaged.

    Notes
    -----
    The corpus is made beside `directory` and moved there when it is whole. Where it stands
    already, made with the same seed and sizes, it is used as it is.

    Layout::

        protocols/synthetic/background.tsv    speaker, path
                            dev_enroll.tsv    model, path           also eval_enroll.tsv
                            dev_trials.tsv    model, path, label    also eval_trials.tsv
        synthetic/SPEAKER/UTTERANCE.wav       16 kHz, 16 bit, mono
                  wav.scp utt2spk spk2utt spk2gender text utt2dur     a Kaldi data directory
                  lexicon.txt                 word, phones
                  phones.tsv                  boundaries: utterance, start, duration (seconds),
                                              phone, first_sample, n_samples, word
                  words.tsv                   the same for words, without the last column
                  sessions.tsv                utterance, speaker, session, purpose, snr (dB)
                  corpus.json                 seed, sizes, format

    An utterance is named SPEAKER-SESSION-NUMBER; speakers begin with b, d or e for background,
    dev and eval. Boundaries are exact: an utterance's phones follow each other without a gap from
    its first sample to its last, silence (``sil``) included; the column ``word`` counts from 0 and
    is ``-`` for silence.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     protocol = make_synthetic_corpus(
    ...         folder, n_background=1, n_dev=2, n_eval=2, n_background_utterances=1,
    ...         n_enrolment_utterances=1, n_trial_utterances=1)
    >>> protocol.splits["eval"].models
    ('e001', 'e002')
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInputError(f"seed must be an integer of at least 0, got {seed!r}")
    sizes = _Sizes(
        n_background=n_background,
        n_dev=n_dev,
        n_eval=n_eval,
        n_background_utterances=n_background_utterances,
        n_enrolment_utterances=n_enrolment_utterances,
        n_trial_utterances=n_trial_utterances,
        n_background_words=n_background_words,
        n_enrolment_words=n_enrolment_words,
        n_trial_words=n_trial_words,
    )
    target = Path(directory)
    record: dict[str, object] = {
        "kind": "speakergmm synthetic corpus",
        "format": _FORMAT,
        "seed": seed,
        "sizes": asdict(sizes),
    }
    if not _stands(target, record):
        _make(target, record, seed=seed, sizes=sizes, n_jobs=n_jobs)
    return read_protocol(target / "protocols" / NAME, data_dir=target)


def _stands(target: Path, record: dict[str, object]) -> bool:
    """Say whether the wanted corpus is there; refuse a directory that holds anything else."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    where = target / NAME / _RECORD
    try:
        found = json.loads(where.read_text(encoding="utf-8"))
        size_of = found["n_samples"]
        same_kind = found["kind"] == record["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        same_kind = False
    if not same_kind:
        raise CorpusError(
            f"{target} is not empty and holds no synthetic corpus; give a new or empty directory"
        )
    for key in ("format", "seed", "sizes"):
        if found.get(key) != record[key]:
            raise CorpusError(
                f"{target} holds a synthetic corpus with {key} {found.get(key)}, not "
                f"{record[key]}; remove it or give another directory"
            )
    for path, n_samples in size_of.items():
        file = target / NAME / path
        if not file.is_file() or file.stat().st_size != _HEADER_BYTES + 2 * n_samples:
            raise CorpusError(
                f"{file} is missing or damaged; remove {target} to have the corpus made again"
            )
    return True


def _make(
    target: Path, record: dict[str, object], *, seed: int, sizes: _Sizes, n_jobs: int
) -> None:
    """Write the whole corpus beside its place, then move it there."""
    from speakergmm.parallel import parallel_map

    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        jobs = _plan(seed, sizes, place / NAME)
        recorded = list(chain.from_iterable(parallel_map(_record_speaker, jobs, n_jobs=n_jobs)))
        recorded.sort(key=lambda r: r.plan.utterance)
        _write_kaldi(place / NAME, recorded, jobs)
        _write_boundaries(place / NAME, recorded)
        _write_protocol(place / "protocols" / NAME, recorded)
        record = {**record, "n_samples": {r.plan.path: r.segments[-1].end for r in recorded}}
        text = json.dumps(record, indent=1) + "\n"
        (place / NAME / _RECORD).write_text(text, encoding="utf-8")
        place.chmod(0o755)
        if target.exists():
            target.rmdir()
        place.replace(target)
    except OSError as error:
        raise CorpusError(f"{target} can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _plan(seed: int, sizes: _Sizes, folder: Path) -> list[_Job]:
    jobs = []
    for group, name in enumerate(_GROUPS):
        n_speakers = (sizes.n_background, sizes.n_dev, sizes.n_eval)[group]
        for index in range(n_speakers):
            speaker = f"{name[0]}{index + 1:03d}"
            plans = _plan_background(speaker, sizes) if group == 0 else _plan_model(speaker, sizes)
            jobs.append(_Job(seed, group, index, _SEXES[index % 2], tuple(plans), folder))
    return jobs


def _plan_background(speaker: str, sizes: _Sizes) -> Iterable[_Plan]:
    for number in range(sizes.n_background_utterances):
        session = 1 + number % _BACKGROUND_SESSIONS
        name = f"{speaker}-{session}-{number + 1:03d}"
        yield _Plan(name, speaker, session, number, "background", sizes.n_background_words)


def _plan_model(speaker: str, sizes: _Sizes) -> Iterable[_Plan]:
    for number in range(sizes.n_enrolment_utterances):
        name = f"{speaker}-1-{number + 1:03d}"
        yield _Plan(name, speaker, 1, number, "enrolment", sizes.n_enrolment_words)
    for number in range(sizes.n_trial_utterances):
        session = 2 + number % _TRIAL_SESSIONS
        name = f"{speaker}-{session}-{number + 1:03d}"
        yield _Plan(name, speaker, session, number, "trial", sizes.n_trial_words)


def _stream(job: _Job, *key: int) -> np.random.Generator:
    """Give everything random its own stream, so that sizes don't change what is drawn."""
    sequence = np.random.SeedSequence(job.seed, spawn_key=(job.group, job.index, *key))
    return np.random.default_rng(sequence)


def _record_speaker(job: _Job) -> list[_Recorded]:
    """Make and write all recordings of a speaker."""
    import soundfile

    voice = draw_voice(job.sex, _stream(job, 0))
    sessions = {
        session: draw_session(_stream(job, 1, session), sample_rate=SAMPLE_RATE)
        for session in {plan.session for plan in job.plans}
    }
    pools = {
        "background": tuple(LEXICON),
        "enrolment": ENROLMENT_WORDS,
        "trial": TRIAL_WORDS,
    }
    recorded = []
    for plan in job.plans:
        path = job.folder / plan.path
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = _stream(job, 2, plan.session, plan.number)
        pool = pools[plan.purpose]
        words = [pool[i] for i in rng.choice(len(pool), size=plan.n_words, replace=False)]
        session = sessions[plan.session]
        spoken = speak(words, voice, rng, session=session)
        pcm = np.rint(spoken.samples * 32767.0).astype(np.int16)
        soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16", format="WAV")
        recorded.append(_Recorded(plan, spoken.words, spoken.segments, session.snr))
    return recorded


def _write_lines(path: Path, rows: Iterable[Sequence[object]], *, separator: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")


def _seconds(n_samples: int) -> str:
    # 1 / 16000 s has seven decimals: the decimal number is exact.
    return f"{n_samples / SAMPLE_RATE:.7f}"


def _write_kaldi(folder: Path, recorded: Sequence[_Recorded], jobs: Sequence[_Job]) -> None:
    of_speaker: dict[str, list[str]] = {}
    for item in recorded:
        of_speaker.setdefault(item.plan.speaker, []).append(item.plan.utterance)
    sexes = sorted((job.plans[0].speaker, job.sex) for job in jobs)
    lists: dict[str, Iterable[Sequence[object]]] = {
        "wav.scp": ((r.plan.utterance, r.plan.path) for r in recorded),
        "utt2spk": ((r.plan.utterance, r.plan.speaker) for r in recorded),
        "spk2utt": ((speaker, *names) for speaker, names in sorted(of_speaker.items())),
        "spk2gender": sexes,
        "text": ((r.plan.utterance, *r.words) for r in recorded),
        "utt2dur": ((r.plan.utterance, _seconds(r.segments[-1].end)) for r in recorded),
        "lexicon.txt": ((word, *phones) for word, phones in sorted(LEXICON.items())),
    }
    for name, rows in lists.items():
        _write_lines(folder / name, rows, separator=" ")


def _write_boundaries(folder: Path, recorded: Sequence[_Recorded]) -> None:
    times = ("utterance", "start", "duration")
    phones: list[Sequence[object]] = [(*times, "phone", "first_sample", "n_samples", "word")]
    words: list[Sequence[object]] = [(*times, "word", "first_sample", "n_samples")]
    sessions: list[Sequence[object]] = [("utterance", "speaker", "session", "purpose", "snr")]
    for item in recorded:
        plan = item.plan
        sessions.append(
            (plan.utterance, plan.speaker, plan.session, plan.purpose, f"{item.snr:.2f}")
        )
        for s in item.segments:
            span = (plan.utterance, _seconds(s.start), _seconds(s.n_samples))
            word = "-" if s.word is None else s.word
            phones.append((*span, s.phone, s.start, s.n_samples, word))
        for index, name in enumerate(item.words):
            inside = [s for s in item.segments if s.word == index]
            start, length = inside[0].start, inside[-1].end - inside[0].start
            words.append((plan.utterance, _seconds(start), _seconds(length), name, start, length))
    _write_lines(folder / "phones.tsv", phones, separator="\t")
    _write_lines(folder / "words.tsv", words, separator="\t")
    _write_lines(folder / "sessions.tsv", sessions, separator="\t")
    _write_lines(folder / "phones.txt", ((name,) for name in PHONES), separator=" ")


def _write_protocol(folder: Path, recorded: Sequence[_Recorded]) -> None:
    def listed(purpose: str, group: str) -> list[_Plan]:
        return [
            r.plan for r in recorded if r.plan.purpose == purpose and r.plan.speaker[0] == group[0]
        ]

    rows: list[Sequence[object]] = [("speaker", "path")]
    rows += [(p.speaker, f"{NAME}/{p.path}") for p in listed("background", "background")]
    _write_lines(folder / "background.tsv", rows, separator="\t")
    for split in ("dev", "eval"):
        enrolment, trials = listed("enrolment", split), listed("trial", split)
        rows = [("model", "path"), *((p.speaker, f"{NAME}/{p.path}") for p in enrolment)]
        _write_lines(folder / f"{split}_enroll.tsv", rows, separator="\t")
        rows = [("model", "path", "label")]
        for model in sorted({p.speaker for p in enrolment}):
            for p in trials:
                label = "target" if p.speaker == model else "nontarget"
                rows.append((model, f"{NAME}/{p.path}", label))
        _write_lines(folder / f"{split}_trials.tsv", rows, separator="\t")
