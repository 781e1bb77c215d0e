"""Recordings of the recipe: the speakers of LibriSpeech, and trials of one recording each side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from settings import CORPORA, ENROLMENT_CONDITIONS, ENROLMENT_LENGTHS, TEST_LENGTHS

from speakergmm.audio import read_audio, write_audio
from speakergmm.corpora import Protocol, Split, Trial, Utterance, read_protocol
from speakergmm.corpora.augmentation import AugmentationOptions, augmented

RATE = 16000
# Other telephones, noises and rooms than those in which every speaker is enrolled, of seed 0.
_ENROLMENT = AugmentationOptions(seed=1)


def balanced_background(data: Path) -> list[Utterance]:
    """Return one utterance each of as many women as men of LibriSpeech, the women first."""
    protocol = read_protocol(data / "protocols" / "librispeech", data_dir=data)
    assert protocol.background is not None
    lines = (data / "librispeech" / "spk2gender").read_text(encoding="utf-8").splitlines()
    sex = dict(line.split() for line in lines)
    groups: dict[str, list[Utterance]] = {"f": [], "m": []}
    for utterance in protocol.background.utterances:
        groups[sex[utterance.speaker or ""]].append(utterance)
    n_of_each = min(map(len, groups.values()))
    return groups["f"][:n_of_each] + groups["m"][:n_of_each]


def cohort_recordings(background: Sequence[Utterance], n_speakers: int) -> list[Utterance]:
    """Return those of the cohort, as many women as men, evenly from all of the background.

    Names of speakers begin with that of the corpus, since a store refuses to enrol those of its
    cohort.
    """
    half = len(background) // 2
    places = np.linspace(0, half - 1, n_speakers // 2).round().astype(int)
    chosen = [background[place + of_sex] for place in places.tolist() for of_sex in (0, half)]
    return [replace(each, speaker=f"librispeech-{each.speaker}") for each in chosen]


def single_recordings(protocol: Protocol, split: str, folder: Path, *, corpus: str) -> Split:
    """Return trials of one recording against one, of one to ten words that are joined.

    Models and tests are named after corpus, speaker and number of words. The words of enrolment
    and test are those of the lists, which share none. The recordings that are enrolled are in
    `ENROLMENT_CONDITIONS` by turns, one each.
    """
    given = protocol.split(split)
    tests: dict[str, list[Path]] = {}
    for trial in given.trials:
        if trial.label == "target":
            tests.setdefault(trial.model, []).append(trial.path)
    enrolment, recorded = {}, {}
    for number, (speaker, paths) in enumerate(given.enrolment.items()):
        joined = _joined(paths, ENROLMENT_LENGTHS, folder / "enrolment" / speaker)
        for place, (name, path) in enumerate(joined, start=number):
            model = f"{corpus}-{speaker}/{name}"
            recorded[model] = ENROLMENT_CONDITIONS[place % len(ENROLMENT_CONDITIONS)]
            enrolment[model] = (_in_condition(path, recorded[model]),)
    trials = []
    columns: dict[str, list[str]] = {
        name: [] for name in ("corpus", "enrolment_condition", "enrolment_words", "test_words")
    }
    for speaker, paths in tests.items():
        for test_name, path in _joined(paths, TEST_LENGTHS, folder / "test" / speaker):
            for model in enrolment:
                same = model.startswith(f"{corpus}-{speaker}/")
                trials.append(Trial(model, path, "target" if same else "nontarget",
                                    f"{corpus}-{speaker}/test-{test_name}"))  # fmt: skip
                columns["corpus"].append(corpus)
                columns["enrolment_condition"].append(recorded[model])
                columns["enrolment_words"].append(model.rpartition("/")[2].partition("-")[0])
                columns["test_words"].append(test_name.partition("-")[0])
    return Split(enrolment, tuple(trials), columns)


def merged(splits: Sequence[Split]) -> Split:
    """Return the trials of several corpora, none of which are between corpora."""
    enrolment = {name: paths for each in splits for name, paths in each.enrolment.items()}
    names = splits[0].conditions
    columns = {name: [v for each in splits for v in each.conditions[name]] for name in names}
    return Split(enrolment, tuple(t for each in splits for t in each.trials), columns)


def _joined(
    paths: Sequence[Path], lengths: Mapping[int, int], folder: Path
) -> list[tuple[str, Path]]:
    """Return recordings of some words each, which are written unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(paths))
    made = []
    for n_words, n_recordings in lengths.items():
        for number in range(n_recordings):
            chosen = [paths[order[(number * n_words + k) % len(paths)]] for k in range(n_words)]
            path = folder / f"{n_words}-{number}.flac"
            if not path.exists():
                words = [read_audio(each, sample_rate=RATE)[0] for each in chosen]
                write_audio(path, np.concatenate(words), RATE)
            made.append((f"{n_words}-{number}", path))
    return made


def _in_condition(path: Path, condition: str) -> Path:
    """Return a recording in a condition, which is written unless it is there."""
    made = path.with_name(f"{path.stem}-{condition}.flac")
    if condition == "clean" or made.exists():
        return path if condition == "clean" else made
    samples = augmented(read_audio(path, sample_rate=RATE)[0], RATE, condition, _ENROLMENT)
    write_audio(made, np.clip(np.concatenate(list(samples)), -1.0, 1.0), RATE)
    return made


def trials_of(data: Path, work: Path, split: str, corpora: Sequence[str] = CORPORA) -> Protocol:
    """Return trials of single recordings of several corpora as one protocol."""
    splits = []
    for corpus in corpora:
        protocol = read_protocol(data / "protocols" / corpus, data_dir=data)
        folder = work / "joined" / corpus / split
        splits.append(single_recordings(protocol, split, folder, corpus=corpus))
    return Protocol(None, {split: merged(splits)}, f"{split} of {', '.join(corpora)}")
