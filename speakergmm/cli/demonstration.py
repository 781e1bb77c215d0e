"""``speakergmm demo``: the main job from end to end, on synthetic speech or on a protocol."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speakergmm.cli.output import JobsOption, print_line, print_table
from speakergmm.errors import CorpusError, InvalidInputError

if TYPE_CHECKING:
    from speakergmm.corpora import Protocol, Split
    from speakergmm.speakers import BackgroundModel

_EXAMPLES = """

Examples:

  speakergmm demo

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
    seed: Annotated[int, typer.Option(min=0, help="Seed of corpus, training and bootstrap.")] = 0,
    jobs: JobsOption = 2,
) -> None:
    """Train, enrol, verify, identify and report, on speech that is synthesised on the spot."""
    from speakergmm.cli.results import environment, print_evaluation
    from speakergmm.files import check_writable
    from speakergmm.metrics import evaluate, write_scores
    from speakergmm.reports import write_report
    from speakergmm.speakers import BackgroundModel, run_protocol

    if (data is None) != (protocol is None):
        raise InvalidInputError("--data DIR and --protocol NAME belong together: give both or none")
    start = time.perf_counter()

    def step(text: str) -> None:
        print_line(f"[{time.perf_counter() - start:5.1f} s] {text}")

    output.mkdir(parents=True, exist_ok=True)
    report, scores_file, model_file = (
        output / name for name in ("report.html", "scores.tsv", "ubm.safetensors")
    )
    for file in (report, scores_file, model_file):
        check_writable(file)
    name, lists = _protocol(output, data, protocol, seed=seed, jobs=jobs)
    if lists.background is None:
        raise CorpusError(f"{name}: the protocol has no background.tsv to train a UBM on")
    part = lists.split("eval")
    step(
        f"corpus {name}: {len(lists.background)} background recordings of "
        f"{len(lists.background.speakers)} speakers, {len(part.models)} models, "
        f"{len(part.trials)} trials"
    )
    background = BackgroundModel.train(
        lists.background, n_components=components, seed=seed, n_jobs=jobs, progress=True
    )
    background.save(model_file)
    step(f"background model: {components} components -> {model_file}")
    scores = run_protocol(lists, background, n_jobs=jobs, progress=True)
    write_scores(scores_file, scores)
    step(f"verification and identification: {len(scores)} scores -> {scores_file}")
    evaluation = evaluate(scores, seed=seed)
    print_line("")
    print_evaluation(evaluation, title=f"{name}, eval")
    plain = _plain_identification(part, background, seed=seed, jobs=jobs)
    print_line(
        f"closed-set identification by maximum likelihood, plain EM models of 16 components "
        f"(Reynolds & Rose 1995): {100 * plain:.1f} %"
    )
    print_line("")
    _as_a_user_would(output / "voices.db", background, part)
    print_line("")
    write_report(
        report,
        evaluation,
        scores,
        configuration={
            "protocol": name,
            "background model": background.info(),
            **environment(seed=seed, files=(model_file, scores_file)),
        },
        title=f"Speaker recognition: {name}",
    )
    step(f"report: {report}")


def _protocol(
    output: Path, data: Path | None, name: str | None, *, seed: int, jobs: int
) -> tuple[str, Protocol]:
    from speakergmm.corpora import make_synthetic_corpus, read_protocol

    if data is None or name is None:
        return "synthetic", make_synthetic_corpus(output / f"corpus-{seed}", seed=seed, n_jobs=jobs)
    return name, read_protocol(data / "protocols" / name, data_dir=data)


def _plain_identification(
    part: Split, background: BackgroundModel, *, seed: int, jobs: int
) -> float:
    from speakergmm.speakers import LikelihoodScorer, run_identification, train_split_mixtures

    models = train_split_mixtures(
        part, n_components=16, features=background.features, seed=seed, n_jobs=jobs
    )
    found = run_identification(part, LikelihoodScorer(models), background.features, n_jobs=jobs)
    return found.accuracy


def _as_a_user_would(file: Path, background: BackgroundModel, part: Split) -> None:
    """Enrol two speakers into a store from their recordings, and ask who others are."""
    from speakergmm.speakers import SpeakerStore

    wanted, other = part.models[:2]
    for leftover in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        leftover.unlink(missing_ok=True)
    with SpeakerStore.create(file, background) as store:
        for speaker in (wanted, other):
            added = store.enroll(speaker, part.enrolment[speaker])
            print_line(f"enrolled {speaker}: {added.added_seconds:.1f} s of speech -> {file}")
        rows: list[tuple[str, ...]] = []
        for trial in part.trials:
            if trial.label == "target" and trial.model in (wanted, other):
                if any(row[0] == trial.model for row in rows):
                    continue
                result = store.verify(wanted, trial.path)
                ranked = store.identify([trial.path], top=1).ranking[0][0]
                rows.append((trial.model, trial.path.name, f"{result.score:+.3f}", ranked))
    print_table(
        f"Is this {wanted}? Average log-likelihood ratio per frame of speech",
        ("true speaker", "recording", "score", "identified as"),
        rows,
        right=(2,),
    )


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=(demo.__doc__ or "") + _EXAMPLES)(demo)
