"""``speakergmm run-protocol`` and ``speakergmm evaluate``."""

from __future__ import annotations

from pathlib import Path

from speakergmm.cli.options import Answers, ExactOption, JobsOption, argument, command, option
from speakergmm.cli.output import print_json, print_line, print_warnings
from speakergmm.cli.outputs import check_output
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
    exact: ExactOption = False
    strict: bool = option(False, "Stop at the first bad recording.")
    jobs: JobsOption = 1

    def run(self) -> None:
        """Score the trials, and write with the scores how they were made."""
        from speakergmm.cli.results import check_lists, describe_run, settings_file, write_settings
        from speakergmm.corpora import read_protocol
        from speakergmm.metrics import write_scores
        from speakergmm.speakers import BackgroundModel, run_protocol

        settings = settings_file(self.output)
        check_output(self.output, "scores")
        check_output(settings, "settings")
        lists = read_protocol(self.protocol, data_dir=self.data_dir)
        print_warnings(lists.notes)
        check_lists(lists, split=self.split, strict=self.strict)
        background = BackgroundModel.load(self.ubm)
        top_c = None if self.exact else 5
        scores = run_protocol(
            lists,
            background,
            split=self.split,
            relevance_factor=self.relevance,
            top_c=top_c,
            n_jobs=self.jobs,
            strict=self.strict,
            progress=not self.json,
        )
        write_scores(self.output, scores)
        made = describe_run(
            background,
            protocol=self.protocol.name,
            split=self.split,
            relevance=self.relevance,
            top_c=top_c,
        )
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
        from speakergmm.cli.results import environment, print_evaluation, read_settings
        from speakergmm.errors import InsufficientDataError, InvalidInputError
        from speakergmm.metrics import evaluate, read_scores

        if self.report is not None:
            check_output(self.report, "report")
        priors = tuple(self.prior or (0.01, 0.05))
        for value in priors:
            number("--prior", value, above=0, below=1)
        scores = read_scores(self.scores)
        try:
            evaluation = evaluate(
                scores, p_target=priors, n_bootstrap=self.bootstrap, seed=self.seed
            )
        except (InvalidInputError, InsufficientDataError) as error:
            raise type(error)(f"{self.scores}: {error}") from error
        if self.report is not None:
            from speakergmm.reports import write_report

            write_report(
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
        if self.json:
            print_json(evaluation.to_dict())
        else:
            print_evaluation(evaluation, title=str(self.scores))
            if self.report is not None:
                print_line(f"report: {self.report}")
