"""``speakergmm validate``: every problem of a corpus at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speakergmm.cli.output import (
    JobsOption,
    JsonOption,
    counted,
    print_json,
    print_line,
    print_table,
)

CorpusArgument = Annotated[
    Path,
    typer.Argument(
        help="A folder of speaker folders, a Kaldi data directory, or a CSV/TSV list.",
        show_default=False,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder that relative paths in a list start from [default: the list's own]."
    ),
]

_EXAMPLES = """

Examples:

  speakergmm validate recordings/

  speakergmm validate corpus.tsv --data /media/corpus --rate 16000 --json
"""


def validate(
    corpus: CorpusArgument,
    data: DataOption = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Sample rate wanted, in Hz [default: that of most recordings]."),
    ] = None,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Check every recording of a corpus and list all problems; exit code 1 if any is an error."""
    from speakergmm.corpora import read_corpus, validate_corpus

    found = read_corpus(corpus, data_dir=data)
    problems = validate_corpus(found, sample_rate=rate, n_jobs=jobs)
    errors = sum(problem.severity == "error" for problem in problems)
    if json:
        print_json(
            {
                "corpus": str(corpus),
                "n_utterances": len(found),
                "n_speakers": len(found.speakers),
                "n_errors": errors,
                "problems": [problem.to_dict() for problem in problems],
            }
        )
    else:
        if problems:
            print_table(
                f"Problems of {corpus}",
                ("severity", "kind", "file", "what"),
                [(p.severity, p.kind, str(p.path or ""), p.message) for p in problems],
            )
        print_line(
            f"{counted(len(found), 'utterance')}, {counted(len(found.speakers), 'named speaker')}: "
            f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}"
        )
    if errors:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=(validate.__doc__ or "") + _EXAMPLES)(validate)
