"""``speakergmm demo``: the main job from end to end, on synthetic speech or on a protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.cli.hmm_demonstration import HmmDemonstration, print_hmm_demonstration
from speakergmm.cli.options import LARGEST_SEED, Answers, JobsOption, command, option
from speakergmm.cli.output import print_json, print_line, print_note, print_table
from speakergmm.cli.outputs import check_output
from speakergmm.cli.training import training_status
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import make_folders

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus, Protocol, Split
    from speakergmm.metrics import Evaluation, Scores
    from speakergmm.speakers import BackgroundModel

# In a folder that holds it, an earlier demo's files are replaced.
_MARK = ".speakergmm-demo"


@command
class Demo(Answers):
    """Train, enrol, verify, identify and report, on speech that is synthesised on the spot.

    Examples:

      speakergmm demo

      speakergmm demo --hmm

      speakergmm demo --data corpus/ --protocol dspspeech20
    """

    output: Path = option(Path("demo-output"), "Folder for all that the demo writes.", "-o")
    data: Path | None = option(None, "Folder of real speech, with protocols/NAME in it.")
    protocol: str | None = option(None, "Which protocol of --data to run.")
    components: int = option(64, "Gaussians in the mixture.", min=1)
    hmm: bool = option(False, "Phone models instead: train, align, recognise words.")
    seed: int = option(0, "Seed of corpus, training and bootstrap.", min=0, max=LARGEST_SEED)
    jobs: JobsOption = 2

    def run(self) -> None:
        """Do one of the two main jobs in a folder of the demo's own."""
        if (self.data is None) != (self.protocol is None):
            raise InvalidInputError(
                "--data DIR and --protocol NAME belong together: give both or none"
            )
        start = time.perf_counter()
        say = print_note if self.json else print_line

        def step(text: str) -> None:
            say(f"[{time.perf_counter() - start:5.1f} s] {text}")

        _take_folder(self.output)
        if not self.hmm:
            self._demonstrate_speakers(say, step)
            return
        if self.data is not None:
            raise InvalidInputError("--hmm works on made speech; recipes/phones takes real speech")
        figures = HmmDemonstration(self.output, self.seed, self.jobs, step).run()
        if self.json:
            print_json(figures)
        else:
            print_hmm_demonstration(figures)

    def _demonstrate_speakers(
        self, say: Callable[[str], None], step: Callable[[str], None]
    ) -> None:
        from speakergmm.cli.results import check_lists
        from speakergmm.metrics import evaluate, write_scores
        from speakergmm.speakers import run_protocol

        report, scores_file, model_file = (
            self.output / name for name in ("report.html", "scores.tsv", "ubm.safetensors")
        )
        check_output(report, "report")
        check_output(scores_file, "scores")
        check_output(model_file, "model")
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
        background = self._train(lists.background)
        background.save(model_file)
        step(f"background model: {self.components} components -> {model_file}")
        # All components, as the recipe of verification scores: the figures are the same.
        scores = run_protocol(lists, background, top_c=None, n_jobs=self.jobs, progress=True)
        write_scores(scores_file, scores)
        step(f"verification and identification: {len(scores)} scores -> {scores_file}")
        evaluation = evaluate(scores, seed=self.seed)
        plain = self._plain_identification(part, background)
        step("closed-set identification by plain mixtures (Reynolds & Rose 1995)")
        answers = _as_a_user_would(self.output / "voices.db", background, part, say)
        self._report(report, name, background, evaluation, scores, (model_file, scores_file))
        step(f"report: {report}")
        if self.json:
            print_json(
                {
                    "protocol": name,
                    "report": str(report),
                    "evaluation": evaluation.to_dict(),
                    "identification_plain_em": plain,
                    "verified": answers,
                }
            )
        else:
            _print_speakers(name, evaluation, plain, part.models[0], answers)
            print_line(f"report: {report}")

    def _protocol(self) -> tuple[str, Protocol]:
        from speakergmm.corpora import make_synthetic_corpus, read_protocol

        if self.data is None or self.protocol is None:
            folder = self.output / f"corpus-{self.seed}"
            return "synthetic", make_synthetic_corpus(folder, seed=self.seed, n_jobs=self.jobs)
        folder = self.data / "protocols"
        known = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if self.protocol not in known:
            offered = f"there are {', '.join(known)}" if known else f"there is no {folder}"
            raise CorpusError(f"--protocol {self.protocol}: no such protocol; {offered}")
        return self.protocol, read_protocol(folder / self.protocol, data_dir=self.data)

    def _train(self, recordings: Corpus) -> BackgroundModel:
        from speakergmm.speakers import BackgroundModel

        with training_status() as callback:
            return BackgroundModel.train(
                recordings,
                n_components=self.components,
                seed=self.seed,
                n_jobs=self.jobs,
                progress=True,
                callback=callback,
            )

    def _plain_identification(self, part: Split, background: BackgroundModel) -> float:
        from speakergmm.speakers import LikelihoodScorer, run_identification, train_split_mixtures

        features = background.features
        models = train_split_mixtures(
            part, n_components=16, features=features, seed=self.seed, n_jobs=self.jobs
        )
        scorer = LikelihoodScorer(models)
        return run_identification(part, scorer, features, n_jobs=self.jobs).accuracy

    def _report(
        self,
        file: Path,
        protocol: str,
        background: BackgroundModel,
        evaluation: Evaluation,
        scores: Scores,
        made: tuple[Path, ...],
    ) -> None:
        from speakergmm.cli.results import describe_run, environment
        from speakergmm.reports import write_report
        from speakergmm.speakers import DEFAULT_RELEVANCE_FACTOR

        run = describe_run(
            background,
            protocol=protocol,
            split="eval",
            relevance=DEFAULT_RELEVANCE_FACTOR,
            top_c=None,
        )
        write_report(
            file,
            evaluation,
            scores,
            configuration={**run, **environment(seed=self.seed, files=made)},
            title=f"Speaker recognition: {protocol}",
        )


def _take_folder(output: Path) -> None:
    """Make the demo's folder; what is in it will be replaced, so it must be the demo's own."""
    if output.exists() and not output.is_dir():
        raise InvalidInputError(f"--output {output}: is a file; give the name of a folder")
    if output.exists() and any(output.iterdir()) and not (output / _MARK).exists():
        raise InvalidInputError(
            f"--output {output}: holds files that no demo made; give a new folder or an empty one"
        )
    make_folders(output)
    (output / _MARK).touch()


def _as_a_user_would(
    file: Path, background: BackgroundModel, part: Split, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Enrol two speakers into a store from their recordings, and ask who others are."""
    from speakergmm.speakers import SpeakerStore, is_store

    wanted, other = part.models[:2]
    if file.exists() and not is_store(file):
        raise InvalidInputError(f"{file}: exists and is not a speaker store; remove it first")
    for leftover in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        leftover.unlink(missing_ok=True)
    answers: list[dict[str, Any]] = []
    with SpeakerStore.create(file, background) as store:
        for speaker in (wanted, other):
            added = store.enroll(speaker, part.enrolment[speaker])
            say(f"enrolled {speaker}: {added.added_seconds:.1f} s of speech -> {file}")
        for speaker in (wanted, other):
            path = next(
                trial.path
                for trial in part.trials
                if trial.model == speaker and trial.label == "target"
            )
            answers.append(
                {
                    "speaker": speaker,
                    "recording": path.name,
                    "claimed": wanted,
                    "score": store.verify(wanted, path).score,
                    "identified_as": store.identify([path], top=1).ranking[0][0],
                }
            )
    return answers


def _print_speakers(
    name: str,
    evaluation: Evaluation,
    plain: float,
    claimed: str,
    answers: list[dict[str, Any]],
) -> None:
    from speakergmm.cli.results import print_evaluation

    print_line("")
    print_evaluation(evaluation, title=f"{name}, eval")
    print_line(
        f"closed-set identification by maximum likelihood, plain EM models of 16 components "
        f"(Reynolds & Rose 1995): {100 * plain:.1f} %"
    )
    print_line("")
    print_table(
        f"Is this {claimed}? (average log-likelihood ratio a frame)",
        ("true speaker", "recording", "score", "identified as"),
        [(a["speaker"], a["recording"], f"{a['score']:+.3f}", a["identified_as"]) for a in answers],
        right=(2,),
    )
