"""``speakergmm run-protocol``: scores of the trials of a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speakergmm import corpora, metrics, speakers
from speakergmm.cli import options
from speakergmm.cli.options import AnsweringCommand, argument, command, option
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import print_warnings
from speakergmm.run_context import RunContext


@command
class RunProtocol(AnsweringCommand):
    """Enrol the models of a protocol, score its trials, and write the scores.

    Examples:

      speakergmm run-protocol protocols/mine --data-dir corpus/ --ubm ubm.safetensors -o scores.tsv

      speakergmm run-protocol protocols/mine --split dev --ubm ubm.safetensors -o dev.tsv -j 2
    """

    protocol: Path = argument("A folder with the lists *_enroll.tsv and *_trials.tsv.")
    ubm: Path = option(..., "The background model.")
    output: Path = option(..., "The score file (TSV) to write.", "-o")
    data_dir: Path | None = option(
        None,
        "The folder that relative paths in a list start from (default: the folder of the list).",
        "--data",
    )
    split: str = option("eval", "The part of the protocol to run, dev or eval.")
    relevance_factor: float = option(
        3.0,
        "The relevance factor in frames: with so much speech of a component, speaker and "
        "background count equally.",
        "--relevance",
    )
    exact: options.Exact = False
    context: RunContext = options.options_of(RunContext, "strict")
    jobs: options.Jobs = 1

    def run(self) -> None:
        """Score the trials, and write the scores and the settings that they were made with."""
        from speakergmm.cli.score_settings import (
            check_lists,
            scoring_settings,
            settings_file,
            write_settings,
        )

        settings = settings_file(self.output)
        check_output(self.output, "scores")
        check_output(settings, "settings")
        lists = corpora.read_protocol(self.protocol, data_dir=self.data_dir)
        print_warnings(lists.notes)
        check_lists(lists, split=self.split, strict=self.context.strict)
        background = speakers.BackgroundModel.load(self.ubm)
        how: dict[str, Any] = {
            "split": self.split,
            "relevance_factor": self.relevance_factor,
            "top_c": None if self.exact else 5,
        }
        scores = speakers.run_protocol(
            lists,
            background,
            n_jobs=self.jobs,
            run=RunContext(strict=self.context.strict, progress=not self.json),
            **how,
        )
        metrics.write_scores(self.output, scores)
        made = scoring_settings(background, protocol=self.protocol.name, **how)
        write_settings(settings, self.output, made)
        self.answer(
            {
                "output": str(self.output),
                "split": self.split,
                "n_trials": len(scores),
                "notes": list(lists.notes),
            },
            f"{self.output}: {len(scores)} scores of the {self.split} trials",
        )
