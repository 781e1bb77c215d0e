"""``speakergmm score-phrases``: scores of the trials of a protocol whose words are known."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from speakergmm import corpora, metrics, recognition, speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command, options_of
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import print_warnings
from speakergmm.run_context import RunContext
from speakergmm.speakers import PhraseScoringOptions


@command
class ScorePhrases(EngineCommand, AnsweringCommand):
    """Score the trials of a protocol whose words are known, by adapted phone or word models.

    The lists of enrolment and of trials have a column text. A score is the log-likelihood ratio of
    the acoustic model, adapted to the speaker, to the acoustic model itself, per frame of speech.

    Examples:

      speakergmm score-phrases words.safetensors protocols/mine --data-dir corpus/ -o scores.tsv

      speakergmm score-phrases am.safetensors protocols/mine --llr -o llrs.tsv -j 2
    """

    model: Path = argument("Acoustic model of other speakers, from train-hmm or train-words.")
    protocol: Path = argument("A folder with the lists *_enroll.tsv and *_trials.tsv.")
    output: Path = options.output(..., "Score file (TSV) to write.")
    data_dir: options.DataDir = None
    chosen: PhraseScoringOptions = options_of(
        PhraseScoringOptions,
        *("split", "relevance_factor", "adapt_variances", "variance_relevance_factor"),
        *("adapt_silence", "n_passes", "llr"),
    )
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Score the trials, and write the scores and the settings that they were made with."""
        from speakergmm.cli.score_settings import check_lists, settings_file, write_settings

        settings = settings_file(self.output)
        check_output(self.output, "scores")
        check_output(settings, "settings")
        model = recognition.AcousticModel.load(self.model)
        lists = corpora.read_protocol(self.protocol, data_dir=self.data_dir)
        print_warnings(lists.notes)
        check_lists(lists, split=self.chosen.split, strict=self.context.strict)
        scores = speakers.score_phrases(
            lists,
            model,
            self.chosen,
            engine=self.engine,
            run=replace(self.context, progress=not self.json),
        )
        metrics.write_scores(self.output, scores)
        kind = "log-likelihood ratios" if self.chosen.llr else "scores"
        made = {
            "protocol": self.protocol.name,
            "split": self.chosen.split,
            "scores are": kind,
            "scoring": asdict(self.chosen.adaptation),
            "acoustic model": model.info(),
        }
        write_settings(settings, self.output, made)
        self.answer(
            {
                "output": str(self.output),
                "split": self.chosen.split,
                "n_trials": len(scores),
                "notes": list(lists.notes),
            },
            f"{self.output}: {len(scores)} {kind} of the {self.chosen.split} trials",
        )
