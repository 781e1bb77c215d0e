"""``speakergmm demo --hmm``: training of phone models, alignment and recognition."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm import corpora, hmm, metrics, recognition
from speakergmm.cli.align import draw_aligned
from speakergmm.cli.printing import Table
from speakergmm.cli.training_commands import hmm_training_status
from speakergmm.run_context import RunContext

if TYPE_CHECKING:
    from speakergmm.metrics import TimedLabel

    Transcribed = Mapping[str, tuple[str, ...]]
    Timed = dict[str, tuple[TimedLabel, ...]]

# Small enough that all of it takes a minute on two cores.
_N_GAUSSIANS = 300
_N_ITERATIONS = 20
_N_LEAST_DECODED = 100


@dataclass(frozen=True)
class HmmDemonstration:
    """Training on some synthetic speakers, alignment and recognition of others.

    Parameters
    ----------
    output : Path
        The folder to write to, which must exist.
    seed : int
        The seed of the corpus, the training and the bootstrap.
    jobs : int
        The number of processes.
    step : callable
        Called with a line of text after each step.
    """

    output: Path
    seed: int
    jobs: int
    step: Callable[[str], None]

    def run(self) -> dict[str, Any]:
        """Run all steps, and return the figures as JSON can hold them."""
        folder = self.output / f"corpus-{self.seed}"
        corpora.make_synthetic_corpus(folder, seed=self.seed, engine=self.jobs)
        speech = folder / "synthetic"
        corpus = corpora.read_corpus(speech)
        said = {name: each.words for name, each in corpora.read_transcripts(corpus).items()}
        lexicon = hmm.Lexicon.read(speech / "lexicon.txt")
        tested = [u for u in corpus if (u.speaker or "").startswith("e")]
        training = tuple(u for u in corpus if u not in tested)
        self.step(
            f"corpus: {len(training)} recordings to train on, {len(tested)} of other speakers"
        )
        model = self._train(corpora.Corpus(training, source=corpus.source), said, lexicon)
        model_file = self.output / "acoustic-model.safetensors"
        model.save(model_file)
        self.step(
            f"phone models from a flat start: {model.models.n_gaussians} Gaussians -> {model_file}"
        )
        sentences = [said[u.id] for u in training]
        bigram = hmm.train_ngram(sentences, order=2, vocabulary=lexicon.words)
        language_file = self.output / "bigram.arpa"
        bigram.write_arpa(language_file)
        self.step(f"bigram model of {len(lexicon)} words -> {language_file}")
        boundaries = self._align(model, tested, said, _true_phones(speech / "phones.tsv"))
        decoded = tested[:: max(1, len(tested) // _N_LEAST_DECODED)]
        words = self._decode(model, decoded, said, bigram)
        n_recognised = words["n_utterances"] - len(words["missing"])
        self.step(f"recognised {n_recognised} recordings with the bigram")
        return {"model": str(model_file), "boundaries": boundaries, "word_errors": words}

    def _train(
        self, training: corpora.Corpus, said: Transcribed, lexicon: hmm.Lexicon
    ) -> recognition.AcousticModel:
        schedule = hmm.TrainingSchedule(
            max_iter=_N_ITERATIONS,
            annealing=hmm.ANNEALED,
            grow_until=_N_ITERATIONS * 3 // 4,
            n_gaussians=_N_GAUSSIANS,
        )
        options = recognition.TrainingOptions(schedule=schedule, seed=self.seed)
        with hmm_training_status(_N_ITERATIONS) as callback:
            return recognition.AcousticModel.train(
                training,
                said,
                lexicon,
                options,
                engine=self.jobs,
                run=RunContext(callback=callback, progress=True),
            )

    def _align(
        self,
        model: recognition.AcousticModel,
        tested: list[corpora.Utterance],
        said: Transcribed,
        truth: Timed,
    ) -> dict[str, Any]:
        """Align, write TextGrids and a picture, and compare the boundaries with the exact ones."""
        from speakergmm.metrics import boundary_errors, summarise_boundaries
        from speakergmm.reports import write_picture

        grids = self.output / "textgrids"
        grids.mkdir(exist_ok=True)
        found: Timed = {}
        picture = self.output / "alignment.png"
        for place, aligned in enumerate(
            recognition.align_recordings(model, tested, said, engine=self.jobs)
        ):
            tiers = {"words": aligned.word_labels(), "phones": aligned.phone_labels()}
            name = aligned.utterance.id
            recognition.write_textgrid(
                grids / f"{name}.TextGrid", tiers, duration=aligned.recording_duration
            )
            found[name] = tiers["phones"]
            if place == 0:
                write_picture(picture, draw_aligned(aligned, f"Alignment of {name}"))
        self.step(f"aligned {len(found)} recordings -> {grids}, {picture}")
        same = {
            name: labels
            for name, labels in found.items()
            if _spoken(labels) == _spoken(truth[name])
        }
        errors = boundary_errors(truth, same)
        figures = summarise_boundaries(errors, clusters=_speakers(tested), seed=self.seed)
        return {
            "n_boundaries": len(errors),
            "n_other_pronunciation": len(found) - len(same),
            **{name: figure.to_dict() for name, figure in figures.items()},
            "picture": str(picture),
            "textgrids": str(grids),
        }

    def _decode(
        self,
        model: recognition.AcousticModel,
        tested: list[corpora.Utterance],
        said: Transcribed,
        bigram: hmm.BackoffLanguageModel,
    ) -> dict[str, Any]:
        """Recognise words and count errors, with intervals over speakers."""
        decoder = recognition.Decoder.for_words(model, language_model=bigram)
        found = {r.utterance.id: r.words for r in decoder.decode(tested, engine=self.jobs)}
        errors = metrics.word_errors(
            {u.id: said[u.id] for u in tested}, found, speakers=_speakers(tested)
        )
        interval = metrics.transcription_intervals(errors, seed=self.seed)["error_rate"]
        return {**errors.to_dict(n_confusions=0), "interval": interval and interval.ends()}


def _speakers(utterances: list[corpora.Utterance]) -> dict[str, str]:
    return {u.id: u.speaker or u.id for u in utterances}


def _spoken(labels: tuple[TimedLabel, ...]) -> list[str]:
    return [label.label for label in labels if label.label.lower() != "sil"]


def _true_phones(path: Path) -> Timed:
    from speakergmm.metrics import TimedLabel

    found: Timed = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            start = float(row["start"])
            label = TimedLabel(start, start + float(row["duration"]), row["phone"], 1.0)
            found[row["utterance"]] = (*found.get(row["utterance"], ()), label)
    return found


def figures_shown(figures: Mapping[str, Any]) -> tuple[str | Table, ...]:
    """Return the figures as text and tables for a person."""
    boundaries, words = figures["boundaries"], figures["word_errors"]
    rows = [
        ("phone boundaries, median error", *_row(boundaries["median_absolute"], 1000, 1, "ms")),
        ("phone boundaries, 90th percentile", *_row(boundaries["p90_absolute"], 1000, 1, "ms")),
        ("word error rate", *_row(words, 100, 2, "%", value="word_error_rate")),
    ]
    title = "Alignment and recognition of speakers outside the training set"
    table = Table(title, ("measure", "value", "95 % interval"), rows, right=(1,))
    return "", table, f"picture of an alignment: {boundaries['picture']}"


def _row(
    figure: Mapping[str, Any], scale: float, digits: int, unit: str, *, value: str = "value"
) -> tuple[str, str]:
    low, high = figure["interval"] or (float("nan"), float("nan"))
    shown = [f"{scale * each:.{digits}f}" for each in (figure[value], low, high)]
    return f"{shown[0]} {unit}", f"{shown[1]} to {shown[2]}"
