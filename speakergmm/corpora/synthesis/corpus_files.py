"""Files of a synthetic corpus: Kaldi data directory, boundaries and protocol."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from speakergmm.corpora.synthesis.phones import PHONES
from speakergmm.corpora.synthesis.plan import Job, Recorded
from speakergmm.corpora.synthesis.vocabulary import LEXICON
from speakergmm.corpora.synthesis.voice import SAMPLE_RATE


def _write_lines(path: Path, rows: Iterable[Sequence[object]], *, separator: str) -> None:
    """Write rows as lines, with a separator between cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")


def _seconds(n_samples: int) -> str:
    """Return a number of samples in seconds, exactly: 1 / 16000 s has seven decimals."""
    return f"{n_samples / SAMPLE_RATE:.7f}"


def write_kaldi(folder: Path, recorded: Sequence[Recorded], jobs: Sequence[Job]) -> None:
    """Write the files of a Kaldi data directory, sorted as Kaldi requires."""
    by_speaker = groupby((r.plan for r in recorded), key=lambda plan: plan.speaker)
    sexes = sorted((job.plans[0].speaker, job.sex) for job in jobs)
    lists: dict[str, Iterable[Sequence[object]]] = {
        "wav.scp": ((r.plan.utterance, r.plan.path) for r in recorded),
        "utt2spk": ((r.plan.utterance, r.plan.speaker) for r in recorded),
        "spk2utt": ((name, *(plan.utterance for plan in plans)) for name, plans in by_speaker),
        "spk2gender": sexes,
        "text": ((r.plan.utterance, *r.words) for r in recorded),
        "utt2dur": ((r.plan.utterance, _seconds(r.segments[-1].end)) for r in recorded),
        "lexicon.txt": ((word, *phones) for word, phones in sorted(LEXICON.items())),
    }
    for name, rows in lists.items():
        _write_lines(folder / name, rows, separator=" ")


def write_boundaries(folder: Path, recorded: Sequence[Recorded]) -> None:
    """Write the boundaries of all phones and words, and the sessions of the utterances."""
    times = ("utterance", "start", "duration")
    lists: dict[str, list[Sequence[object]]] = {
        "phones": [(*times, "phone", "first_sample", "n_samples", "word")],
        "words": [(*times, "word", "first_sample", "n_samples")],
        "sessions": [("utterance", "speaker", "session", "purpose", "snr")],
    }
    for item in recorded:
        plan = item.plan
        session = (plan.utterance, plan.speaker, plan.session, plan.purpose, f"{item.snr:.2f}")
        lists["sessions"].append(session)
        for s in item.segments:
            span = (plan.utterance, _seconds(s.start), _seconds(s.n_samples))
            word = "-" if s.word is None else s.word
            lists["phones"].append((*span, s.phone, s.start, s.n_samples, word))
        for index, name in enumerate(item.words):
            inside = [s for s in item.segments if s.word == index]
            start, length = inside[0].start, inside[-1].end - inside[0].start
            span = (plan.utterance, _seconds(start), _seconds(length))
            lists["words"].append((*span, name, start, length))
    for name, rows in lists.items():
        _write_lines(folder / f"{name}.tsv", rows, separator="\t")
    _write_lines(folder / "phones.txt", ((name,) for name in PHONES), separator=" ")


def write_synthetic_protocol(
    folder: Path, recorded: Sequence[Recorded], *, folder_name: str
) -> None:
    """Write the background, enrolment and trial lists, with trials of every model."""

    def listed(purpose: str, group: str) -> list[tuple[str, str]]:
        plans = (r.plan for r in recorded if r.plan.purpose == purpose)
        return [(p.speaker, f"{folder_name}/{p.path}") for p in plans if p.speaker[0] == group[0]]

    def write(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        _write_lines(folder / name, [columns, *rows], separator="\t")

    write("background.tsv", ("speaker", "path"), listed("background", "background"))
    for split in ("dev", "eval"):
        enrolment, trials = listed("enrolment", split), listed("trial", split)
        write(f"{split}_enroll.tsv", ("model", "path"), enrolment)
        tried = (
            (model, path, "target" if speaker == model else "nontarget")
            for model in sorted({speaker for speaker, _ in enrolment})
            for speaker, path in trials
        )
        write(f"{split}_trials.tsv", ("model", "path", "label"), tried)
