"""Kaldi's tables of symbols, such as ``phones.txt``: a name and its number in each line."""

from __future__ import annotations

import os

from speakergmm.errors import ModelFormatError
from speakergmm.text_files import FaultList, read_lines, reopened


def read_symbols(path: str | os.PathLike[str], content: bytes | None = None) -> dict[str, int]:
    """Return the number of each name.

    Parameters
    ----------
    path : path
        The file.
    content : bytes, optional
        Its content, if it has been read already.

    Raises
    ------
    ModelFormatError
        With file and line, if a line is no name and number, or a name or number occurs twice.
    """
    faults = FaultList(os.fspath(path), error=ModelFormatError, strict=True)
    found: dict[str, int] = {}
    numbers: set[int] = set()
    for line, text in read_lines(path, faults, opened=reopened(content)):
        name, *rest = text.split()
        if len(rest) != 1 or not rest[0].isascii() or not rest[0].isdigit() or len(rest[0]) > 9:
            faults.add(line, f"{text[:60]!r} is no name and its number")
        elif name in found or int(rest[0]) in numbers:
            faults.add(line, f"{text[:60]!r}: the name or the number occurs twice")
        else:
            found[name] = int(rest[0])
            numbers.add(found[name])
    if not found:
        faults.add(None, "has no symbol; a line is a name and its number")
    return found
