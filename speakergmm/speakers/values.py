"""The file of a store as it is read: its connection, and checks of the values in it."""

import math
import re
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from speakergmm.documents import parse_json
from speakergmm.errors import ModelFormatError


class StoreFile(sqlite3.Connection):
    """A connection to a store that knows the path of the store, for messages.

    Attributes
    ----------
    path : Path
    """

    path: Path

    def damaged(self, found: str) -> ModelFormatError:
        """Return an error that names the damage that was found."""
        return ModelFormatError(f"{self.path}: damaged store ({found})")

    def check(self, valid: bool, found: str) -> None:
        """Raise an error that names the damage unless the store is valid.

        Raises
        ------
        ModelFormatError
            If `valid` is false.
        """
        if not valid:
            raise self.damaged(found)

    def value(self, query: str, *values: Any) -> Any:
        """Return the first column of the first row of a query; None if there is no row."""
        found = self.execute(query, values).fetchone()
        return None if found is None else found[0]


def parsed_json(text: Any) -> Any:
    """Return the content of JSON text; None if it is not JSON text."""
    try:
        return parse_json(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def shown_value(value: Any) -> str:
    """Return a value as text for messages: short and on one line."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def is_text(value: Any) -> bool:
    """Return whether a value is text that is not empty."""
    return isinstance(value, str) and value != ""


def is_positive(value: Any) -> bool:
    """Return whether a value is a finite number above 0."""
    return isinstance(value, int | float) and value > 0 and math.isfinite(value)


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number above 0."""
    return isinstance(value, int) and value > 0


def is_sha256(value: Any) -> bool:
    """Return whether a value is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_document(value: Any) -> bool:
    """Return whether a value is the JSON text of an object."""
    return isinstance(parsed_json(value), dict)


def is_time(value: Any) -> bool:
    """Return whether a value is a time in ISO 8601 with its zone."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
