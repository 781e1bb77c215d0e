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
    """Enrol a protocol's models, score its trials, and write the scores.

    Examples:

      speakergmm run-protocol protocols/mine --data-dir corpus/ --ubm ubm.safetensors -o scores.tsv

      speakergmm run-protocol protocols/mine --split dev --ubm ubm.safetensors -o dev.tsv -j 2
    """

    protocol: Path = argument("Folder with *_enroll.tsv and *_trials.tsv.")
    ubm: Path = option(..., "Background model.")
    output: Path = option(..., "Score file (TSV) to write.", "-o")
    data_dir: Path | None = option(
        None, "Folder that the lists' paths start from (default: the protocol's).", "--data"
    )
    split: str = option("eval", "Which part to run: dev or eval.")
    relevance: float = option(3.0, "Relevance factor of MAP, in frames.", "--relevance-factor")
    exact: options.Exact = False
    strict: bool = option(False, "Stop at the first bad recording.")
    jobs: options.Jobs = 1

    def run(self) -> None:
        """Score the trials, and write with the scores how they were made."""
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
        check_lists(lists, split=self.split, strict=self.strict)
        background = speakers.BackgroundModel.load(self.ubm)
        how: dict[str, Any] = {
            "split": self.split,
            "relevance_factor": self.relevance,
            "top_c": None if self.exact else 5,
        }
        scores = speakers.run_protocol(
            lists,
            background,
            n_jobs=self.jobs,
            run=RunContext(strict=self.strict, progress=not self.json),
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
