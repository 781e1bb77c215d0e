"""``speakergmm validate``: every problem of a corpus, and of what is said in it, at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import typer

from speakergmm import corpora, recognition
from speakergmm.cli import options
from speakergmm.cli.corpus_options import CorpusCommand, corpus_report, location_text
from speakergmm.cli.options import command, option
from speakergmm.cli.printing import Table, counted
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.run_context import RunContext


@command
class Validate(CorpusCommand):
    """Check every recording of a corpus and list all problems; exit code 1 if any is an error.

    With --text, or an option about what is said, transcripts and what goes with them are checked.

    Examples:

      speakergmm validate recordings/

      speakergmm validate flat/ --speaker-pattern '{speaker}_*.wav'

      speakergmm validate corpus.tsv --data-dir /media/corpus --rate 16000 --json

      speakergmm validate kaldi_data/ --text --lexicon cmudict.txt --lm lm.arpa
    """

    corpus: options.CorpusArgument
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
    stress: options.Stress = "fold"
    case: options.Case = "asis"
    graphemes: bool = option(False, "Words are to be spelled; there is no lexicon.")
    unknown_word: str | None = option(None, "Word of the lexicon that stands for all others.")
    lm: Path | None = option(None, "Language model (ARPA) to compare with the text.")
    model: Path | None = option(None, "Acoustic model whose phones and features count.")

    def run(self) -> None:
        """Check what is asked for, list the problems and count them."""
        if self.graphemes and self.lexicon is not None:
            raise InvalidInputError("a lexicon is given, and --graphemes are asked for; choose one")
        corpus = self.read_corpus(self.corpus, strict=False)
        problems: list[corpora.Problem] = list(
            corpora.validate_corpus(
                corpus,
                sample_rate=self.rate,
                n_jobs=self.jobs,
                run=RunContext(progress=not self.json),
            )
        )
        spoken = (self.transcripts, self.lexicon, self.lm, self.model, self.unknown_word)
        if self.text or self.graphemes or any(given is not None for given in spoken):
            problems = self._with_text_problems(corpus, problems)
        errors = sum(problem.severity == "error" for problem in problems)
        table = Table(
            f"Problems of {self.corpus}",
            ("severity", "kind", "file", "what"),
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

    def _text_problems(self, corpus: corpora.Corpus) -> list[corpora.Problem]:
        from dataclasses import replace

        refused: list[corpora.Problem] = []

        @contextmanager
        def noted(kind: str, refusal: type[SpeakerGmmError] = SpeakerGmmError) -> Iterator[None]:
            """Note what is wrong with a file: it hides nothing of the others."""
            try:
                yield
            except refusal as error:
                refused.append(corpora.Problem("error", kind, None, None, str(error)))

        said, model = corpora.Transcripts({}), None
        found: tuple[corpora.Problem, ...] = ()
        case = letter_case(self.case)
        with noted("bad_text"):
            said = self.transcripts_of(corpus, self.transcripts, case)
        with noted("bad_model"):
            model = None if self.model is None else recognition.AcousticModel.load(self.model)
        with noted("bad_option", InvalidInputError):
            found = recognition.validate_text(
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
