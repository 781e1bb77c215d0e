"""A store as it is read: its file, what each of its values may be, and how a wrong one is named."""

import math
import re
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from speakergmm.documents import parse_json
from speakergmm.errors import ModelFormatError


class StoreFile(sqlite3.Connection):
    """A connection that knows where its store lies, which what is wrong with it names.

    Attributes
    ----------
    path : Path
    """

    path: Path

    def damaged(self, found: str) -> ModelFormatError:
        """Return the error that says what is wrong with the store."""
        return ModelFormatError(f"{self.path}: damaged store ({found})")

    def check(self, valid: bool, found: str) -> None:
        """Refuse the store because of what was found.

        Raises
        ------
        ModelFormatError
            If it isn't valid.
        """
        if not valid:
            raise self.damaged(found)

    def value(self, query: str, *values: Any) -> Any:
        """Return what a query finds in the first column of its first row; None without one."""
        found = self.execute(query, values).fetchone()
        return None if found is None else found[0]


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


def is_count(value: Any) -> bool:
    """Whether a value is a whole number above 0."""
    return isinstance(value, int) and value > 0


def is_sha256(value: Any) -> bool:
    """Whether a value is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_document(value: Any) -> bool:
    """Whether a value is the JSON text of an object."""
    return isinstance(parsed(value), dict)


def is_time(value: Any) -> bool:
    """Whether a value is a time in ISO 8601 with its zone."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
