"""``speakergmm train-hmm``: phone models from transcribed recordings, by a flat start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from speakergmm import corpora, hmm, recognition
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command, option, options_of
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted, print_line
from speakergmm.cli.training_commands import UnitTrainingCommand
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.errors import InvalidInputError
from speakergmm.recognition import SilenceModel, TrainingOptions
from speakergmm.run_context import RunContext

if TYPE_CHECKING:
    from speakergmm.features import FeatureConfig, FeatureStore


@command
class TrainHmm(UnitTrainingCommand):
    """Train phone models on recordings and their transcripts, from a flat start.

    With --beam, utterances that lose all their paths are tried again with ten times the beam.

    Examples:

      speakergmm train-hmm corpus/ --lexicon cmudict.txt --output am.safetensors

      speakergmm train-hmm list.tsv --graphemes --gaussians 500 --output am.safetensors -j 2

      speakergmm train-hmm features/ --transcripts text --lexicon words.dict --output am.safetensors
    """

    corpus: options.CorpusOrStoreArgument
    lexicon: options.Lexicon = None
    graphemes: options.Graphemes = False
    transcripts: options.Transcripts = None
    stress: options.Stress = "fold"
    case: options.Case = "asis"
    training: TrainingOptions = options_of(
        TrainingOptions,
        *("unknown_words", "n_gaussians", "gaussians_per_state", "max_iter", "algorithm", "beam"),
        *("n_states", "variance_floor", "min_occupancy", "memory_gb", "normalisation"),
        *("short_pause", "stages", "n_leaves", "triphone_gaussians", "triphone_iterations"),
        # A short training adds Gaussians and is annealed in the same parts of its iterations.
        base=lambda: TrainingOptions(growth=0.75),
    )
    silence: options.Silence = "SIL"
    silence_probability: float = option(
        0.5, "Probability of silence between words and at both ends.", min=0, max=1
    )

    def run(self) -> None:
        """Check recordings and transcripts, train on the good ones, and write the model."""
        from speakergmm.recognition import UNKNOWN_WORD

        if (self.lexicon is None) == (not self.graphemes):
            raise InvalidInputError(
                "give either --lexicon FILE or --graphemes, found "
                + ("both" if self.graphemes else "neither")
            )
        check_output(self.output, "acoustic model")
        case = letter_case(self.case)
        read, store, said = self.transcribed(self.corpus, self.transcripts, case)
        chosen = self._options(self.features_of(read, store))
        prepared = self._prepared(store or read, said, chosen)
        with self.run_on(prepared, self.training.schedule.max_iter) as run:
            model = recognition.AcousticModel.train(
                prepared, options=chosen, engine=self.engine, run=run
            )
            model.save(self.output)
        modelled = counted(len(model.models.units), "unit")
        found = [problem.to_dict() for problem in prepared.problems]
        self.summarise(model, read, modelled=modelled, item="utterance", problems=found)
        if UNKNOWN_WORD in model.lexicon and not self.json:
            print_line(f"words outside the lexicon are mapped to {UNKNOWN_WORD}")

    def _prepared(
        self,
        read: corpora.Corpus | FeatureStore,
        said: corpora.Transcripts,
        chosen: recognition.TrainingOptions,
    ) -> recognition.PreparedCorpus:
        """Find the utterances that can be trained on."""
        lexicon = None
        if self.lexicon is not None:
            case = letter_case(self.case)
            lexicon = hmm.Lexicon.read(self.lexicon, stress=self.stress, case=case)
        return recognition.prepare(
            read,
            said,
            lexicon,
            graphemes=self.graphemes,
            training=chosen,
            engine=self.engine,
            run=RunContext(progress=not self.json),
        )

    def _options(self, features: FeatureConfig) -> TrainingOptions:
        """Return the options of training, with those that follow from several options."""
        chosen, between = self.training, self.silence_probability
        beam = chosen.schedule.beam
        silence = SilenceModel(self.silence, between, between, chosen.silence.short_pause)
        return replace(
            chosen,
            features=features,
            schedule=replace(chosen.schedule, retry_beam=None if beam is None else 10 * beam),
            silence=silence,
            seed=self.seed,
        )
