"""A few minutes of synthetic speech with known boundaries, and phone models trained on it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from speakergmm.corpora import Corpus, make_synthetic_corpus, read_corpus
from speakergmm.corpora.transcripts import Transcripts, read_transcripts
from speakergmm.hmm.lexicon import Lexicon
from speakergmm.hmm.schedule import TrainingSchedule
from speakergmm.recognition.acoustic_model import AcousticModel
from speakergmm.recognition.training import TrainingOptions, train_acoustic_model


@dataclass(frozen=True)
class Spoken:
    """Recordings, what is said in them, and where."""

    folder: Path
    corpus: Corpus
    transcripts: Transcripts
    lexicon: Lexicon
    model: AcousticModel
    model_path: Path


@lru_cache
def spoken_world(base: Path) -> Spoken:
    """Make speech and models below a folder; once a process."""
    make_synthetic_corpus(
        base / "spoken",
        n_background=4,
        n_dev=2,
        n_eval=2,
        n_background_utterances=14,
        n_enrolment_utterances=1,
        n_trial_utterances=1,
    )
    folder = base / "spoken" / "synthetic"
    everyone = read_corpus(folder)
    corpus = Corpus(
        tuple(u for u in everyone if u.speaker and u.speaker.startswith("b")), source=str(folder)
    )
    transcripts = read_transcripts(folder)
    lexicon = Lexicon.read(folder / "lexicon.txt", stress="keep")
    schedule = TrainingSchedule(n_iterations=12, grow_until=8, n_gaussians=150)
    model = train_acoustic_model(corpus, transcripts, lexicon, TrainingOptions(schedule=schedule))
    path = base / "spoken" / "am.safetensors"
    model.save(path)
    return Spoken(folder, corpus, transcripts, lexicon, model, path)
