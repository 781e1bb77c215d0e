"""``speakergmm run-protocol``: scores of the trials of a protocol."""

from __future__ import annotations

from dataclasses import replace

from speakergmm import speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command, options_of
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.scoring_command import ScoringCommand
from speakergmm.run_context import RunContext
from speakergmm.speakers import ProtocolOptions


@command
class RunProtocol(EngineCommand, ScoringCommand):
    """Enrol the models of a protocol, score its trials, and write the scores.

    Examples:

      speakergmm run-protocol protocols/mine --data-dir corpus/ --ubm ubm.safetensors -o scores.tsv

      speakergmm run-protocol protocols/mine --feature-store feats --ubm ubm.safetensors -o a.tsv

      speakergmm run-protocol protocols/mine --ubm ubm.safetensors --statistics mine.stats -o a.tsv

      speakergmm run-protocol protocols/mine --split dev --ubm ubm.safetensors -o dev.tsv -j 2

      speakergmm run-protocol protocols/mine --ubm system.safetensors --llr -o llrs.tsv
    """

    ubm: options.Ubm
    data_dir: options.DataDir = None
    feature_store: options.FeatureStoreOption = None
    statistics: options.StatisticsOption = None
    experiment: ProtocolOptions = options_of(
        ProtocolOptions,
        *("split", "relevance_factor", "backend", "normalisation", "cohort_top", "top_c"),
        *("test_versions", "measures", "llr", "force"),
    )
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Score the trials, and write the scores and the settings that they were made with."""
        from speakergmm.cli.score_settings import check_lists, scoring_settings

        self.check_outputs()
        if self.statistics is not None:
            check_output(self.statistics, "statistics")
        lists = self.read_lists(self.data_dir)
        check_lists(lists, split=self.experiment.split, strict=self.context.strict)
        system = speakers.loaded_system(self.ubm)
        chosen = self.experiment
        scores = speakers.run_protocol(
            lists,
            system,
            chosen,
            statistics=self.statistics,
            feature_store=self.feature_store,
            engine=self.engine,
            run=replace(self.context, progress=not self.json),
        )
        settings = scoring_settings(system, chosen, protocol=self.protocol.name)
        self.write(scores, lists, settings, split=chosen.split, llr=chosen.llr)
