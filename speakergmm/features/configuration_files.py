"""Feature configurations in TOML and JSON files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speakergmm.documents import parse_json, parse_toml
from speakergmm.errors import InvalidInputError
from speakergmm.features.presets import PRESETS
from speakergmm.files import UnreadableFileError, read_bytes, shown_path

_LARGEST_FILE = 1 << 20


@contextmanager
def read_configuration(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Read the table of a configuration; errors in the body of the ``with`` name the file.

    Parameters
    ----------
    path : path
        A JSON file if its name ends in ``.json``, otherwise a TOML file.

    Yields
    ------
    dict of str to object
        The keys and values; ``name`` is the file's own name if it is not among them.

    Raises
    ------
    InvalidInputError
        If the file cannot be read or parsed, or holds something other than a table.
    """
    place = Path(path)
    try:
        text = read_bytes(place, limit=_LARGEST_FILE)
        found = parse_json(text) if place.suffix.lower() == ".json" else parse_toml(text)
        if not isinstance(found, dict):
            raise InvalidInputError(f"must hold a table of fields, not {type(found).__name__}")
        yield {"name": place.stem, **found}
    except UnreadableFileError as error:
        if error.kind != "missing":
            raise InvalidInputError(str(error)) from None
        raise InvalidInputError(
            f"features must be a preset ({', '.join(PRESETS)}) or a file, found "
            f"{error.shown_path!r}, which is neither"
        ) from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{shown_path(place)}: {error}") from None
