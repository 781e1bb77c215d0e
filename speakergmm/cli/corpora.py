"""``speakergmm validate``: every problem of a corpus, and of what is said in it, at once."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from speakergmm.cli.options import (
    CaseOption,
    CorpusArgument,
    DataOption,
    JobsOption,
    JsonOption,
    SpeakerPatternOption,
    StressOption,
    command,
    option,
)
from speakergmm.cli.output import (
    counted,
    listed,
    print_json,
    print_line,
    print_note,
    print_table,
    print_warnings,
)
from speakergmm.cli.texts import case_of
from speakergmm.errors import InvalidInputError, SpeakerGmmError

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus, Problem, Transcripts
    from speakergmm.recognition.text_problems import TextProblem


def open_corpus(
    path: Path, data_dir: Path | None, speaker_pattern: str | None, *, strict: bool = True
) -> Corpus:
    """Read a corpus, and say what was passed over in it."""
    from speakergmm.corpora import read_corpus

    corpus = read_corpus(path, data_dir=data_dir, speaker_pattern=speaker_pattern, strict=strict)
    print_warnings(corpus.notes)
    return corpus


def tell_notes(said: Transcripts, corpus: Corpus) -> None:
    """Say what of the transcripts belongs to no recording; what the corpus said is not repeated."""
    print_warnings(note for note in said.notes if note not in corpus.notes)
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


def passed_over(corpus: Corpus) -> dict[str, Any]:
    """Return what JSON says of what was not read of a corpus."""
    return {
        "notes": list(corpus.notes),
        "passed_over": [each.to_dict() for each in corpus.passed_over],
        "faults": [fault.to_dict() for fault in corpus.faults],
    }


def place_of(problem: Problem | TextProblem, end: str = "") -> str:
    """Write the file and line that a problem lies in, as far as they are known."""
    if problem.path is None:
        return ""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{problem.path}{line}{end}"


@command
class Validate:
    """Check every recording of a corpus and list all problems; exit code 1 if any is an error.

    With --text, or an option about what is said, transcripts and what goes with them are checked.

    Examples:

      speakergmm validate recordings/

      speakergmm validate flat/ --speaker-pattern '{speaker}_*.wav'

      speakergmm validate corpus.tsv --data-dir /media/corpus --rate 16000 --json

      speakergmm validate kaldi_data/ --text --lexicon cmudict.txt --lm lm.arpa
    """

    corpus: CorpusArgument
    data_dir: DataOption = None
    speaker_pattern: SpeakerPatternOption = None
    rate: int | None = option(
        None, "Sample rate wanted, in Hz (default: that of most recordings).", "--sample-rate"
    )
    text: bool = option(False, "Check what is said in the recordings too.")
    transcripts: Path | None = option(
        None,
        "File with the transcripts (default: text, a column text, or .txt and .lab files "
        "of the corpus).",
    )
    lexicon: Path | None = option(None, "Pronunciations that all words must have.")
    unknown: Literal["skip", "map", "graphemes"] = option(
        "skip", "Words outside the lexicon: errors, warnings (train-hmm maps them), or spelled."
    )
    stress: StressOption = "fold"
    case: CaseOption = "asis"
    graphemes: bool = option(False, "Words are to be spelled; there is no lexicon.")
    unknown_word: str | None = option(None, "Word of the lexicon that stands for all others.")
    lm: Path | None = option(None, "Language model (ARPA) to compare with the text.")
    model: Path | None = option(None, "Acoustic model whose phones and features count.")
    jobs: JobsOption = 1
    json: JsonOption = False

    def run(self) -> None:
        """Check what is asked for, list the problems and count them."""
        from speakergmm.corpora import read_corpus, validate_corpus

        if self.graphemes and self.lexicon is not None:
            raise InvalidInputError("a lexicon is given, and --graphemes are asked for; choose one")
        corpus = read_corpus(
            self.corpus,
            data_dir=self.data_dir,
            speaker_pattern=self.speaker_pattern,
            strict=False,
        )
        problems: list[Problem] = list(
            validate_corpus(
                corpus,
                sample_rate=self.rate,
                n_jobs=self.jobs,
                description=None if self.json else "checking",
            )
        )
        spoken = (self.transcripts, self.lexicon, self.lm, self.model, self.unknown_word)
        if self.text or self.graphemes or any(given is not None for given in spoken):
            problems = self._with_text_problems(corpus, problems)
        errors = sum(problem.severity == "error" for problem in problems)
        if self.json:
            print_json(
                {
                    "corpus": str(self.corpus),
                    "n_utterances": len(corpus),
                    "n_speakers": len(corpus.speakers),
                    "n_errors": errors,
                    **passed_over(corpus),
                    "problems": [problem.to_dict() for problem in problems],
                }
            )
        else:
            if problems:
                print_table(
                    f"Problems of {self.corpus}",
                    ("severity", "kind", "file", "what"),
                    [(p.severity, p.kind, place_of(p), p.message) for p in problems],
                )
            print_line(
                f"{counted(len(corpus), 'utterance')}, "
                f"{counted(len(corpus.speakers), 'named speaker')}: "
                f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}"
            )
        if errors:
            raise typer.Exit(1)

    def _with_text_problems(self, corpus: Corpus, problems: list[Problem]) -> list[Problem]:
        """Join the problems of recordings and of what is said in them, each told once."""
        # One voice is enough for what is said.
        problems = [problem for problem in problems if problem.kind != "one_speaker"]
        silent = {problem.utterance for problem in problems if problem.kind == "silent"}
        told = {problem.message for problem in problems}
        problems += [
            problem
            for problem in self._text_problems(corpus)
            if not (problem.kind == "no_speech" and problem.utterance in silent)
            and problem.message not in told
        ]
        return sorted(problems, key=lambda problem: problem.severity != "error")

    def _text_problems(self, corpus: Corpus) -> list[Problem]:
        from dataclasses import replace

        from speakergmm.corpora import Problem, Transcripts, read_transcripts
        from speakergmm.recognition import AcousticModel, validate_text

        refused: list[Problem] = []

        @contextmanager
        def noted(kind: str, refusal: type[SpeakerGmmError] = SpeakerGmmError) -> Iterator[None]:
            """Note what is wrong with a file: it hides nothing of the others."""
            try:
                yield
            except refusal as error:
                refused.append(Problem("error", kind, None, None, str(error)))

        said, model = Transcripts({}), None
        found: tuple[TextProblem, ...] = ()
        case = case_of(self.case)
        with noted("bad_text"):
            said = read_transcripts(
                self.transcripts or corpus,
                case=case,
                data_dir=self.data_dir,
                corpus=corpus,
                strict=False,
            )
        with noted("bad_model"):
            model = None if self.model is None else AcousticModel.load(self.model)
        with noted("bad_option", InvalidInputError):
            found = validate_text(
                corpus,
                said,
                self.lexicon,
                graphemes=self.graphemes,
                stress=self.stress,
                case=case,
                unknown=self.unknown_word,
                spell_unknown=self.unknown == "graphemes",
                language_model=self.lm,
                model=model,
                n_jobs=self.jobs,
                description=None if self.json else "checking what is said",
            )
        # Recordings that can't be read and faults of the list have been told.
        told = {"unreadable", "bad_list"} | ({"no_text"} if refused and not said else set())
        mapped = {"unknown_word"} if self.unknown == "map" else set()
        return refused + [
            replace(problem, severity="warning") if problem.kind in mapped else problem
            for problem in found
            if problem.kind not in told
        ]
