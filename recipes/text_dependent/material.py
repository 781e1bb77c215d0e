"""Lists of trials of known words, made of corpora of isolated words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from speakergmm.corpora import Corpus, Protocol, Split, Trial, Utterance, read_protocol
from speakergmm.errors import CorpusError
from speakergmm.metrics import Scores
from speakergmm.recognition import WordCorpus

ENROLS, TESTS = "01", "05"
"""Rounds of the Arabic Speech Commands."""


@dataclass(frozen=True)
class Recording:
    """A recording of a word by a speaker; its part is what it is for."""

    path: Path
    speaker: str
    word: str
    part: str

    def utterance(self) -> Utterance:
        """Return it as an utterance of its speaker."""
        return Utterance(f"{self.word}/{self.path.stem}", self.path, self.speaker)


def read_arabic(data: Path) -> tuple[list[Recording], Protocol]:
    """Read the recordings WORD/SPEAKER_NO_ROUND and the protocol, whose speakers are used."""
    name = "arabic_speech_commands"
    found = []
    for path in sorted((data / name).glob("*/*_NO_*.*")):
        speaker, _, number = path.stem.split("_")
        found.append(Recording(path, speaker, path.parent.name, number))
    if not found:
        raise CorpusError(f"{data / name} holds no WORD/SPEAKER_NO_ROUND.flac")
    return found, read_protocol(data / "protocols" / name, data_dir=data)


def read_fsdd(data: Path) -> list[Recording]:
    """Read the recordings DIGIT_SPEAKER_INDEX: 0 to 4 are tests, 5 enrols, 6 to 15 are neither."""
    found = []
    for path in sorted((data / "fsdd" / "recordings").glob("*_*_*.*")):
        word, speaker, index = path.stem.split("_")
        part = TESTS if int(index) < 5 else ENROLS if index == "5" else "background"
        if int(index) <= 15:
            found.append(Recording(path, speaker, word, part))
    if not found:
        raise CorpusError(f"{data / 'fsdd' / 'recordings'} holds no DIGIT_SPEAKER_INDEX.flac")
    return found


def background_of(recordings: Iterable[Recording], speakers: Iterable[str]) -> WordCorpus:
    """Return all recordings of the background speakers with their words."""
    wanted = set(speakers)
    kept = [each for each in recordings if each.speaker in wanted]
    words = {each.utterance().id: each.word for each in kept}
    return WordCorpus(Corpus(tuple(e.utterance() for e in kept), source="background"), words)


def split_of(
    recordings: Iterable[Recording], speakers: Sequence[str], *, by_word: bool = False
) -> Split:
    """Return the trials of some speakers: each against all, in each test, whose word is known.

    Parameters
    ----------
    recordings : iterable of Recording
    speakers : sequence of str
    by_word : bool
        Whether the model of a trial is enrolled from the recording of its word alone, and is called
        SPEAKER/WORD, or from those of all words.
    """
    wanted = set(speakers)
    enrolment: dict[str, list[Path]] = {}
    tests, texts = [], {}
    for each in recordings:
        if each.speaker in wanted and each.part == ENROLS:
            name = f"{each.speaker}/{each.word}" if by_word else each.speaker
            enrolment.setdefault(name, []).append(each.path)
            texts[each.path] = each.word
        elif each.speaker in wanted and each.part == TESTS:
            tests.append(each)
    trials = [
        (
            Trial(
                f"{speaker}/{test.word}" if by_word else speaker,
                test.path,
                "target" if speaker == test.speaker else "nontarget",
                f"{test.word}/{test.path.name}",
            ),
            test.word,
        )
        for test in tests
        for speaker in sorted(wanted)
        if not by_word or f"{speaker}/{test.word}" in enrolment
    ]
    paths: Mapping[str, tuple[Path, ...]] = {n: tuple(p) for n, p in enrolment.items()}
    words = tuple(word for _, word in trials)
    return Split(dict(paths), tuple(trial for trial, _ in trials), {"text": words}, texts)


def by_speaker(scores: Scores) -> Scores:
    """Return scores whose models are called after their speakers, not SPEAKER/WORD."""
    return replace(scores, models=[str(name).split("/")[0] for name in scores.models])
