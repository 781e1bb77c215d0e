"""Trained back-ends as records: everything that was learnt from the background's sessions."""

from __future__ import annotations

from typing import Any, ClassVar

from speakergmm.errors import IncompatibleModelError
from speakergmm.speakers.background import BackgroundModel

# Digits of a digest by which messages name a background model.
_DIGITS = 12


class TrainedBackend:
    """Base of records of what back-ends learn from many speakers under a background model.

    Each kind is a frozen dataclass whose `background_digest` binds it to the background model.
    """

    record_has_kinds: ClassVar[bool] = True
    file_kind: ClassVar[str]

    backend_name: ClassVar[str]
    """The back-end that it belongs to."""

    background_digest: str
    provenance: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        raise NotImplementedError

    def check_background(self, background: BackgroundModel) -> None:
        """Raise an error if this was learnt under another background model.

        Raises
        ------
        IncompatibleModelError
            If it was; the message names both.
        """
        if self.background_digest != background.digest:
            raise IncompatibleModelError(
                f"back-end {self.backend_name!r} was trained with background model "
                f"{self.background_digest[:_DIGITS]}, not with {background.digest[:_DIGITS]}; "
                "train it again with this one (speakergmm train-backend)"
            )

    def info(self) -> dict[str, Any]:
        """Return a description, as JSON can hold it."""
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            **self.facts(),
            "provenance": self.provenance,
        }

    def facts(self) -> dict[str, Any]:
        """Return sizes and steps of this kind, as JSON can hold them."""
        raise NotImplementedError
