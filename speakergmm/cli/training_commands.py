"""Parts that the commands that train models share: progress, features and the final summary."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm import speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command, option, options_of
from speakergmm.cli.corpus_options import (
    CorpusCommand,
    corpus_report,
    location_text,
    names_of,
    print_transcript_notes,
)
from speakergmm.cli.printing import Table, counted, print_first_notes, print_note
from speakergmm.errors import InvalidInputError
from speakergmm.progress import status
from speakergmm.recognition import TrainingOptions
from speakergmm.run_context import OnSkip, RunContext

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus, Problem, Transcripts
    from speakergmm.features import FeatureConfig, FeatureStore
    from speakergmm.hmm import TrainingState
    from speakergmm.mixtures import Iteration
    from speakergmm.recognition import AcousticModel, PreparedCorpus
    from speakergmm.run_context import SkippedRecording
    from speakergmm.speakers import BackgroundModel, BackgroundOptions
    from speakergmm.words import Case

TRAINING_CONTEXT = ("checkpoint", "checkpoint_seconds", "strict")
"""The part of the context that every training command offers as options."""


def train_background(
    corpus: Corpus | FeatureStore,
    options: BackgroundOptions,
    engine: int | None,
    *,
    run: RunContext | None = None,
) -> BackgroundModel:
    """Train a background model, and show the progress of EM."""
    with status("training") as tell:

        def show(number: int, iteration: Iteration) -> None:
            tell(f"iteration {number + 1}, log-likelihood {iteration.objective:.2f} per frame")

        return speakers.BackgroundModel.train(
            corpus,
            options,
            engine=engine,
            run=replace(run or RunContext(progress=True), callback=show),
        )


@contextlib.contextmanager
def hmm_training_status(max_iter: int) -> Iterator[Callable[[TrainingState], None]]:
    """Show the progress of training hidden Markov models; yields a callback for each iteration."""
    with status("training") as tell:

        def show(state: TrainingState) -> None:
            last = state.history[-1]
            tell(
                f"iteration {state.iteration} of {max_iter}, log-likelihood "
                f"{last.log_likelihood:.2f} per frame, {last.n_gaussians:,} Gaussians"
            )

        yield show


@command
class AcousticModelCommand(CorpusCommand):
    """A command that makes an acoustic model of transcribed recordings."""

    output: options.ModelOutput
    context: RunContext = options_of(RunContext, *TRAINING_CONTEXT)

    def opened(self, path: Path) -> tuple[Corpus, FeatureStore | None]:
        """Return the corpus at a path, and the feature store if it is one."""
        from speakergmm.corpora import Corpus

        read = self.open_corpus_or_store(path, strict=False)
        return (read, None) if isinstance(read, Corpus) else (read.corpus, read)

    def transcribed(
        self, path: Path, transcripts: Path | None, case: Case | None
    ) -> tuple[Corpus, FeatureStore | None, Transcripts]:
        """Return what `opened` returns, and the transcripts."""
        read, store = self.opened(path)
        if store is None:
            said = self.transcripts_of(read, transcripts, case)
        else:
            said = self.transcripts_of_stored(store, transcripts, case)
        print_transcript_notes(said, read)
        return read, store, said

    def run_on(
        self, prepared: PreparedCorpus, max_iter: int
    ) -> contextlib.AbstractContextManager[RunContext]:
        """Report the problems of a corpus; return the `run_context` that reports further ones."""
        _report(prepared.problems, strict=self.context.strict)
        reported = prepared.reasons

        def note_skip(skipped: SkippedRecording) -> None:
            if reported.keys().isdisjoint(skipped.affected):
                print_note(f"left out: {skipped.message}")

        return self.run_context(max_iter, note_skip)

    @contextlib.contextmanager
    def run_context(self, max_iter: int, on_skip: OnSkip) -> Iterator[RunContext]:
        """Show the progress of training; yields the context to train and save the model in."""
        from speakergmm.checkpoints import kept_checkpoint

        shown = replace(self.context, on_skip=on_skip, progress=not self.json)
        with kept_checkpoint(shown) as run, hmm_training_status(max_iter) as callback:
            yield replace(run, callback=callback)

    def summarise(
        self,
        model: AcousticModel,
        corpus: Corpus,
        *,
        modelled: str,
        item: str,
        done: str = "trained",
        **more: Any,
    ) -> None:
        """Print a summary of the model and its training data."""
        facts = model.provenance
        n_used, n_given = facts["n_utterances"], len(names_of(corpus))
        left_out = f"; {n_given - n_used:,} of {n_given:,} left out" if n_used < n_given else ""
        self.answer(
            {
                "output": str(self.output),
                "n_left_out": n_given - n_used,
                **corpus_report(corpus),
                **more,
                **model.info(),
            },
            f"{self.output}: {modelled}, {counted(model.models.n_gaussians, 'Gaussian')}, {done} "
            f"on {counted(n_used, item)} ({facts['seconds'] / 60:.1f} minutes) of "
            f"{counted(facts['n_speakers'], 'named speaker')}; log-likelihood "
            f"{facts['history'][-1]['log_likelihood'] or float('nan'):.3f} per frame, "
            f"digest {model.digest[:12]}{left_out}",
        )


@command
class UnitTrainingCommand(AcousticModelCommand):
    """A command that trains models of phones or words."""

    training: TrainingOptions
    features: str | None = option(
        None,
        f"{options.FEATURES_HELP.rstrip('.')} (default: hmm, or the features of a feature store).",
    )
    rate: int | None = option(
        None,
        "Sampling rate of the features in Hz (default: 16000, or 8000 for telephone speech).",
        "--sample-rate",
        min=4000,
    )
    seed: options.Seed = 0

    def features_of(self, corpus: Corpus, store: FeatureStore | None = None) -> FeatureConfig:
        """Return the features, at the requested sample rate or one that suits a corpus.

        Those of a store are its own, unless others are asked for (and refused later).
        """
        from speakergmm.features import FeatureConfig
        from speakergmm.recognition import suited_rate

        if store is not None and self.features is None:
            config, rate = store.config, store.config.sample_rate
        else:
            config, rate = FeatureConfig.load(self.features or "hmm"), None
        if self.rate is not None or self.features in (None, "hmm"):
            rate = rate or suited_rate(corpus.utterances)
            config = config.replace(sample_rate=self.rate or rate)
        return config


def _report(problems: Sequence[Problem], *, strict: bool) -> None:
    """Print the problems of the corpus; with `strict`, an error ends the command."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if not strict:
        for problem in problems:
            if problem.kind == "unknown_word" and problem.utterance is None:
                print_note(f"warning: {problem.message}")
    if not errors:
        return
    if not strict:
        print_first_notes(
            [
                f"{'warning' if problem.utterance is None else 'left out'}: "
                f"{location_text(problem, ': ')}{problem.message}"
                for problem in errors
            ],
            hint="; 'validate --check-transcripts' lists them",
        )
        return
    rows = [(p.kind, location_text(p), p.message) for p in errors]
    Table("Problems of the corpus", ("kind", "file", "problem"), rows).print()
    raise InvalidInputError(
        f"{counted(len(errors), 'problem')} in recordings and transcripts; correct them, or train "
        "without --strict, which leaves out these utterances"
    )
