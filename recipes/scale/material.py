"""Recordings to train on: synthetic speech, or a part of LibriSpeech."""

from pathlib import Path

from speakergmm.corpora import Corpus, Utterance, make_synthetic_corpus, read_corpus
from speakergmm.errors import CorpusError


def read_synthetic(folder: Path, *, jobs: int = 1, speakers: int = 12) -> Corpus:
    """Read synthetic speech, which is made if it is not there."""
    if not (folder / "synthetic").exists():
        make_synthetic_corpus(
            folder,
            n_background=speakers,
            n_dev=2,
            n_eval=2,
            n_background_utterances=10,
            n_enrolment_utterances=1,
            n_trial_utterances=1,
            engine=jobs,
        )
    return Corpus(read_corpus(folder / "synthetic").utterances, source="synthetic speech")


def read_librispeech(data: Path) -> Corpus:
    """Read the recordings of LibriSpeech's train-clean-100 that are there."""
    files = sorted((data / "librispeech" / "train-clean-100").rglob("*.flac"))
    if not files:
        raise CorpusError(f"{data} has no recording librispeech/train-clean-100/*.flac")
    utterances = tuple(Utterance(f.stem, f, f.stem.split("-")[0]) for f in files)
    return Corpus(utterances, source="LibriSpeech, a part of train-clean-100")
