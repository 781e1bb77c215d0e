"""``speakergmm compare-systems``: two systems on the same trials, with a paired test."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from speakergmm import metrics
from speakergmm.cli.command_options import AnsweringCommand, argument, command, options_of
from speakergmm.cli.printing import Table
from speakergmm.metrics import EvaluationOptions


@command
class CompareSystems(AnsweringCommand):
    """Compare two systems on the same trials: differences with paired intervals and p-values.

    Examples:

      speakergmm compare-systems a.tsv b.tsv

      speakergmm compare-systems a.tsv b.tsv --llr --json
    """

    scores_a: Path = argument("The score file of the first system.")
    scores_b: Path = argument("The score file of the second system, on the same trials.")
    evaluation: EvaluationOptions = options_of(
        EvaluationOptions, "n_bootstrap", "confidence", "seed", "llr"
    )

    def run(self) -> None:
        """Compare the systems."""
        scores = metrics.read_scores(self.scores_a), metrics.read_scores(self.scores_b)
        found = metrics.compare_systems(*scores, self.evaluation)
        rows = []
        for each in found.values():
            interval, scale = each.interval, 100 if each.a.is_rate else 1
            rows.append(
                (
                    each.a.title,
                    each.a.format_value(),
                    each.b.format_value(),
                    f"{scale * each.difference:+.4f}",
                    ""
                    if interval is None
                    else f"{scale * interval.low:+.4f} to {scale * interval.high:+.4f}",
                    "" if each.p_value is None else f"{each.p_value:.3f}",
                )
            )
        confidence = f"{100 * self.evaluation.confidence:g} % interval"
        table = Table(
            f"A: {self.scores_a}, B: {self.scores_b}",
            ("metric", "A", "B", "B - A", confidence, "p"),
            rows,
            right=(1, 2, 3, 4, 5),
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
        self.answer(document, table)
