"""The models of silence and how probable pauses are."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, real, text


@dataclass(frozen=True, slots=True)
class SilenceModel(Options):
    """The models of silence, and how probable pauses are in the graphs of transcripts.

    Parameters
    ----------
    unit : str or None, default="SIL"
        Name of the model of silence; None if there is none.
    probability : float, default=0.5
        Probability of silence between two words.
    edge_probability : float, default=0.5
        Probability of silence before the first word, and of silence after the last one.
    short_pause : str or None, default=None
        Name of a model that follows each word but the last, in place of optional silence; see
        `speakergmm.hmm.models.utterance_graph.transcript_edges`.

    Raises
    ------
    InvalidInputError
        If a name is empty, or a probability lies outside 0..1.
    """

    unit: str | None = text("SIL", "Name of the model of silence.", optional=True)
    probability: float = real(0.5, "Probability of silence between two words.", least=0, most=1)
    edge_probability: float = real(
        0.5, "Probability of silence before the first and after the last word.", least=0, most=1
    )
    short_pause: str | None = text(
        None, "Name of a pause of any length, even none, in place of silence between words.",
        optional=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Raise an error if a name is empty or an option is out of range."""
        self.check_fields()
        for name in (self.unit, self.short_pause):
            if name == "":
                raise InvalidInputError("a model of silence needs a name, found ''")

    @property
    def units(self) -> list[str]:
        """Names of the models of silence and of the short pause, as far as there are such."""
        return [unit for unit in (self.unit, self.short_pause) if unit is not None]
