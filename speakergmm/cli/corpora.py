"""``speakergmm validate``: every problem of a corpus, and of what is said in it, at once."""

from __future__ import annotations

from collections.abc import Container
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from speakergmm.cli.output import (
    JobsOption,
    JsonOption,
    counted,
    listed,
    print_json,
    print_line,
    print_note,
    print_table,
)
from speakergmm.cli.texts import CaseOption, case_of
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.words import Case

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus, Problem, Transcripts

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
        "--data-dir",
        "--data",
        help="Folder that relative paths in a list start from (default: the list's own).",
    ),
]
SpeakerPatternOption = Annotated[
    str | None,
    typer.Option(
        help="How file names say who speaks, as in '{speaker}_*.wav'; with a / how paths do, as in "
        "'{speaker}/*/*.wav'; or a regular expression whose group is the speaker.",
        show_default=False,
    ),
]

PRESET_NAMES = ("speaker", "hmm", "kaldi", "htk", "librosa")
"""Those of `speakergmm.features.presets`, which is not loaded for a help text; a test compares."""
FEATURES_HELP = f"Preset ({', '.join(PRESET_NAMES)}) or a TOML/JSON file"

_EXAMPLES = """

Examples:

  speakergmm validate recordings/

  speakergmm validate flat/ --speaker-pattern '{speaker}_*.wav'

  speakergmm validate corpus.tsv --data-dir /media/corpus --rate 16000 --json

  speakergmm validate kaldi_data/ --text --lexicon cmudict.txt --lm lm.arpa
"""


def open_corpus(
    path: Path, data_dir: Path | None, speaker_pattern: str | None, *, strict: bool = True
) -> Corpus:
    """Read a corpus, and say what was passed over in it."""
    from speakergmm.corpora import read_corpus

    corpus = read_corpus(path, data_dir=data_dir, speaker_pattern=speaker_pattern, strict=strict)
    for note in corpus.notes:
        print_note(f"warning: {note}")
    return corpus


def tell_notes(said: Transcripts, corpus: Corpus) -> None:
    """Say what of the transcripts belongs to no recording; what the corpus said is not repeated."""
    for note in said.notes:
        if note not in corpus.notes:
            print_note(f"warning: {note}")
    known = {u.id for u in corpus} | {fault.utterance for fault in corpus.faults}
    if others := [name for name in said if name not in known]:
        print_note(
            f"warning: {said.source}: {counted(len(others), 'transcript')} of no recording of the "
            f"corpus, such as {others[0]!r}"
        )


def names_of(corpus: Corpus) -> list[str]:
    """Name all utterances of a corpus, those that have faults and were not read among them."""
    faulty = [fault.utterance for fault in corpus.faults if fault.utterance is not None]
    return list(dict.fromkeys([*(utterance.id for utterance in corpus), *faulty]))


def missing_from(done: Container[str], corpus: Corpus, what: str) -> list[str]:
    """Name the utterances of a corpus that came to nothing; says so on standard error."""
    names = names_of(corpus)
    missing = [name for name in names if name not in done]
    if missing:
        print_note(
            f"warning: {len(missing):,} of {counted(len(names), 'utterance')} not {what}: "
            f"{listed(missing)}"
        )
    return missing


def left_out(corpus: Corpus, n_used: int) -> str:
    """Write how many utterances of a corpus were not used, for the end of a summary."""
    total = len(names_of(corpus))
    return f"; {total - n_used:,} of {total:,} left out" if n_used < total else ""


def passed_over(corpus: Corpus) -> dict[str, Any]:
    """Return what JSON says of what was not read of a corpus."""
    return {
        "notes": list(corpus.notes),
        "passed_over": [each.to_dict() for each in corpus.passed_over],
        "faults": [fault.to_dict() for fault in corpus.faults],
    }


def validate(
    corpus: CorpusArgument,
    data_dir: DataOption = None,
    speaker_pattern: SpeakerPatternOption = None,
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            "--sample-rate",
            help="Sample rate wanted, in Hz (default: that of most recordings).",
        ),
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

    if graphemes and lexicon is not None:
        raise InvalidInputError("a lexicon is given, and --graphemes are asked for; choose one")
    found = read_corpus(corpus, data_dir=data_dir, speaker_pattern=speaker_pattern, strict=False)
    checking = None if json else "checking"
    problems: list[Problem] = list(
        validate_corpus(found, sample_rate=rate, n_jobs=jobs, description=checking)
    )
    spoken = (transcripts, lexicon, lm, model, unknown_word)
    if text or graphemes or any(given is not None for given in spoken):
        # One voice is enough for what is said.
        problems = [problem for problem in problems if problem.kind != "one_speaker"]
        silent = {problem.utterance for problem in problems if problem.kind == "silent"}
        said = _text_problems(
            found,
            data_dir,
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
            checking and f"{checking} what is said",
        )
        told = {problem.message for problem in problems}
        problems += [
            p
            for p in said
            if not (p.kind == "no_speech" and p.utterance in silent) and p.message not in told
        ]
        problems.sort(key=lambda problem: problem.severity != "error")
    errors = sum(problem.severity == "error" for problem in problems)
    if json:
        print_json(
            {
                "corpus": str(corpus),
                "n_utterances": len(found),
                "n_speakers": len(found.speakers),
                "n_errors": errors,
                **passed_over(found),
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
    data_dir: Path | None,
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
    description: str | None,
) -> list[Problem]:
    from dataclasses import replace

    from speakergmm.corpora import Problem
    from speakergmm.corpora.transcripts import Transcripts, read_transcripts
    from speakergmm.recognition.acoustic_model import AcousticModel
    from speakergmm.recognition.text_validation import validate_text

    refused: list[Problem] = []
    said, loaded = Transcripts({}), None
    try:
        said = read_transcripts(
            transcripts or corpus, case=case, data_dir=data_dir, corpus=corpus, strict=False
        )
    except SpeakerGmmError as error:  # what is wrong with a file hides nothing of the others
        refused.append(Problem("error", "bad_text", None, None, str(error)))
    try:
        loaded = None if model is None else AcousticModel.load(model)
    except SpeakerGmmError as error:
        refused.append(Problem("error", "bad_model", None, None, str(error)))
    try:
        found = validate_text(
            corpus,
            said,
            lexicon,
            graphemes=graphemes,
            stress=stress,
            case=case,
            unknown=unknown_word,
            spell_unknown=unknown == "graphemes",
            language_model=lm,
            model=loaded,
            n_jobs=jobs,
            description=description,
        )
    except InvalidInputError as error:
        refused.append(Problem("error", "bad_option", None, None, str(error)))
        found = ()
    if refused and not said:
        found = tuple(problem for problem in found if problem.kind != "no_text")
    if unknown == "map":
        found = tuple(
            replace(problem, severity="warning") if problem.kind == "unknown_word" else problem
            for problem in found
        )
    # Recordings that can't be read and faults of the list have been told.
    return [*refused, *(p for p in found if p.kind not in ("unreadable", "bad_list"))]


def _place(problem: Problem) -> str:
    path = "" if problem.path is None else str(problem.path)
    return path if problem.line is None else f"{path}:{problem.line}"


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=cleandoc(validate.__doc__ or "") + _EXAMPLES)(validate)
