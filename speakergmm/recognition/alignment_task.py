"""Alignment of one utterance with its words, as a task that can be sent to workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from speakergmm.errors import SpeakerGmmError
from speakergmm.hmm.decoding.decoding_options import AlignmentOptions
from speakergmm.hmm.decoding.forced_alignment import Aligner, Alignment
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.recognition.feature_archive import NormalisedFeatures

_kept: tuple[str, Aligner] | None = None
"""In each process: the aligner of its last task, of which each call may bring a copy."""


@dataclass(frozen=True, slots=True, eq=False)
class AlignmentTask:
    """Alignment of one utterance; its error is a result, which ends no other.

    Frames that cannot be read are another matter: the store is damaged, and the error is raised.

    Parameters
    ----------
    models : PhoneModels
    options : AlignmentOptions
    goodness : bool
        Whether to compute the goodness of each segment.
    """

    models: PhoneModels
    options: AlignmentOptions
    goodness: bool
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(
        self, text: TranscriptTexts, frames: NormalisedFeatures
    ) -> Alignment | SpeakerGmmError:
        """Align the frames of the only utterance with its words."""
        values = frames[0]
        try:
            return self.aligner().align(text.compiled(0, self.models), values)
        except SpeakerGmmError as error:
            return error

    def aligner(self) -> Aligner:
        """Return the models prepared for alignment, once per process."""
        global _kept  # one read and one write, both atomic: several threads may call this
        kept = _kept
        if kept is None or kept[0] != self.key:
            made = Aligner(self.models, self.options, goodness=self.goodness)
            kept = _kept = (self.key, made)
        return kept[1]
