"""Options of the MAP adaptation of phone or word models to further speech."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.options import Options, real, whole, yes_no


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions(Options):
    """Options of the MAP adaptation of phone or word models.

    Parameters
    ----------
    relevance_factor : float, default=4
        Occupancy of a Gaussian, in frames, at which the data and the model that is adapted weigh
        the same; > 0.
    adapt_variances : bool, default=False
        Adapt variances as well as means. Weights and transitions stay those of the model.
    variance_relevance_factor : float, default=16
        Number of frames for which the model's variances count; a few frames say less about a
        variance than about a mean.
    adapt_silence : bool, default=False
        Adapt silence and short pauses, too. They are the room's more than the speaker's; for
        another room or language, adapt them.
    variance_floor : float, default=0.1
        Smallest adapted variance, as a part of the model's.
    n_passes : int, default=1
        Passes over the data. From the second on, frames are assigned by the adapted models; the
        prior remains the model that is adapted.

    Raises
    ------
    InvalidInputError
        If an option is out of its range.
    """

    relevance_factor: float = real(
        4.0, "Relevance factor of the MAP adaptation, in frames.", above=0
    )
    adapt_variances: bool = yes_no(False, "Adapt variances as well as means.")
    variance_relevance_factor: float = real(
        16.0, "Relevance factor of variances, in frames.", above=0
    )
    adapt_silence: bool = yes_no(False, "Adapt the models of silence, too.")
    variance_floor: float = real(
        0.1, "Smallest adapted variance, as a part of the model's.", least=0, below=1
    )
    n_passes: int = whole(1, "Passes over the recordings.")

    def __post_init__(self) -> None:
        """Raise an error if an option is out of its range."""
        self.check_fields()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that are adapted."""
        return ("means", "variances") if self.adapt_variances else ("means",)
