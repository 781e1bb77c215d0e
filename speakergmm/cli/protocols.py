"""``speakergmm run-protocol`` and ``speakergmm evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speakergmm.cli.output import (
    JobsOption,
    JsonOption,
    print_json,
    print_line,
    print_note,
)
from speakergmm.cli.outputs import check_output

_RUN_EXAMPLES = """

Examples:

  speakergmm run-protocol protocols/mine --data-dir corpus/ --ubm ubm.safetensors -o scores.tsv

  speakergmm run-protocol protocols/mine --split dev --ubm ubm.safetensors -o dev.tsv -j 2
"""
_EVALUATE_EXAMPLES = """

Examples:

  speakergmm evaluate scores.tsv --report report.html

  speakergmm evaluate scores.tsv --prior 0.01 --prior 0.5 --json
"""


def run_protocol(
    protocol: Annotated[
        Path,
        typer.Argument(help="Folder with *_enroll.tsv and *_trials.tsv.", show_default=False),
    ],
    ubm: Annotated[Path, typer.Option(help="Background model.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Score file (TSV) to write.", show_default=False)
    ],
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            "--data",
            help="Folder that the lists' paths start from (default: the protocol's).",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Which part to run: dev or eval.")] = "eval",
    relevance: Annotated[
        float,
        typer.Option(
            "--relevance", "--relevance-factor", help="Relevance factor of MAP, in frames."
        ),
    ] = 3.0,
    exact: Annotated[
        bool, typer.Option("--exact", help="Score with all components, not only the best five.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad recording.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Enrol a protocol's models, score its trials, and write the scores."""
    from speakergmm.cli.results import check_lists, describe_run, settings_file, write_settings
    from speakergmm.corpora import read_protocol
    from speakergmm.metrics import write_scores
    from speakergmm.speakers import BackgroundModel
    from speakergmm.speakers import run_protocol as run

    settings = settings_file(output)
    check_output(output, "scores")
    check_output(settings, "settings")
    lists = read_protocol(protocol, data_dir=data_dir)
    for note in lists.notes:
        print_note(f"warning: {note}")
    check_lists(lists, split=split, strict=strict)
    background = BackgroundModel.load(ubm)
    top_c = None if exact else 5
    scores = run(
        lists,
        background,
        split=split,
        relevance_factor=relevance,
        top_c=top_c,
        n_jobs=jobs,
        strict=strict,
        progress=not json,
    )
    write_scores(output, scores)
    write_settings(
        settings,
        output,
        describe_run(
            background, protocol=protocol.name, split=split, relevance=relevance, top_c=top_c
        ),
    )
    if json:
        print_json(
            {
                "output": str(output),
                "split": split,
                "n_trials": len(scores),
                "notes": list(lists.notes),
            }
        )
    else:
        print_line(f"{output}: {len(scores)} scores of the {split} trials")


def evaluate(
    scores: Annotated[
        Path, typer.Argument(help="Score file: model, path, score, label.", show_default=False)
    ],
    report: Annotated[
        Path | None, typer.Option(help="Self-contained HTML report to write.")
    ] = None,
    prior: Annotated[
        list[float] | None,
        typer.Option(
            "--prior",
            "--p-target",
            help="Target prior of minDCF; may be given again (default: 0.01, 0.05).",
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            "--n-bootstrap",
            min=0,
            help="Bootstrap replicates over speakers; 0 for no intervals.",
        ),
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    json: JsonOption = False,
) -> None:
    """Compute EER, minDCF and identification accuracy of scores, with 95 % intervals."""
    from speakergmm.cli.results import environment, print_evaluation, read_settings
    from speakergmm.errors import InsufficientDataError, InvalidInputError
    from speakergmm.metrics import evaluate as evaluate_scores
    from speakergmm.metrics import read_scores

    if report is not None:
        check_output(report, "report")
    priors = tuple(prior or (0.01, 0.05))
    for value in priors:
        if not 0 < value < 1:
            raise InvalidInputError(f"--prior {value:g}: must lie between 0 and 1, without them")
    read = read_scores(scores)
    try:
        evaluation = evaluate_scores(read, p_target=priors, n_bootstrap=bootstrap, seed=seed)
    except (InvalidInputError, InsufficientDataError) as error:
        raise type(error)(f"{scores}: {error}") from error
    if report is not None:
        from speakergmm.reports import write_report

        write_report(
            report,
            evaluation,
            read,
            configuration={
                "scores": str(scores),
                **read_settings(scores),
                **environment(seed=seed, files=(scores,)),
            },
            title=f"Evaluation of {scores.name}",
        )
    if json:
        print_json(evaluation.to_dict())
    else:
        print_evaluation(evaluation, title=str(scores))
        if report is not None:
            print_line(f"report: {report}")


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command("run-protocol", help=(run_protocol.__doc__ or "") + _RUN_EXAMPLES)(run_protocol)
    app.command(help=(evaluate.__doc__ or "") + _EVALUATE_EXAMPLES)(evaluate)
