"""``speakergmm evaluate``: error rates of scores, with intervals and a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm import metrics, reports
from speakergmm.cli.command_options import argument, command, option, options_of
from speakergmm.cli.printing import Table, print_note
from speakergmm.cli.reporting_command import ReportingCommand
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.metrics import EvaluationOptions
from speakergmm.ranges import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@command
class Evaluate(ReportingCommand):
    """Compute the EER, minDCF and identification accuracy of scores, with intervals.

    Examples:

      speakergmm evaluate scores.tsv --report report.html

      speakergmm evaluate llrs.tsv --llr --figures figures

      speakergmm evaluate scores.tsv --prior 0.01 --prior 0.5 --json
    """

    scores: Path = argument("A score file with the columns model, path, score and label.")
    prior: list[float] | None = option(
        None,
        "Prior probability of a target trial, for minDCF; may be repeated (default: 0.01 and "
        "0.05).",
        "--p-target",
    )
    group_by: list[str] | None = option(
        None, "Further column of the scores, such as sex: errors by group; may be repeated."
    )
    dev: Path | None = option(None, "Score file of other speakers, to choose a threshold on.")
    target_far: float | None = option(
        None, "False-accept rate for which the threshold is chosen on the dev scores."
    )
    force: bool = option(
        False, "Take dev scores of the same speakers, or too few of them, all the same."
    )
    settings: EvaluationOptions = options_of(
        EvaluationOptions, "n_bootstrap", "confidence", "seed", "resampling", "llr", "threshold"
    )

    def run(self) -> None:
        """Evaluate the scores, and write a report if one was requested."""
        from speakergmm.cli.score_settings import (
            condition_table,
            evaluation_table,
            worst_in_words,
        )

        self.check_outputs()
        priors = tuple(self.prior or (0.01, 0.05))
        for value in priors:
            number("--prior", value, above=0, below=1)
        options = EvaluationOptions.of(self.settings, {"p_target": priors})
        scores = metrics.read_scores(self.scores)
        for name in self.group_by or ():
            scores.condition(name)
        chosen = self._chosen(scores, options)
        if chosen is not None:
            options = EvaluationOptions.of(options, {"threshold": chosen.threshold})
        try:
            evaluation = metrics.evaluate(scores, options)
            groups = [
                metrics.evaluate_by_condition(scores, c, options) for c in self.group_by or ()
            ]
        except (InvalidInputError, InsufficientDataError) as error:
            raise type(error)(f"{self.scores}: {error}") from error

        written = self.write_outputs(
            lambda: reports.draw_evaluation(
                evaluation, scores, llr=self.settings.llr, groups=groups
            ),
            partial(self._write_report, evaluation, scores),
        )
        if self.settings.n_bootstrap and any(m.interval is None for m in evaluation.metrics):
            print_note("note: an interval is missing where there are too few speakers for it")
        table = evaluation_table(evaluation, title=str(self.scores))
        by_group: list[Table | str] = []
        for group in groups:
            by_group.append(condition_table(group, confidence=evaluation.confidence))
            by_group += worst_in_words(group)
        document = evaluation.to_dict() | {
            "dev": chosen and asdict(chosen),
            "conditions": {each.condition: each.to_dict() for each in groups},
        }
        promise = () if chosen is None else _promise(chosen, evaluation, groups)
        self.answer(document, table, *promise, *by_group, *written)

    def _write_report(
        self,
        evaluation: metrics.Evaluation,
        scores: metrics.Scores,
        path: Path,
        plots: Mapping[str, Figure],
    ) -> None:
        from speakergmm.cli.score_settings import environment, read_settings

        reports.write_report(
            path,
            evaluation,
            scores,
            plots=plots,
            llr=self.settings.llr,
            configuration={
                "scores": str(self.scores),
                **read_settings(self.scores),
                **environment(seed=self.settings.seed, files=(self.scores,)),
            },
            title=f"Evaluation of {self.scores.name}",
        )

    def _chosen(
        self, scores: metrics.Scores, options: EvaluationOptions
    ) -> metrics.DevThreshold | None:
        """Choose the threshold on dev scores, if it was requested."""
        if (self.dev is None) != (self.target_far is None):
            raise InvalidInputError("--dev and --target-far go together: give both or neither")
        if self.dev is None or self.target_far is None:
            return None
        if options.threshold is not None:
            raise InvalidInputError("--threshold and --target-far exclude each other: give one")
        dev = metrics.read_scores(self.dev)
        forced = ""
        try:
            if not self.force:
                forced = " (--force goes on)"
                metrics.check_speakers_apart(dev, scores)
                metrics.check_enough_trials(dev, self.target_far)
                forced = ""
            return metrics.choose_threshold(dev, self.target_far, options, force=self.force)
        except (InvalidInputError, InsufficientDataError) as error:
            raise type(error)(f"{self.dev}: {error}{forced}") from error


def _promise(
    chosen: metrics.DevThreshold,
    evaluation: metrics.Evaluation,
    conditions: Sequence[metrics.ConditionEvaluation],
) -> tuple[str, ...]:
    """Return the promise of the dev scores, and of all trials and each group whether it held."""
    parts = [("here", evaluation)] + [
        (f"where {each.condition} = {group.value}", group.evaluation)
        for each in conditions
        for group in each.groups
        if group.evaluation is not None
    ]
    interval = chosen.p_fa_interval
    between = "no interval"
    if interval is not None:
        between = f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"
    return (
        f"threshold {chosen.threshold:.4f}, chosen on dev for {100 * chosen.target_far:g} % false "
        f"alarms; promised: {between}",
        *(
            f"false alarms {where}: {rate.format_value()}, {_place(rate.value, chosen)} the promise"
            for where, rate in ((where, part["false_alarm_rate"]) for where, part in parts)
        ),
    )


def _place(rate: float, chosen: metrics.DevThreshold) -> str:
    """Return where a rate lies, by the interval that was promised."""
    if chosen.p_fa_interval is None:
        return "not comparable with"
    if chosen.holds(rate):
        return "inside"
    return "above" if rate > chosen.p_fa_interval.high else "below"
