"""``speakergmm score-embeddings``: scores of the trials of a protocol by embeddings."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from speakergmm import speakers
from speakergmm.cli.command_options import argument, command, option, options_of
from speakergmm.cli.scoring_command import ScoringCommand
from speakergmm.run_context import RunContext
from speakergmm.speakers import EmbeddingScoringOptions


@command
class ScoreEmbeddings(ScoringCommand):
    """Score the trials of a protocol by embeddings of another program, such as x-vectors.

    PLDA, discriminants and the cohort are learnt from the background speakers of the protocol.

    Examples:

      speakergmm score-embeddings xvectors.npy protocols/mine -o scores.tsv

      speakergmm score-embeddings xvector.scp protocols/mine --discriminants 100 --llr -o llrs.tsv

      speakergmm score-embeddings e.npy protocols/mine --scorer cosine --score-norm s -o s.tsv
    """

    embeddings: Path = argument(
        "A matrix (.npy) with the names of its rows beside it (.ids), or vectors in Kaldi's "
        "archives (.scp, .ark)."
    )
    row_names: Path | None = option(
        None, "Text with the name of each row of the matrix, if it is not the .ids beside it."
    )
    analysis: Path | None = option(
        None, "Analysis of embeddings that scores, in place of one that is trained."
    )
    chosen: EmbeddingScoringOptions = options_of(
        EmbeddingScoringOptions,
        *("split", "scorer", "n_discriminants", "n_nuisances", "normalisation", "shrinkage"),
        *("centre", "length_normalisation", "score_normalisation", "cohort_top", "llr"),
    )
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Score the trials, and write the scores and the settings that they were made with."""
        from speakergmm.cli.score_settings import check_disjoint

        self.check_outputs()
        table = speakers.read_embeddings(self.embeddings, ids=self.row_names)
        lists = self.read_lists()
        check_disjoint(lists, strict=self.context.strict)
        scores = speakers.score_embeddings(
            lists,
            table,
            self.chosen,
            analysis=self.analysis,
            run=replace(self.context, progress=not self.json),
        )
        settings = {
            "embeddings": f"{len(table)} of {table.vectors.shape[1]} dimensions",
            "scoring": asdict(self.chosen),
        }
        self.write(scores, lists, settings, split=self.chosen.split, llr=self.chosen.llr)
