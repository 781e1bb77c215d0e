"""Base of the commands that score the trials of a protocol into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speakergmm import corpora, metrics
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import print_warnings


@command
class ScoringCommand(AnsweringCommand):
    """A command that writes scores, and the settings that they were made with beside them."""

    protocol: Path = argument("A folder with the lists *_enroll.tsv and *_trials.tsv.")
    output: Path = options.output(..., "Score file (TSV) to write.")

    def check_outputs(self) -> None:
        """Raise an error if scores or settings cannot be written."""
        from speakergmm.cli.score_settings import settings_file

        check_output(self.output, "scores")
        check_output(settings_file(self.output), "settings")

    def read_lists(self, data_dir: Path | None = None) -> corpora.Protocol:
        """Read the lists, and print what is strange in them."""
        lists = corpora.read_protocol(self.protocol, data_dir=data_dir)
        print_warnings(lists.notes)
        return lists

    def write(
        self,
        scores: metrics.Scores,
        lists: corpora.Protocol,
        settings: dict[str, Any],
        *,
        split: str,
        llr: bool,
    ) -> None:
        """Write scores of a split with their settings, and print what was written."""
        from speakergmm.cli.score_settings import settings_file, write_settings

        kind = "log-likelihood ratios" if llr else "scores"
        made = {"protocol": self.protocol.name, "split": split, "scores are": kind, **settings}
        metrics.write_scores(self.output, scores)
        write_settings(settings_file(self.output), self.output, made)
        self.answer(
            {
                "output": str(self.output),
                "split": split,
                "n_trials": len(scores),
                "notes": list(lists.notes),
            },
            f"{self.output}: {len(scores)} {kind} of the {split} trials",
        )
