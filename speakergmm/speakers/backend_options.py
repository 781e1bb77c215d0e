"""Options of the training of back-ends that learn from the sessions of many speakers."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.options import Options, nested, real
from speakergmm.speakers.speaker_options import DEFAULT_RELEVANCE_FACTOR
from speakergmm.speakers.supervector_svm import SvmOptions
from speakergmm.subspace import EmbeddingOptions, TotalVariabilityOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class IvectorOptions(Options):
    """Options of the training of i-vectors.

    Parameters
    ----------
    extractor : TotalVariabilityOptions
        The extractor.
    analysis : EmbeddingOptions
        Everything from the i-vector to the score.

    Notes
    -----
    Options that both have, such as ``max_iter``, are those of the extractor where they are given by
    keyword.
    """

    extractor: TotalVariabilityOptions = nested(TotalVariabilityOptions, "The extractor.")
    analysis: EmbeddingOptions = nested(EmbeddingOptions, "From the i-vector to the score.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervectorOptions(Options):
    """Options of the training of support vector machines on supervectors.

    Parameters
    ----------
    relevance_factor : float, default=3
        Occupancy, in frames, at which a session and the background model weigh the same; > 0.
    machine : SvmOptions
        The machines, and the directions that are removed.
    """

    relevance_factor: float = real(
        DEFAULT_RELEVANCE_FACTOR, "Relevance factor of the adaptation to a session.", above=0
    )
    machine: SvmOptions = nested(SvmOptions, "Support vector machines.")
