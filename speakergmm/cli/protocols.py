"""``speakergmm run-protocol`` and ``speakergmm evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speakergmm import corpora, metrics, reports, speakers
from speakergmm.cli import options
from speakergmm.cli.options import Answers, argument, command, option
from speakergmm.cli.output import print_warnings
from speakergmm.cli.outputs import check_output
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.ranges import number


@command
class RunProtocol(Answers):
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
        from speakergmm.cli.results import check_lists, describe_run, settings_file, write_settings

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
            strict=self.strict,
            progress=not self.json,
            **how,
        )
        metrics.write_scores(self.output, scores)
        made = describe_run(background, protocol=self.protocol.name, **how)
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


@command
class Evaluate(Answers):
    """Compute EER, minDCF and identification accuracy of scores, with 95 % intervals.

    Examples:

      speakergmm evaluate scores.tsv --report report.html

      speakergmm evaluate scores.tsv --prior 0.01 --prior 0.5 --json
    """

    scores: Path = argument("Score file: model, path, score, label.")
    report: Path | None = option(None, "Self-contained HTML report to write.")
    prior: list[float] | None = option(
        None,
        "Target prior of minDCF; may be given again (default: 0.01, 0.05).",
        "--p-target",
    )
    bootstrap: int = option(
        1000, "Bootstrap replicates over speakers; 0 for no intervals.", "--n-bootstrap", min=0
    )
    seed: int = option(0, "Seed of the bootstrap.", min=0)

    def run(self) -> None:
        """Evaluate the scores, and write a report where one is asked for."""
        from speakergmm.cli.results import environment, evaluation_table, read_settings

        if self.report is not None:
            check_output(self.report, "report")
        priors = tuple(self.prior or (0.01, 0.05))
        for value in priors:
            number("--prior", value, above=0, below=1)
        scores = metrics.read_scores(self.scores)
        try:
            evaluation = metrics.evaluate(
                scores, p_target=priors, n_bootstrap=self.bootstrap, seed=self.seed
            )
        except (InvalidInputError, InsufficientDataError) as error:
            raise type(error)(f"{self.scores}: {error}") from error
        if self.report is not None:
            reports.write_report(
                self.report,
                evaluation,
                scores,
                configuration={
                    "scores": str(self.scores),
                    **read_settings(self.scores),
                    **environment(seed=self.seed, files=(self.scores,)),
                },
                title=f"Evaluation of {self.scores.name}",
            )
        written = None if self.report is None else f"report: {self.report}"
        table = evaluation_table(evaluation, title=str(self.scores))
        self.answer(evaluation.to_dict(), table, written)
