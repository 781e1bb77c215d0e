"""Options of the estimation of n-gram models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from speakergmm.options import Options, one_of, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramOptions(Options):
    """Options of n-gram models.

    Parameters
    ----------
    order : int, default=2
        Number of words of the longest n-grams, at least 1.
    method : {"witten-bell", "kneser-ney"}, default="witten-bell"
        Method of smoothing. Witten-Bell is robust on small texts; Kneser-Ney, which needs n-grams
        that occur once, twice, three and four times, is better on large ones.
    unknown_word : str, optional
        A further word of the model, such as ``<unk>``, that replaces all words of the text outside
        the vocabulary. Without it such words raise an error.
    """

    order: int = whole(2, "Number of words of the longest n-grams.")
    method: Literal["witten-bell", "kneser-ney"] = one_of(
        "witten-bell", ("witten-bell", "kneser-ney"), "Method of smoothing."
    )
    unknown_word: str | None = text(
        None,
        "Word, such as <unk>, that replaces words of the text outside the vocabulary.",
        optional=True,
    )
