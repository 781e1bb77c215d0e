"""``speakergmm compare-systems``: two systems on the same trials, with a paired test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm import metrics, reports
from speakergmm.cli.command_options import argument, command, options_of
from speakergmm.cli.printing import Table
from speakergmm.cli.reporting_command import ReportingCommand
from speakergmm.metrics import EvaluationOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from speakergmm.metrics import MetricDifference, Scores


@command
class CompareSystems(ReportingCommand):
    """Compare two systems on the same trials: differences with paired intervals and p-values.

    Examples:

      speakergmm compare-systems a.tsv b.tsv --report comparison.html

      speakergmm compare-systems a.tsv b.tsv --llr --json
    """

    scores_a: Path = argument("The score file of the first system.")
    scores_b: Path = argument("The score file of the second system, on the same trials.")
    evaluation: EvaluationOptions = options_of(
        EvaluationOptions, "n_bootstrap", "confidence", "seed", "llr", "threshold"
    )

    def run(self) -> None:
        """Compare the systems."""
        self.check_outputs()
        scores = metrics.read_scores(self.scores_a), metrics.read_scores(self.scores_b)
        found = metrics.compare_systems(*scores, self.evaluation)
        written = self._write(scores, found)
        rows = []
        for each in found.values():
            interval, scale = each.interval, 100 if each.a.is_rate else 1
            form = "+.2f" if each.a.is_rate else "+.4f"
            rows.append(
                (
                    each.a.title.removesuffix(", normalised"),
                    each.a.format_value(),
                    each.b.format_value(),
                    f"{scale * each.difference:{form}}",
                    ""
                    if interval is None
                    else f"{scale * interval.low:{form}} to {scale * interval.high:{form}}",
                    "" if each.p_value is None else f"{each.p_value:.3f}",
                    each.format_ratio(),
                )
            )
        confidence = f"{100 * self.evaluation.confidence:g} % interval"
        table = Table(
            f"A: {self.scores_a}, B: {self.scores_b}",
            ("metric", "A", "B", "B - A", confidence, "p", "B / A"),
            rows,
            right=(1, 2, 3, 4, 5, 6),
        )
        document = {
            "a": str(self.scores_a),
            "b": str(self.scores_b),
            "metrics": {name: each.to_dict() for name, each in found.items()},
            "bootstrap": {
                key: asdict(self.evaluation)[key]
                for key in ("n_bootstrap", "confidence", "seed", "resampling")
            },
        }
        self.answer(document, table, *written)

    def _write(
        self, scores: tuple[Scores, Scores], found: dict[str, MetricDifference]
    ) -> list[str]:
        """Write the report and the figures that were requested, and return what was written."""
        from speakergmm.cli.score_settings import environment, read_settings

        files = self.scores_a, self.scores_b
        systems = {
            f"{letter}: {file.stem}": each
            for letter, file, each in zip("AB", files, scores, strict=True)
        }

        def write(path: Path, plots: Mapping[str, Figure]) -> None:
            reports.write_comparison(
                path,
                systems,
                found,
                self.evaluation,
                configuration={
                    # Each has its own hash: two files may have the same name in two folders.
                    letter: {
                        "scores": str(file),
                        **read_settings(file),
                        **environment(seed=self.evaluation.seed, files=(file,)),
                    }
                    for letter, file in zip("AB", files, strict=True)
                },
                title=f"{self.scores_a.name} and {self.scores_b.name}",
                plots=plots,
            )

        return self.write_outputs(
            lambda: reports.draw_comparison(systems, found, self.evaluation), write
        )
