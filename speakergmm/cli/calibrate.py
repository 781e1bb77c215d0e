"""``speakergmm calibrate``: scores of a store or a model become likelihood ratios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from speakergmm import corpora, speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.answers import calibration_in_words, worst_lines
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import Table, print_warnings
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.metrics import percentage
from speakergmm.run_context import RunContext
from speakergmm.speakers import CalibrationOptions, NormalisationOptions

_RATES = (0.05, 0.01, 0.001)


@command
class Calibrate(EngineCommand, AnsweringCommand):
    """Calibrate a store or a model, so that its answers are likelihood ratios and decisions.

    The trials must be of speakers who are neither enrolled nor tested later. Without trials, the
    speakers of the cohort are tried against one another.

    Examples:

      speakergmm calibrate voices.db --trials lists/dev_trials.tsv --data-dir corpus/

      speakergmm calibrate voices.db --lists lists/ --data-dir corpus/ --test-augment default

      speakergmm calibrate ubm.safetensors --cohort corpus/ --score-norm t -o system.safetensors
    """

    target: Path = argument("A speaker store, or a background model or system (with --output).")
    lists: Path | None = option(None, "Folder of lists (a protocol) whose dev part is used.")
    trials: Path | None = option(None, "List of trials (model, path, label), in place of those.")
    enroll: Path | None = option(
        None, "List of the recordings of their models (default: beside the trials)."
    )
    data_dir: options.DataDir = None
    cohort: Path | None = option(None, "Corpus whose speakers become the cohort.")
    cohort_tests: int = option(
        10, "Recordings of each speaker of the cohort that are tests.", min=0
    )
    use_cohort: bool = option(False, "Use the trials of the cohort besides the others.")
    test_augment: str | None = option(
        None,
        "Score each test recording in several conditions: 'default', 'none' or names with commas "
        "(default: those of the background model).",
    )
    scores_alone: bool = option(
        False, "Calibrate by scores alone, without the quality of the recordings."
    )
    allow_enrolled: bool = option(False, "Accept trials of speakers who are enrolled.")
    output: Path | None = options.output(None, "System to write, if the target is a model.")
    normalisation: NormalisationOptions = options_of(
        NormalisationOptions, "normalisation", "cohort_top"
    )
    calibration: CalibrationOptions = options_of(
        CalibrationOptions, "method", "training_prior", "shrinkage"
    )

    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Calibrate, and write the result to the store or to a file."""
        if self.lists is not None and self.trials is not None:
            raise InvalidInputError("--trials: must be left out where --lists is given")
        lists = self._read_lists()
        if speakers.is_store(self.target):
            made = self._calibrated_store(lists)
        else:
            if self.output is None:
                raise InvalidInputError("--output: name the system to write")
            check_output(self.output, "system")
            system = self._with_cohort(speakers.as_system(self.target))
            made = speakers.calibrate_system(system, lists, self.calibration, **self._arguments())
            made.save(self.output)
        where = str(self.output or self.target)
        calibration = made.calibration
        assert calibration is not None
        rates = [_promise(calibration, rate) for rate in _RATES]
        document = {"calibrated": where, **calibration.info(), "promises": rates}
        self.answer(document, *_in_words(where, calibration, rates))

    def _read_lists(self) -> corpora.Protocol | None:
        lists = None
        if self.trials is not None:
            lists = corpora.read_trials(self.trials, self.enroll, data_dir=self.data_dir)
        elif self.lists is not None:
            lists = corpora.read_protocol(self.lists, data_dir=self.data_dir)
        if lists is not None:
            from speakergmm.cli.score_settings import check_lists

            print_warnings(lists.notes)
            check_lists(lists, split="dev", strict=self.context.strict)
        return lists

    def _with_cohort(self, system: speakers.SpeakerSystem) -> speakers.SpeakerSystem:
        if self.cohort is not None:
            cohort = speakers.make_cohort(
                corpora.read_corpus(self.cohort, data_dir=self.data_dir),
                system.background,
                system.backend,
                tests_per_speaker=self.cohort_tests,
                engine=self.engine,
                run=RunContext(progress=not self.json),
            )
            system = system.replace(cohort=cohort, normalisation=self.normalisation)
        elif self.normalisation != NormalisationOptions():
            system = system.replace(normalisation=self.normalisation)
        return system

    def _calibrated_store(self, lists: corpora.Protocol | None) -> speakers.SpeakerSystem:
        if self.output is not None:
            raise InvalidInputError("--output: a store keeps its calibration itself")
        with speakers.SpeakerStore.open(self.target) as store:
            return store.calibrate(
                lists,
                self.calibration,
                system=self._with_cohort(store.system),
                force=self.allow_enrolled,
                **self._arguments(),
            )

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the calibration of a system or a store."""
        measures: dict[str, Any] = {"measures": ()} if self.scores_alone else {}
        return {
            "test_versions": self.test_augment,
            "use_cohort": self.use_cohort,
            "engine": self.engine,
            "run": replace(self.context, progress=not self.json),
            **measures,
        }


def _promise(calibration: speakers.Calibration, rate: float) -> dict[str, Any]:
    """Return what the calibration promises at a false-accept rate, or why it does not."""
    try:
        promise = calibration.promise(target_far=rate)
    except SpeakerGmmError as refusal:
        return {"target_far": rate, "refused": str(refusal)}
    evidence = calibration.evidence
    groups = {
        column.name: {
            group: asdict(found)
            for group, found in speakers.rates_by_group(
                evidence, promise.threshold, column.name
            ).items()
        }
        for column in evidence.columns
    }
    return {
        "target_far": rate,
        **promise.to_dict(),
        "groups": groups,
        "in_words": list(worst_lines(promise)),
    }


def _in_words(
    where: str, calibration: speakers.Calibration, rates: list[dict[str, Any]]
) -> Iterator[str | Table]:
    """Yield what the calibration rests on, and what it can promise."""
    low, high = calibration.bounds
    yield f"{where}: calibrated on {calibration_in_words(calibration.info()['trials'])}"
    watched = () if calibration.watched is None else calibration.watched.described()
    if calibration.measure_names or watched:
        yield f"it saw: {', '.join((*calibration.ranges.described(), *watched))}"
    yield f"log-likelihood ratios lie between {low:+.2f} and {high:+.2f}, as the trials support"
    rows = [_row(each) for each in rates if "refused" not in each]
    if rows:
        yield Table(
            "error rates of decisions, and the range expected of other speakers",
            ("--target-far", "threshold (LLR)", "false accepts", "misses"),
            rows,
            right=(0, 1),
        )
    for each in rates:
        lines = each["in_words"] if "refused" not in each else [f"refused: {each['refused']}"]
        for line in lines:
            yield f"--target-far {each['target_far']:g}: {line}"


def _row(found: dict[str, Any]) -> tuple[str, str, str, str]:
    shown = [
        "{} % ({} to {} %)".format(*map(percentage, (found[name], *found[f"{name}_interval"])))
        for name in ("p_fa", "p_miss")
    ]
    return f"{found['target_far']:g}", f"{found['threshold']:+.2f}", shown[0], shown[1]
