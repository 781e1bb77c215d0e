"""``speakergmm train-ubm``: a background model of many speakers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from speakergmm.checkpoints import kept_checkpoint
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command, options_of
from speakergmm.cli.corpus_options import CorpusCommand, read_report
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted
from speakergmm.cli.training_commands import TRAINING_CONTEXT, train_background
from speakergmm.run_context import RunContext
from speakergmm.speakers import BackgroundModel, BackgroundOptions


@command
class TrainUbm(CorpusCommand):
    """Train a background model (UBM) on recordings of many speakers, or on a feature store.

    Examples:

      speakergmm train-ubm recordings/ --components 128 --output ubm.safetensors

      speakergmm train-ubm features/ --output ubm.safetensors --jobs 2

      speakergmm train-ubm background.tsv --data-dir corpus/ --features my-features.toml -j 2
    """

    corpus: options.CorpusOrStoreArgument
    output: options.ModelOutput
    background: BackgroundOptions = options_of(
        BackgroundOptions,
        "n_components",
        "covariance_type",
        "features",
        "augmentation",
        "talkers",
        "feature_mapping",
        "max_iter",
    )
    seed: options.Seed = 0
    context: RunContext = options_of(RunContext, *TRAINING_CONTEXT)

    def run(self) -> None:
        """Train and write the model, and print a summary."""
        check_output(self.output, "model")
        read = self.open_corpus_or_store(self.corpus)
        with kept_checkpoint(replace(self.context, progress=not self.json)) as run:
            background = train_background(
                read, replace(self.background, seed=self.seed), self.engine, run=run
            )
            background.save(self.output)
        facts = background.provenance
        self.answer(
            {"output": str(self.output), **read_report(read), **background.info()},
            f"{self.output}: {counted(self.background.n_components, 'component')}, "
            f"{counted(background.mixture.n_features, 'feature')}, trained on "
            f"{counted(facts['n_frames'], 'frame')} of "
            f"{counted(facts['n_utterances'], 'recording')}{_conditions(background)}, "
            f"{counted(facts['n_speakers'], 'named speaker')}; "
            f"{counted(len(facts['history']), 'iteration')} "
            f"({_end_of_training(facts)}), digest {background.digest[:12]}",
        )


def _conditions(background: BackgroundModel) -> str:
    """Return in how many conditions the recordings were used, if in several."""
    used = background.augmentation
    if used is None:
        return ""
    mapping = background.mapping
    mapped = "" if mapping is None else f", mapped to {mapping.reference_name}"
    return f" in {counted(len(used.conditions), 'condition')}{mapped}"


def _end_of_training(facts: dict[str, Any]) -> str:
    """Return why training ended and, if it had not converged, what the last iteration gained."""
    history = facts["history"]
    if facts["convergence"] != "iteration_limit" or len(history) < 2:
        return str(facts["convergence"]).replace("_", " ")
    return (
        f"iteration limit: the last one still gained {history[-1] - history[-2]:.2g} nats per "
        "frame; --max-iter raises it"
    )
