"""``speakergmm demo``: the main tasks from end to end, on synthetic speech or on a protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm import corpora, metrics, reports, speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.answers import answer_lines, calibration_in_words
from speakergmm.cli.command_options import AnsweringCommand, command, option
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import Table, print_line, print_note
from speakergmm.cli.training_commands import train_background
from speakergmm.errors import (
    CannotPromiseError,
    CorpusError,
    InsufficientDataError,
    InvalidInputError,
)
from speakergmm.files import make_folders
from speakergmm.run_context import RunContext

if TYPE_CHECKING:
    from speakergmm.features import FeatureConfig

# A folder that contains this file was made by a demo, and its files may be replaced.
_MARK = ".speakergmm-demo"

# False-accept rate of the decision that is shown.
_FAR = 0.05


@command
class Demo(AnsweringCommand):
    """Demonstrate speaker recognition, or phone models, on synthetic speech.

    Examples:

      speakergmm demo

      speakergmm demo --hmm

      speakergmm demo --data-dir corpus/ --protocol dspspeech20
    """

    output: Path = options.output(Path("demo-output"), "Folder for all files that the demo writes.")
    data_dir: Path | None = option(
        None,
        "Folder of real speech, which contains protocols/ and the recordings (default: synthetic "
        "speech).",
        "--data",
    )
    protocol: str | None = option(
        None, "Name of a protocol of real speech, in the folder protocols/ of --data-dir."
    )
    components: options.Components = 64
    hmm: bool = option(
        False, "Demonstrate phone models instead: training, alignment and recognition of words."
    )
    seed: options.Seed = 0
    jobs: options.Jobs = 2

    def run(self) -> None:
        """Run one of the two demonstrations in a folder of its own."""
        if (self.data_dir is None) != (self.protocol is None):
            raise InvalidInputError(
                "--data-dir DIR and --protocol NAME belong together; give both or neither"
            )
        start = time.perf_counter()
        say = print_note if self.json else print_line

        def step(text: str) -> None:
            say(f"[{time.perf_counter() - start:5.1f} s] {text}")

        _take_folder(self.output)
        if not self.hmm:
            self._demonstrate_speakers(say, step)
            return
        if self.data_dir is not None:
            raise InvalidInputError(
                "--hmm needs synthetic speech; recipes/phones takes real speech"
            )
        from speakergmm.cli.demo_hmm import HmmDemonstration, figures_shown

        figures = HmmDemonstration(self.output, self.seed, self.jobs, step).run()
        self.answer(figures, *figures_shown(figures))

    def _demonstrate_speakers(
        self, say: Callable[[str], None], step: Callable[[str], None]
    ) -> None:
        from speakergmm.cli.score_settings import (
            check_lists,
            environment,
            evaluation_table,
            scoring_settings,
        )

        report = self._place("report.html", "report")
        scores_file = self._place("scores.tsv", "scores")
        model_file = self._place("ubm.safetensors", "model")
        name, lists = self._protocol()
        if lists.background is None:
            raise CorpusError(f"{name}: the protocol has no background.tsv to train a UBM on")
        part = lists.split("eval")
        check_lists(lists, split="eval", strict=False)
        step(
            f"corpus {name}: {len(lists.background)} background recordings of "
            f"{len(lists.background.speakers)} speakers, {len(part.models)} models, "
            f"{len(part.trials)} trials"
        )
        options = speakers.BackgroundOptions(n_components=self.components, seed=self.seed)
        background = train_background(lists.background, options, self.jobs)
        background.save(model_file)
        step(f"background model: {self.components} components -> {model_file}")
        system = self._calibrated(background, lists, step)
        llr = system.calibration is not None
        chosen = speakers.ProtocolOptions(llr=llr)
        scores = speakers.run_protocol(
            lists, system, engine=self.jobs, run=RunContext(progress=True), options=chosen
        )
        metrics.write_scores(scores_file, scores)
        kind = "log-likelihood ratios" if llr else "scores"
        step(f"verification and identification: {len(scores)} {kind} -> {scores_file}")
        evaluation = metrics.evaluate(scores, seed=self.seed, llr=llr)
        plain = self._plain_identification(part, background.features)
        step("closed-set identification by plain mixtures (Reynolds & Rose 1995)")
        answers, decision = self._as_a_user_would(system, part, say)
        run = scoring_settings(system, chosen, protocol=name)
        made = environment(seed=self.seed, files=(model_file, scores_file))
        title = f"Speaker recognition: {name}"
        reports.write_report(
            report, evaluation, scores, llr=llr, configuration=run | made, title=title
        )
        step(f"report: {report}")
        self.answer(
            {
                "protocol": name,
                "report": str(report),
                "evaluation": evaluation.to_dict(),
                "identification_plain_em": plain,
                "verified": answers,
            },
            "",
            evaluation_table(evaluation, title=f"{name}, eval"),
            f"closed-set identification by maximum likelihood, plain EM models of 16 components "
            f"(Reynolds & Rose 1995): {100 * plain:.1f} %",
            "",
            _answers_table(answers),
            *decision,
            "",
            f"report: {report}",
        )

    def _place(self, name: str, kind: str) -> Path:
        check_output(self.output / name, kind)
        return self.output / name

    def _protocol(self) -> tuple[str, corpora.Protocol]:
        if self.data_dir is None or self.protocol is None:
            made = self.output / f"corpus-{self.seed}"
            lists = corpora.make_synthetic_corpus(made, seed=self.seed, engine=self.jobs)
            return "synthetic", lists
        folder = self.data_dir / "protocols"
        known = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if self.protocol not in known:
            offered = f"there are {', '.join(known)}" if known else f"there is no {folder}"
            raise CorpusError(f"--protocol {self.protocol}: no such protocol; {offered}")
        return self.protocol, corpora.read_protocol(folder / self.protocol, data_dir=self.data_dir)

    def _calibrated(
        self,
        background: speakers.BackgroundModel,
        lists: corpora.Protocol,
        step: Callable[[str], None],
    ) -> speakers.SpeakerSystem:
        """Calibrate on the dev part by scores alone, if there is one that suffices."""
        system = speakers.as_system(background)
        if "dev" not in lists.splits:
            return system
        try:
            system = speakers.calibrate_system(system, lists, measures=(), engine=self.jobs)
        except InsufficientDataError as refusal:
            print_note(f"note: answers are scores and no likelihood ratios: {refusal}")
            return system
        assert system.calibration is not None
        step(f"calibration on dev: {calibration_in_words(system.calibration.info()['trials'])}")
        return system

    def _plain_identification(self, part: corpora.Split, features: FeatureConfig) -> float:
        models = speakers.train_split_mixtures(
            part, n_components=16, features=features, seed=self.seed, engine=self.jobs
        )
        scorer = speakers.LikelihoodScorer(models)
        return speakers.run_identification(part, scorer, features, engine=self.jobs).accuracy

    def _as_a_user_would(
        self, system: speakers.SpeakerSystem, part: corpora.Split, say: Callable[[str], None]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Enrol two speakers in a store, verify and identify others, and decide on one."""
        named, file = part.models[:2], self.output / "voices.db"
        if file.exists() and not speakers.is_store(file):
            raise InvalidInputError(f"{file}: exists and is not a speaker store; remove it first")
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        first_target = {
            trial.model: trial.path for trial in reversed(part.trials) if trial.label == "target"
        }
        with speakers.SpeakerStore.create(file, system) as store:
            for speaker in named:
                added = store.enroll(speaker, part.enrolment[speaker])
                say(f"enrolled {speaker}: {added.added_seconds:.1f} s of speech -> {file}")
            answers = []
            for speaker in named:
                answer = store.verify(named[0], first_target[speaker]).answer
                best, _ = store.identify(first_target[speaker], top=1).ranking[0]
                answers.append(
                    {
                        "speaker": speaker,
                        "recording": first_target[speaker].name,
                        "claimed": named[0],
                        **answer.to_dict(),
                        "identified_as": best,
                    }
                )
            return answers, _decision(store, named[0], first_target[named[0]])


def _take_folder(output: Path) -> None:
    """Create the folder of the demo; since its files are replaced, it must be one of a demo."""
    if output.exists() and not output.is_dir():
        raise InvalidInputError(f"--output must be a folder, found the file {output}")
    if output.exists() and any(output.iterdir()) and not (output / _MARK).exists():
        raise InvalidInputError(
            f"--output {output}: contains files that are not of a demo; give a new or an empty "
            f"folder"
        )
    make_folders(output)
    (output / _MARK).touch()


def _answers_table(answers: list[dict[str, Any]]) -> Table:
    calibrated = answers[0]["llr"] is not None
    return Table(
        f"Is this {answers[0]['claimed']}? (average log-likelihood ratio per frame"
        f"{', and calibrated log-likelihood ratio' * calibrated})",
        ("true speaker", "recording", "score", *["LLR"] * calibrated, "identified as"),
        [
            (
                a["speaker"],
                a["recording"],
                f"{a['score']:+.3f}",
                *([f"{a['llr']:+.2f}"] if calibrated else []),
                a["identified_as"],
            )
            for a in answers
        ],
        right=(2, 3) if calibrated else (2,),
    )


def _decision(store: speakers.SpeakerStore, claimed: str, recording: Path) -> list[str]:
    """Return a decision in words, as verify prints it; nothing without calibration."""
    if store.system.calibration is None:
        return []
    lines = [f"speakergmm verify {store.path} {claimed} {recording.name} --target-far {_FAR:g}"]
    try:
        result = store.verify(claimed, recording, target_far=_FAR)
    except CannotPromiseError as refusal:
        return [*lines, f"refused: {refusal}"]
    return [*lines, *answer_lines(result.answer, result.speech_seconds)]
