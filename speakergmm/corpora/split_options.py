"""Options of the division of a corpus into the lists of a protocol."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, real, text, whole, yes_no


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions(Options):
    """Options of the division of speakers and recordings by `make_protocol`.

    Parameters
    ----------
    seed : int, default=0
        Determines every choice.
    background_share, dev_share : float, default=0.4, 0.2
        Shares of the speakers in the background and in dev; the others are in eval. With 0 there
        is no such list.
    n_enrolment : int, default=3
        Enrolment recordings per speaker.
    enrolment_seconds : float, optional
        Take as many enrolment recordings as last so long together, in place of a number.
    n_tests : int, optional
        Greatest number of test recordings per speaker; by default all that are left.
    n_nontarget : int, optional
        Nontarget trials per model, drawn from all possible ones; by default all of them.
    same_sex : bool, default=False
        Make nontarget trials only of two speakers of the same sex.
    session_pattern : str, optional
        Pattern of file names with the part ``session`` or ``word``, as in
        ``"{speaker}_{session}_*.wav"``: enrolment and test recordings of a split share none.
    session_column : str, optional
        Column of the list with the same, in place of a pattern.

    Raises
    ------
    InvalidInputError
        If an option is out of range, no speaker is left for eval, or sessions are stated twice.
    """

    seed: int = whole(0, "Seed of every choice.", least=0)
    background_share: float = real(
        0.4, "Share of the speakers in the background; 0 for none.", least=0, below=1
    )
    dev_share: float = real(0.2, "Share of the speakers in dev; 0 for none.", least=0, below=1)
    n_enrolment: int = whole(3, "Enrolment recordings per speaker.")
    enrolment_seconds: float | None = real(
        None,
        "Seconds of enrolment recordings per speaker, in place of a number.",
        above=0,
        optional=True,
    )
    n_tests: int | None = whole(
        None, "Most test recordings per speaker (default: all that are left).", optional=True
    )
    n_nontarget: int | None = whole(
        None, "Nontarget trials per model (default: all that are possible).", optional=True
    )
    same_sex: bool = yes_no(False, "Make nontarget trials within each sex only.")
    session_pattern: str | None = text(
        None,
        "File names with a part {session} or {word} that enrolment and test must not share, such "
        "as '{speaker}_{session}_*.wav'.",
        optional=True,
    )
    session_column: str | None = text(
        None, "Column of the list with what enrolment and test must not share.", optional=True
    )

    def __post_init__(self) -> None:
        self.check_fields()
        if self.background_share + self.dev_share >= 1:
            raise InvalidInputError(
                f"background_share and dev_share must leave speakers for eval, found "
                f"{self.background_share:g} and {self.dev_share:g}; their sum must be below 1"
            )
        if self.session_pattern is not None and self.session_column is not None:
            raise InvalidInputError("session_pattern and session_column exclude each other")
