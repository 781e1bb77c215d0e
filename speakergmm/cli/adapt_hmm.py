"""``speakergmm adapt-hmm``: phone or word models adapted to transcribed recordings by MAP."""

from __future__ import annotations

from pathlib import Path

from speakergmm import recognition
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import argument, command, options_of
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted
from speakergmm.cli.training_commands import AcousticModelCommand
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.hmm import MapOptions
from speakergmm.run_context import RunContext


@command
class AdaptHmm(AcousticModelCommand):
    """Adapt an acoustic model to transcribed recordings of a speaker, a room or an accent, by MAP.

    Examples:

      speakergmm adapt-hmm am.safetensors ana/ --output ana.safetensors

      speakergmm adapt-hmm words.safetensors list.tsv --relevance-factor 8 --output ana.safetensors
    """

    model: Path = argument("Acoustic model, from train-hmm or train-words.")
    corpus: options.CorpusOrStoreArgument
    transcripts: options.Transcripts = None
    lexicon: options.ReplacedLexicon = None
    case: options.Case = "asis"
    adaptation: MapOptions = options_of(
        MapOptions,
        *("relevance_factor", "adapt_variances", "variance_relevance_factor"),
        *("adapt_silence", "variance_floor", "n_passes"),
    )

    def run(self) -> None:
        """Check recordings and transcripts, adapt to the good ones, and write the model."""
        check_output(self.output, "acoustic model")
        model = recognition.AcousticModel.load(self.model)
        case, lexicon = letter_case(self.case), None
        read, store, said = self.transcribed(self.corpus, self.transcripts, case)
        if self.lexicon is not None:
            lexicon = recognition.as_lexicon(self.lexicon, units=model.models.units, case=case)
        prepared = recognition.prepare(
            store or read,
            said,
            lexicon,
            model=model,
            case=case,
            listen=False,
            engine=self.engine,
            run=RunContext(progress=not self.json),
        )
        with self.run_on(prepared, self.adaptation.n_passes) as run:
            adapted = recognition.adapt_acoustic_model(
                model, prepared, options=self.adaptation, engine=self.engine, run=run
            )
            adapted.save(self.output)
        self.summarise(
            adapted,
            read,
            modelled=counted(len(adapted.models.units), "unit"),
            item="utterance",
            done="adapted",
            problems=[problem.to_dict() for problem in prepared.problems],
        )
