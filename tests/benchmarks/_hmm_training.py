"""CPU time and memory of training the LibriSpeech subset's monophones from a flat start.

python -m tests.benchmarks._hmm_training 251     # MB that training on so many utterances takes
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from speakergmm.corpora import Corpus, Utterance
from speakergmm.hmm import ANNEALED, Lexicon, TrainingSchedule, TrainingState
from speakergmm.recognition import TrainingOptions, train_acoustic_model
from speakergmm.run_context import RunContext

from ._figure import Figure
from ._mixture_memory import ROOT, growth

# CPU seconds of Kaldi's train_mono on the same recordings, 40 iterations with Viterbi training.
# It was measured on another machine of this kind, with features made before: a bound, no peer in
# the same run.
KALDI_SECONDS = 125.0


def corpus() -> tuple[Corpus, dict[str, tuple[str, ...]], Lexicon]:
    """Recordings, transcripts and lexicon; KeyError where there is no folder of real speech."""
    data = Path(os.environ["SPEAKERGMM_DATA"])
    lines = (data / "librispeech/text").read_text(encoding="utf-8").splitlines()
    text = {name: tuple(words) for name, *words in map(str.split, lines)}
    files = sorted((data / "librispeech/train-clean-100").glob("*.flac"))
    utterances = tuple(Utterance(f.stem, f, f.stem.split("-")[0]) for f in files)
    lexicon = Lexicon.read(data / "librispeech_asr/lexicon.txt")
    return Corpus(utterances, source="librispeech/train-clean-100"), text, lexicon


def training(*, quick: bool = False) -> list[Figure]:
    """Train with Viterbi paths and with sums over all paths."""
    recordings, text, lexicon = corpus()
    if quick:
        recordings = Corpus(recordings.utterances[:25], source=recordings.source)
    figures = []
    for algorithm, factor in (("viterbi", 1), ("baum-welch", 3)):
        clock = Clock()
        options = TrainingOptions(
            schedule=TrainingSchedule(algorithm=algorithm, annealing=ANNEALED)
        )
        started = time.process_time()
        model = train_acoustic_model(
            recordings, text, lexicon, options, run=RunContext(callback=clock)
        )
        seconds = time.process_time() - started
        minutes = model.provenance["seconds"] / 60
        figures.append(
            Figure(
                "training",
                f"monophones from a flat start, {algorithm}, 40 iterations, {minutes:.0f} minutes, "
                f"{model.models.n_gaussians} Gaussians: CPU seconds, features included",
                seconds,
                "" if quick else f"<= {factor * KALDI_SECONDS:g}",
                f"features and graphs {clock.first - started:.1f} s, "
                f"log-likelihood {model.provenance['history'][-1]['log_likelihood']:.3f} a frame",
            )
        )
    for number in (25,) if quick else (60, len(recordings)):
        command = [sys.executable, "-m", "tests.benchmarks._hmm_training", str(number)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        total, mapped = map(float, done.stdout.split())
        figures.append(
            Figure(
                "training",
                f"training on {number} utterances: MB resident beyond loaded libraries",
                total,
                "",
                f"{mapped:.0f} MB of them are pages of the temporary file with the features",
            )
        )
    return figures


def memory(n_utterances: int) -> tuple[float, float]:
    """MB that grow while models are trained, and how much of them a file stands behind."""
    recordings, text, lexicon = corpus()
    options = TrainingOptions(schedule=TrainingSchedule(max_iter=4, grow_until=2))

    def work(number: int) -> float:
        part = Corpus(recordings.utterances[:number], source=recordings.source)
        model = train_acoustic_model(part, text, lexicon, options)
        return float(model.provenance["n_frames"] * model.models.n_features * 4)

    work(8)
    found: list[float] = []
    total = growth(lambda: found.append(work(n_utterances)))
    return total, found[0] / 1e6


class Clock:
    """A callback that notes the time at which the first iteration ends."""

    first = 0.0

    def __call__(self, state: TrainingState) -> None:
        self.first = self.first or time.process_time()


if __name__ == "__main__":
    print(*memory(int(sys.argv[1])))
