"""Options of aligning recordings with their transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from speakergmm.hmm.decoding.decoding_options import AlignmentOptions
from speakergmm.options import one_of, yes_no

Edges = Literal["expected", "path"]
SpeakerTransforms = Literal["none", "offset", "diagonal", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAlignmentOptions(AlignmentOptions):
    """Options of `align_recordings`: those of forced alignment, and some of recordings.

    Parameters
    ----------
    beam, retry_beam, confidences, posterior_scale, goodness
        See `AlignmentOptions`. With `confidences`, the confidence of each word is computed as well
        if the model has an `AcousticModel.confidence`: the probability that the word was said. A
        wrong word has a posterior as high as a right one. Goodness is computed for it in any case.
    loudness : bool, default=False
        Find the loud frames and whether there is any speech, which reads each recording again.
    edges : {"expected", "path"}, default="expected"
        Boundaries of phones lie at their expected times, between frames, or where the best path
        changes.
    speaker_transforms : {"none", "offset", "diagonal", "full"}, default="none"
        Transform of each speaker's features towards the model, estimated from a first alignment of
        all utterances; see `estimate_speaker_transforms`. Log-likelihoods include its determinant.
    """

    loudness: bool = yes_no(False, "Find the loud frames of each recording.")
    edges: Edges = one_of(
        "expected",
        get_args(Edges),
        "Boundaries of phones: their expected times, within frames, or those of the best path.",
    )
    speaker_transforms: SpeakerTransforms = one_of(
        "none",
        get_args(SpeakerTransforms),
        "Transform of each speaker's features, estimated from a first alignment.",
    )
