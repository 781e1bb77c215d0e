"""``speakergmm validate``: all problems of a corpus and of its transcripts in one list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from speakergmm import corpora, recognition
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command, option, options_of, values_of
from speakergmm.cli.corpus_options import CorpusCommand, corpus_report, location_text
from speakergmm.cli.printing import Table, counted
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.corpora import ValidationOptions
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.recognition import TrainingOptions
from speakergmm.run_context import RunContext


@command
class Validate(CorpusCommand):
    """Check every recording of a corpus, and list all problems.

    Transcripts are checked, too, if --check-transcripts or an option that concerns transcripts is
    given, such as --lexicon. A word outside the lexicon is an error; with --unknown-words map, it
    is a warning. The exit code is 1 if there is an error.

    Examples:

      speakergmm validate recordings/

      speakergmm validate flat/ --speaker-pattern '{speaker}_*.wav'

      speakergmm validate corpus.tsv --data-dir /media/corpus --rate 16000 --json

      speakergmm validate kaldi_data/ --lexicon cmudict.txt --lm lm.arpa
    """

    corpus: options.CorpusArgument
    validation: ValidationOptions = options_of(ValidationOptions, "sample_rate")
    check_transcripts: bool = option(False, "Check the transcripts of the recordings, too.")
    transcripts: options.Transcripts = None
    lexicon: options.Lexicon = None
    treatment: dict[str, Any] = values_of(TrainingOptions, "unknown_words")
    stress: options.Stress = "fold"
    case: options.Case = "asis"
    graphemes: options.Graphemes = False
    unknown_word: str | None = option(
        None, "Word of the lexicon that stands for all words outside it, such as <unk>."
    )
    lm: options.LanguageModel = None
    model: Path | None = option(None, "Acoustic model that must have all phones of the lexicon.")

    def run(self) -> None:
        """Check the corpus, list the problems and count them."""
        if self.graphemes and self.lexicon is not None:
            raise InvalidInputError("--lexicon and --graphemes exclude each other; give one")
        corpus = self.read_corpus(self.corpus, strict=False)
        problems: list[corpora.Problem] = list(
            corpora.validate_corpus(
                corpus,
                self.validation,
                engine=self.engine,
                run=RunContext(progress=not self.json),
            )
        )
        spoken = (self.transcripts, self.lexicon, self.lm, self.model, self.unknown_word)
        if self.check_transcripts or self.graphemes or any(each is not None for each in spoken):
            problems = self._with_text_problems(corpus, problems)
        errors = sum(problem.severity == "error" for problem in problems)
        table = Table(
            f"Problems of {self.corpus}",
            ("severity", "kind", "file", "problem"),
            [(p.severity, p.kind, location_text(p), p.message) for p in problems],
        )
        self.answer(
            {
                "corpus": str(self.corpus),
                "n_utterances": len(corpus),
                "n_speakers": len(corpus.speakers),
                "n_errors": errors,
                **corpus_report(corpus),
                "problems": [problem.to_dict() for problem in problems],
            },
            table if problems else None,
            f"{counted(len(corpus), 'utterance')}, "
            f"{counted(len(corpus.speakers), 'named speaker')}: "
            f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}",
        )
        if errors:
            raise typer.Exit(1)

    def _with_text_problems(
        self, corpus: corpora.Corpus, problems: list[corpora.Problem]
    ) -> list[corpora.Problem]:
        """Join the problems of recordings and of transcripts, without repetitions."""
        # Transcripts of a single speaker are no problem.
        problems = [problem for problem in problems if problem.kind != "one_speaker"]
        silent = {problem.utterance for problem in problems if problem.kind == "silent"}
        listed = {problem.message for problem in problems}
        problems += [
            problem
            for problem in self._text_problems(corpus)
            if not (problem.kind == "no_speech" and problem.utterance in silent)
            and problem.message not in listed
        ]
        return sorted(problems, key=lambda problem: problem.severity != "error")

    def _text_problems(self, corpus: corpora.Corpus) -> list[corpora.Problem]:
        refused: list[corpora.Problem] = []

        @contextmanager
        def noted(kind: str, refusal: type[SpeakerGmmError] = SpeakerGmmError) -> Iterator[None]:
            """Collect the error of a file, so that it does not hide the problems of other files."""
            try:
                yield
            except refusal as error:
                refused.append(corpora.Problem("error", kind, None, None, str(error)))

        transcripts, model = corpora.Transcripts({}), None
        found: tuple[corpora.Problem, ...] = ()
        case = letter_case(self.case)
        with noted("bad_text"):
            transcripts = self.transcripts_of(corpus, self.transcripts, case)
        with noted("bad_model"):
            model = None if self.model is None else recognition.AcousticModel.load(self.model)
        with noted("bad_option", InvalidInputError):
            found = recognition.prepare(
                corpus,
                transcripts,
                self.lexicon,
                graphemes=self.graphemes,
                stress=self.stress,
                case=case,
                unknown=self.unknown_word,
                unknown_words=self.treatment["unknown_words"],
                language_model=self.lm,
                model=model,
                engine=self.engine,
                run=RunContext(progress=not self.json),
            ).problems
        # Unreadable recordings and faults of the list are among the problems of recordings.
        listed = {"unreadable", "bad_list"} | (
            {"no_text"} if refused and not transcripts else set()
        )
        return refused + [problem for problem in found if problem.kind not in listed]
