"""Options of the training of back-ends that learn from the sessions of many speakers."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.options import Options, nested
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
