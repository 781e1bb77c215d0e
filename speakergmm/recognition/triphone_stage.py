"""The stage of training that makes triphones of phones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from speakergmm.engine import Engine
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.phone_training_state import TrainingResult
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.triphone_start import triphone_models
from speakergmm.hmm.training.utterance_shards import FrameStore
from speakergmm.recognition.triphone_options import TriphoneOptions
from speakergmm.run_context import CheckpointPath, RunContext


@dataclass(frozen=True, slots=True)
class TriphoneStage:
    """The stage "tri": it begins with the alignment of phones, and ends with trained triphones.

    Parameters
    ----------
    options : TriphoneOptions
    schedule : TrainingSchedule
        Of the stage before.
    seed : int
        Seed of the splits of Gaussians.
    """

    options: TriphoneOptions
    schedule: TrainingSchedule
    seed: int

    def train(
        self,
        models: PhoneModels,
        texts: TranscriptTexts,
        frames: FrameStore,
        *,
        silences: Sequence[str],
        engine: Engine,
        run: RunContext,
    ) -> TrainingResult:
        """Return trained triphones.

        Parameters
        ----------
        models : PhoneModels
            Models of phones.
        texts : TranscriptTexts
            Transcripts of all utterances.
        frames : FrameStore
            Their frames, in feature units.
        silences : sequence of str
            Units without context.
        engine : Engine
        run : RunContext
            A checkpoint is kept in a file of its own, whose name ends in ``.tri``.

        Raises
        ------
        InsufficientDataError
            If no utterance can be aligned.
        """
        start = triphone_models(
            models,
            texts,
            frames,
            self.options.tree,
            without_context=silences,
            engine=engine,
            run=run,
        )
        return train_phone_models(
            start,
            texts,
            frames,
            self.options.schedule(self.schedule),
            silence_pdfs=None if not silences else start.pdfs(silences[0]),
            seed=self.seed,
            flat=False,
            engine=engine,
            run=self._own_checkpoint(run),
        )

    @staticmethod
    def _own_checkpoint(run: RunContext) -> RunContext:
        if not isinstance(run.checkpoint, str | os.PathLike):
            return run
        before = CheckpointPath.of(run.checkpoint)
        return replace(run, checkpoint=CheckpointPath(f"{before.path}.tri", before.facts))
