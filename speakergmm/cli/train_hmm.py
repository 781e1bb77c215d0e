"""``speakergmm train-hmm``: phone models of transcribed recordings, from a flat start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from speakergmm import corpora, hmm, recognition
from speakergmm.cli import options
from speakergmm.cli.corpus_options import location_text, print_transcript_notes
from speakergmm.cli.options import command, option
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import Table, counted, print_first_notes, print_line, print_note
from speakergmm.cli.training_commands import UnitTrainingCommand
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.errors import InvalidInputError
from speakergmm.words import case_hint

if TYPE_CHECKING:
    from speakergmm.features import FeatureConfig
    from speakergmm.run_context import SkippedRecording


@command
class TrainHmm(UnitTrainingCommand):
    """Train phone models on recordings and their transcripts, and write them to a file.

    Examples:

      speakergmm train-hmm corpus/ --lexicon cmudict.txt --output am.safetensors

      speakergmm train-hmm list.tsv --graphemes --gaussians 500 --output am.safetensors -j 2
    """

    corpus: options.CorpusArgument
    lexicon: Path | None = option(None, "Pronunciations in CMUdict format.")
    graphemes: bool = option(False, "Spell words out instead: no lexicon is needed.")
    transcripts: options.Transcripts = None
    unknown: Literal["skip", "map", "graphemes"] = option(
        "skip",
        "Words outside the lexicon: leave out, spoken noise, or spell.",
        "--unknown-words",
    )
    stress: options.Stress = "fold"
    case: options.Case = "asis"
    gaussians: int = option(1000, "Gaussians of all phones.", "--n-gaussians", min=1)
    iterations: options.Iterations = 40
    algorithm: Literal["baum-welch", "viterbi"] = option(
        "baum-welch", "Sums over all paths, or the best path alone (faster)."
    )
    beam: float | None = option(
        None,
        "Give up paths this many nats worse than the best; ten times as many are tried "
        "where none is left (default: none is given up).",
    )
    states: int = option(3, "States of each phone.", "--n-states", min=1)
    variance_floor: float = option(
        0.01, "Least variance, as a part of that of all frames.", min=0, max=1
    )
    min_occupancy: float = option(10.0, "Frames that a Gaussian needs to be kept.", min=0)
    memory: float = option(2.0, "Gigabytes that one utterance may take; longer ones are left out.")
    features: str = option("hmm", f"{options.FEATURES_HELP}; 'hmm' suits phones.")
    normalisation: options.Normalisation = "speaker"
    silence: str = option("SIL", "Name of the model of silence.")
    silence_probability: float = option(
        0.5, "Of silence between words, and at either end.", min=0, max=1
    )
    short_pause: str | None = option(
        None, "Name of a pause that may last no time, in place of silence between words."
    )

    def run(self) -> None:
        """Check recordings and texts, train on the good ones, write the model and tell of it."""
        from speakergmm.recognition import UNKNOWN_WORD, unusable_utterances

        if (self.lexicon is None) == (not self.graphemes):
            raise InvalidInputError("give either --lexicon FILE or --graphemes")
        check_output(self.output, "acoustic model")
        read = self.open_corpus(self.corpus, strict=False)
        said = self.transcripts_of(read, self.transcripts, letter_case(self.case))
        print_transcript_notes(said, read)
        words = self._lexicon(said)
        features = self.features_of(read)
        problems = self._problems(read, said, words, features)
        unusable = unusable_utterances(problems)

        def note_skip(skipped: SkippedRecording) -> None:
            if unusable.keys().isdisjoint(skipped.affected):  # the problems have not said it
                print_note(f"left out: {skipped.message}")

        with self.training(note_skip) as run:
            model = recognition.AcousticModel.train(
                read,
                said,
                words,
                self._options(features),
                unusable=unusable,
                n_jobs=self.jobs,
                run=run,
            )
        model.save(self.output)
        modelled = counted(len(model.models.units), "unit")
        found = [problem.to_dict() for problem in problems]
        self.tell(model, read, modelled=modelled, heard="utterance", problems=found)
        if UNKNOWN_WORD in model.lexicon and not self.json:
            print_line(f"words outside the lexicon are taken for {UNKNOWN_WORD}")

    def _lexicon(self, said: corpora.Transcripts) -> hmm.Lexicon:
        if self.lexicon is not None:
            return hmm.Lexicon.read(self.lexicon, stress=self.stress, case=letter_case(self.case))
        spoken = {word for utterance in said.values() for word in utterance}
        return hmm.Lexicon.graphemes(spoken, strict=False)

    def _problems(
        self,
        read: corpora.Corpus,
        said: corpora.Transcripts,
        words: hmm.Lexicon,
        features: FeatureConfig,
    ) -> tuple[corpora.Problem, ...]:
        """Find what is wrong with the corpus, and say it; with ``strict``, refuse errors."""
        from speakergmm.recognition import spelled_out

        heard = {u.id: said[u.id] for u in read if u.id in said}
        spelled = not self.graphemes and self.unknown == "graphemes"
        checked = spelled_out(words, heard) if spelled else words
        problems = recognition.validate_text(
            read,
            said,
            None if self.graphemes else checked,
            graphemes=self.graphemes,
            features=features,
            n_jobs=self.jobs,
            description=None if self.json else "checking",
        )
        if self.unknown == "map":
            problems = tuple(p for p in problems if p.kind != "unknown_word")
        _report(problems, strict=self.context.strict)
        if not self.graphemes and self.unknown != "skip":
            self._note_unknown(words, words.unknown(heard))
        return problems

    def _note_unknown(self, words: hmm.Lexicon, found: dict[str, int]) -> None:
        """List the words outside the lexicon, and what becomes of them."""
        from speakergmm.hmm import spell
        from speakergmm.recognition import UNKNOWN_WORD, with_counts

        what = f"taken for {UNKNOWN_WORD}"
        if self.unknown == "graphemes":
            what = "spelled"
            found = {word: count for word, count in found.items() if spell(word)}
        if found:
            print_note(
                f"warning: words not in the lexicon, {what}: {with_counts(found)}"
                f"{case_hint(found, words)}"
            )

    def _options(self, features: FeatureConfig) -> recognition.TrainingOptions:
        schedule = hmm.TrainingSchedule(
            algorithm=self.algorithm,
            # A short training has no time to be annealed.
            annealing=hmm.ANNEALED[: self.iterations // 4],
            max_iter=self.iterations,
            grow_until=max(0, self.iterations * 3 // 4),
            n_gaussians=self.gaussians,
            beam=self.beam,
            retry_beam=None if self.beam is None else 10 * self.beam,
            variance_floor=self.variance_floor,
            min_occupancy=self.min_occupancy,
            memory_gb=self.memory,
        )
        between = self.silence_probability
        return recognition.TrainingOptions(
            features=features,
            normalisation=self.normalisation,
            schedule=schedule,
            silence=recognition.SilenceModel(self.silence, between, between, self.short_pause),
            n_states=self.states,
            unknown_words=self.unknown,
            seed=self.seed,
        )


def _report(problems: tuple[corpora.Problem, ...], *, strict: bool) -> None:
    """List what is wrong with the corpus; with `strict`, an error ends the command."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    if not strict:
        for problem in problems:
            if problem.kind == "unknown_word" and problem.utterance is None:
                print_note(f"warning: {problem.message}")
        print_first_notes(
            [
                f"{'warning' if problem.utterance is None else 'left out'}: "
                f"{location_text(problem, ': ')}{problem.message}"
                for problem in errors
            ],
            hint="; 'validate --text' lists them",
        )
        return
    rows = [(p.kind, location_text(p), p.message) for p in errors]
    Table("Problems of the corpus", ("kind", "file", "what"), rows).print()
    raise InvalidInputError(
        f"{counted(len(errors), 'problem')} of recordings and transcripts; mend them, or train "
        "without --strict, which leaves the utterances out"
    )
