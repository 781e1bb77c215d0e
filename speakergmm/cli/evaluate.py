"""``speakergmm evaluate``: error rates of scores, with intervals and a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from speakergmm import metrics, reports
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import print_note
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.files import make_folders
from speakergmm.metrics import BootstrapOptions, EvaluationOptions
from speakergmm.ranges import number


@command
class Evaluate(AnsweringCommand):
    """Compute the EER, minDCF and identification accuracy of scores, with intervals.

    Examples:

      speakergmm evaluate scores.tsv --report report.html

      speakergmm evaluate llrs.tsv --llr --figures figures

      speakergmm evaluate scores.tsv --prior 0.01 --prior 0.5 --json
    """

    scores: Path = argument("A score file with the columns model, path, score and label.")
    report: Path | None = option(None, "HTML report to write, a single file.")
    figures: Path | None = option(
        None, "Folder for the plots of the report as SVG, PDF and PNG files."
    )
    llr: bool = option(
        False,
        "The scores are log-likelihood ratios (natural logarithm): the report judges their "
        "calibration.",
    )
    prior: list[float] | None = option(
        None,
        "Prior probability of a target trial, for minDCF; may be repeated (default: 0.01 and "
        "0.05).",
        "--p-target",
    )
    bootstrap: BootstrapOptions = options_of(BootstrapOptions, "n_bootstrap", "confidence", "seed")

    def run(self) -> None:
        """Evaluate the scores, and write a report if one was requested."""
        from speakergmm.cli.score_settings import environment, evaluation_table, read_settings

        if self.report is not None:
            check_output(self.report, "report")
        priors = tuple(self.prior or (0.01, 0.05))
        for value in priors:
            number("--prior", value, above=0, below=1)
        options = EvaluationOptions.of(None, {"p_target": priors, **asdict(self.bootstrap)})
        scores = metrics.read_scores(self.scores)
        if self.figures is not None:
            make_folders(self.figures)
        try:
            evaluation = metrics.evaluate(scores, options)
        except (InvalidInputError, InsufficientDataError) as error:
            raise type(error)(f"{self.scores}: {error}") from error
        plots = {}
        if self.report is not None or self.figures is not None:
            plots = reports.draw_evaluation(evaluation, scores, llr=self.llr)
        if self.figures is not None:
            reports.write_plots(self.figures, plots)
        if self.report is not None:
            reports.write_report(
                self.report,
                evaluation,
                scores,
                plots=plots,
                llr=self.llr,
                configuration={
                    "scores": str(self.scores),
                    **read_settings(self.scores),
                    **environment(seed=self.bootstrap.seed, files=(self.scores,)),
                },
                title=f"Evaluation of {self.scores.name}",
            )
        if self.bootstrap.n_bootstrap and any(m.interval is None for m in evaluation.metrics):
            print_note("note: an interval is missing where there are too few speakers for it")
        written = [
            f"{name}: {path}"
            for name, path in (("report", self.report), ("figures", self.figures))
            if path is not None
        ]
        table = evaluation_table(evaluation, title=str(self.scores))
        self.answer(evaluation.to_dict(), table, *written)
