"""``speakergmm validate``: every problem of a corpus, and of what is said in it, at once."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from speakergmm.cli.output import (
    JobsOption,
    JsonOption,
    counted,
    print_json,
    print_line,
    print_table,
)
from speakergmm.cli.texts import CaseOption, case_of
from speakergmm.words import Case

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus, Problem

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
        "--data", help="Folder that relative paths in a list start from (default: the list's own)."
    ),
]

_EXAMPLES = """

Examples:

  speakergmm validate recordings/

  speakergmm validate corpus.tsv --data /media/corpus --rate 16000 --json

  speakergmm validate kaldi_data/ --text --lexicon cmudict.txt --lm lm.arpa
"""


def validate(
    corpus: CorpusArgument,
    data: DataOption = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Sample rate wanted, in Hz (default: that of most recordings)."),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Check what is said in the recordings too.")
    ] = False,
    transcripts: Annotated[
        Path | None,
        typer.Option(
            help="File with the transcripts (default: text, a column text, or .txt and .lab files "
            "of the corpus).",
        ),
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option(help="Pronunciations that all words must have.")
    ] = None,
    unknown: Annotated[
        Literal["skip", "map", "graphemes"],
        typer.Option(
            help="Words outside the lexicon: errors, warnings (train-hmm maps them), or spelled."
        ),
    ] = "skip",
    stress: Annotated[
        Literal["fold", "keep"], typer.Option(help="Stress digits of phones in the lexicon.")
    ] = "fold",
    case: CaseOption = "asis",
    graphemes: Annotated[
        bool, typer.Option("--graphemes", help="Words are to be spelled; there is no lexicon.")
    ] = False,
    unknown_word: Annotated[
        str | None, typer.Option(help="Word of the lexicon that stands for all others.")
    ] = None,
    lm: Annotated[
        Path | None, typer.Option(help="Language model (ARPA) to compare with the text.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Acoustic model whose phones and features count.")
    ] = None,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Check every recording of a corpus and list all problems; exit code 1 if any is an error.

    With --text, or an option about what is said, transcripts and what goes with them are checked.
    """
    from speakergmm.corpora import read_corpus, validate_corpus

    found = read_corpus(corpus, data_dir=data, strict=False)
    problems: list[Problem] = list(validate_corpus(found, sample_rate=rate, n_jobs=jobs))
    spoken = (transcripts, lexicon, lm, model, unknown_word)
    if text or graphemes or any(given is not None for given in spoken):
        # One voice is enough for what is said.
        problems = [problem for problem in problems if problem.kind != "one_speaker"]
        silent = {problem.utterance for problem in problems if problem.kind == "silent"}
        said = _text_problems(
            found,
            data,
            transcripts,
            lexicon,
            unknown,
            stress,
            case_of(case),
            graphemes,
            unknown_word,
            lm,
            model,
            jobs,
        )
        problems += [p for p in said if not (p.kind == "no_speech" and p.utterance in silent)]
        problems.sort(key=lambda problem: problem.severity != "error")
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
                [(p.severity, p.kind, _place(p), p.message) for p in problems],
            )
        print_line(
            f"{counted(len(found), 'utterance')}, {counted(len(found.speakers), 'named speaker')}: "
            f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}"
        )
    if errors:
        raise typer.Exit(1)


def _text_problems(
    corpus: Corpus,
    data: Path | None,
    transcripts: Path | None,
    lexicon: Path | None,
    unknown: Literal["skip", "map", "graphemes"],
    stress: Literal["fold", "keep"],
    case: Case | None,
    graphemes: bool,
    unknown_word: str | None,
    lm: Path | None,
    model: Path | None,
    jobs: int,
) -> list[Problem]:
    from dataclasses import replace

    from speakergmm.corpora.transcripts import read_transcripts
    from speakergmm.recognition.acoustic_model import AcousticModel
    from speakergmm.recognition.text_validation import validate_text

    found = validate_text(
        corpus,
        read_transcripts(transcripts or corpus, case=case, data_dir=data, strict=False),
        lexicon,
        graphemes=graphemes,
        stress=stress,
        case=case,
        unknown=unknown_word,
        spell_unknown=unknown == "graphemes",
        language_model=lm,
        model=None if model is None else AcousticModel.load(model),
        n_jobs=jobs,
    )
    if unknown == "map":
        found = tuple(
            replace(problem, severity="warning") if problem.kind == "unknown_word" else problem
            for problem in found
        )
    # Recordings that can't be read and faults of the list have been told.
    return [problem for problem in found if problem.kind not in ("unreadable", "bad_list")]


def _place(problem: Problem) -> str:
    path = "" if problem.path is None else str(problem.path)
    return path if problem.line is None else f"{path}:{problem.line}"


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=cleandoc(validate.__doc__ or "") + _EXAMPLES)(validate)
