"""``speakergmm demo``: the main job from end to end, on synthetic speech or on a protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speakergmm.cli.output import (
    LARGEST_SEED,
    JobsOption,
    JsonOption,
    print_json,
    print_line,
    print_note,
    print_table,
    training_status,
)
from speakergmm.cli.outputs import check_output
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import make_folders

if TYPE_CHECKING:
    from speakergmm.corpora import Protocol, Split
    from speakergmm.speakers import BackgroundModel

# In a folder that holds it, an earlier demo's files are replaced.
_MARK = ".speakergmm-demo"

_EXAMPLES = """

Examples:

  speakergmm demo

  speakergmm demo --hmm

  speakergmm demo --data corpus/ --protocol dspspeech20
"""


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for all that the demo writes.")
    ] = Path("demo-output"),
    data: Annotated[
        Path | None, typer.Option(help="Folder of real speech, with protocols/NAME in it.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Which protocol of --data to run.")] = None,
    components: Annotated[int, typer.Option(min=1, help="Gaussians in the mixture.")] = 64,
    hmm: Annotated[
        bool,
        typer.Option("--hmm", help="Phone models instead: train, align, recognise words."),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of corpus, training and bootstrap.")
    ] = 0,
    jobs: JobsOption = 2,
    json: JsonOption = False,
) -> None:
    """Train, enrol, verify, identify and report, on speech that is synthesised on the spot."""
    from speakergmm.cli.results import (
        check_lists,
        describe_run,
        environment,
        print_evaluation,
    )
    from speakergmm.metrics import evaluate, write_scores
    from speakergmm.reports import write_report
    from speakergmm.speakers import DEFAULT_RELEVANCE_FACTOR, BackgroundModel, run_protocol

    if (data is None) != (protocol is None):
        raise InvalidInputError("--data DIR and --protocol NAME belong together: give both or none")
    start = time.perf_counter()

    say = print_note if json else print_line

    def step(text: str) -> None:
        say(f"[{time.perf_counter() - start:5.1f} s] {text}")

    _take_folder(output)
    if hmm:
        from speakergmm.cli.hmm_demonstration import demonstrate_hmm, print_hmm_demonstration

        if data is not None:
            raise InvalidInputError("--hmm works on made speech; recipes/phones takes real speech")
        figures = demonstrate_hmm(output, seed=seed, jobs=jobs, step=step)
        if json:
            print_json(figures)
        else:
            print_hmm_demonstration(figures)
        return
    report, scores_file, model_file = (
        output / name for name in ("report.html", "scores.tsv", "ubm.safetensors")
    )
    check_output(report, "report")
    check_output(scores_file, "scores")
    check_output(model_file, "model")
    name, lists = _protocol(output, data, protocol, seed=seed, jobs=jobs)
    if lists.background is None:
        raise CorpusError(f"{name}: the protocol has no background.tsv to train a UBM on")
    part = lists.split("eval")
    check_lists(lists, split="eval", strict=False)
    step(
        f"corpus {name}: {len(lists.background)} background recordings of "
        f"{len(lists.background.speakers)} speakers, {len(part.models)} models, "
        f"{len(part.trials)} trials"
    )
    with training_status() as callback:
        background = BackgroundModel.train(
            lists.background,
            n_components=components,
            seed=seed,
            n_jobs=jobs,
            progress=True,
            callback=callback,
        )
    background.save(model_file)
    step(f"background model: {components} components -> {model_file}")
    # All components, as the recipe of verification scores: the figures are the same.
    settings: dict[str, Any] = {"relevance": DEFAULT_RELEVANCE_FACTOR, "top_c": None}
    scores = run_protocol(lists, background, top_c=None, n_jobs=jobs, progress=True)
    write_scores(scores_file, scores)
    step(f"verification and identification: {len(scores)} scores -> {scores_file}")
    evaluation = evaluate(scores, seed=seed)
    plain = _plain_identification(part, background, seed=seed, jobs=jobs)
    step("closed-set identification by plain mixtures (Reynolds & Rose 1995)")
    answers = _as_a_user_would(output / "voices.db", background, part, say)
    write_report(
        report,
        evaluation,
        scores,
        configuration={
            **describe_run(background, protocol=name, split="eval", **settings),
            **environment(seed=seed, files=(model_file, scores_file)),
        },
        title=f"Speaker recognition: {name}",
    )
    step(f"report: {report}")
    if json:
        print_json(
            {
                "protocol": name,
                "report": str(report),
                "evaluation": evaluation.to_dict(),
                "identification_plain_em": plain,
                "verified": answers,
            }
        )
        return
    print_line("")
    print_evaluation(evaluation, title=f"{name}, eval")
    print_line(
        f"closed-set identification by maximum likelihood, plain EM models of 16 components "
        f"(Reynolds & Rose 1995): {100 * plain:.1f} %"
    )
    print_line("")
    print_table(
        f"Is this {part.models[0]}? (average log-likelihood ratio a frame)",
        ("true speaker", "recording", "score", "identified as"),
        [(a["speaker"], a["recording"], f"{a['score']:+.3f}", a["identified_as"]) for a in answers],
        right=(2,),
    )
    print_line(f"report: {report}")


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


def _protocol(
    output: Path, data: Path | None, name: str | None, *, seed: int, jobs: int
) -> tuple[str, Protocol]:
    from speakergmm.corpora import make_synthetic_corpus, read_protocol

    if data is None or name is None:
        return "synthetic", make_synthetic_corpus(output / f"corpus-{seed}", seed=seed, n_jobs=jobs)
    folder = data / "protocols"
    known = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if name not in known:
        offered = f"there are {', '.join(known)}" if known else f"there is no {folder}"
        raise CorpusError(f"--protocol {name}: no such protocol; {offered}")
    return name, read_protocol(folder / name, data_dir=data)


def _plain_identification(
    part: Split, background: BackgroundModel, *, seed: int, jobs: int
) -> float:
    from speakergmm.speakers import LikelihoodScorer, run_identification, train_split_mixtures

    models = train_split_mixtures(
        part, n_components=16, features=background.features, seed=seed, n_jobs=jobs
    )
    found = run_identification(part, LikelihoodScorer(models), background.features, n_jobs=jobs)
    return found.accuracy


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


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=(demo.__doc__ or "") + _EXAMPLES)(demo)
