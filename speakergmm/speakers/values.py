"""Values that a store holds: what each may be, and how a wrong one is named."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

from speakergmm.documents import parse_json
from speakergmm.errors import ModelFormatError


def damaged(path: Path, found: str) -> ModelFormatError:
    """Return the error that says what is wrong with a store."""
    return ModelFormatError(f"{path}: damaged store ({found})")


def check(valid: bool, path: Path, found: str) -> None:
    """Refuse a store because of what was found.

    Raises
    ------
    ModelFormatError
        If it isn't valid.
    """
    if not valid:
        raise damaged(path, found)


def parsed(text: Any) -> Any:
    """Return what JSON text says, None if it is none."""
    try:
        return parse_json(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def shown(value: Any) -> str:
    """Return a value as a message names it: short, and on one line."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def is_text(value: Any) -> bool:
    """Whether a value is text, and not empty."""
    return isinstance(value, str) and value != ""


def is_positive(value: Any) -> bool:
    """Whether a value is a finite number above 0."""
    return isinstance(value, int | float) and value > 0 and math.isfinite(value)


def is_time(value: Any) -> bool:
    """Whether a value is a time in ISO 8601 with its zone."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
