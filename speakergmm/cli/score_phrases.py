"""``speakergmm score-phrases``: scores of the trials of a protocol whose words are known."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from speakergmm import recognition, speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import argument, command, options_of
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.scoring_command import ScoringCommand
from speakergmm.run_context import RunContext
from speakergmm.speakers import PhraseScoringOptions


@command
class ScorePhrases(EngineCommand, ScoringCommand):
    """Score the trials of a protocol whose words are known, by adapted phone or word models.

    The lists of enrolment and of trials have a column text. A score is the log-likelihood ratio of
    the acoustic model, adapted to the speaker, to the acoustic model itself, per frame of speech.

    Examples:

      speakergmm score-phrases words.safetensors protocols/mine --data-dir corpus/ -o scores.tsv

      speakergmm score-phrases am.safetensors protocols/mine --llr -o llrs.tsv -j 2
    """

    model: Path = argument("Acoustic model of other speakers, from train-hmm or train-words.")
    data_dir: options.DataDir = None
    chosen: PhraseScoringOptions = options_of(
        PhraseScoringOptions,
        *("split", "relevance_factor", "adapt_variances", "variance_relevance_factor"),
        *("adapt_silence", "n_passes", "llr"),
    )
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Score the trials, and write the scores and the settings that they were made with."""
        from speakergmm.cli.score_settings import check_lists

        self.check_outputs()
        model = recognition.AcousticModel.load(self.model)
        lists = self.read_lists(self.data_dir)
        check_lists(lists, split=self.chosen.split, strict=self.context.strict)
        scores = speakers.score_phrases(
            lists,
            model,
            self.chosen,
            engine=self.engine,
            run=replace(self.context, progress=not self.json),
        )
        settings = {"scoring": asdict(self.chosen.adaptation), "acoustic model": model.info()}
        self.write(scores, lists, settings, split=self.chosen.split, llr=self.chosen.llr)
