"""Lexicon files: CMUdict, Kaldi's lexicon and lexiconp, and the dictionaries of forced aligners."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.language.pronunciation import (
    VARIANT,
    Pronunciation,
    most_probable,
    symbol_fault,
)
from speakergmm.metrics.phone_mappings import fold_stress
from speakergmm.text_files import FaultList, read_lines

_DECIMAL = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?$")
# Numbers of columns: none, the probability, or that and three numbers on silence around the word.
_COLUMNS = (0, 1, 4)


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    word: str
    fields: tuple[str, ...]
    n_numbers: int


def read_pronunciations(
    faults: FaultList,
    *,
    stress: Literal["fold", "keep"] = "fold",
    probabilities: Literal["auto", "yes", "no"] = "auto",
) -> dict[str, tuple[Pronunciation, ...]]:
    """Read the lines without faults, and list the faults of the others; see `Lexicon.read`."""
    entries: list[_Entry] = []
    lines: dict[tuple[str, ...], int] = {}
    for line, text in read_lines(faults.path, faults):
        if (entry := _entry(line, text)) is None:
            continue
        first = lines.setdefault((entry.word, *entry.fields), line)
        if first == line:
            entries.append(entry)
        else:  # reported at once: a file may be full of repeats
            faults.add(line, _repeated(entry, entry.fields[entry.n_numbers :], first))
    n_columns = _number_columns(entries, probabilities, faults)
    found: dict[str, dict[tuple[str, ...], tuple[float, int]]] = {}
    for entry in entries:
        with faults.of_line(entry.line):
            _add(entry, n_columns, found)
    if not entries and not faults.faults:
        faults.add(None, "contains no word; a line is a word and its phones")
    folded = fold_stress if stress == "fold" else str
    return {
        word: most_probable((tuple(map(folded, phones)), way[0]) for phones, way in ways.items())
        for word, ways in found.items()
    }


def _entry(line: int, text: str) -> _Entry | None:
    if text.startswith(";;;"):
        return None
    fields = text.split()
    if "#" in fields:
        fields = fields[: fields.index("#")]
    if not fields:
        return None
    word, *rest = fields
    if variant := VARIANT.match(word):
        word = variant.group(1)
    n_numbers = 0
    for cell in rest:
        # Whole numbers are phones, except a 0 or 1 right after the word.
        if not (_DECIMAL.match(cell) or (n_numbers == 0 and cell in ("0", "1"))):
            break
        n_numbers += 1
    return _Entry(line, word, tuple(map(sys.intern, rest)), n_numbers)


def _repeated(entry: _Entry, phones: tuple[str, ...], first: int) -> str:
    return (
        f"word {entry.word!r} has the pronunciation {' '.join(phones)} on line {first} already; "
        "remove one"
    )


def _number_columns(
    entries: list[_Entry], probabilities: Literal["auto", "yes", "no"], faults: FaultList
) -> int:
    """Return the number of columns of numbers before the phones, and report lines that differ."""
    if probabilities == "no":
        return 0
    # A line without phones says nothing about columns; it is reported elsewhere.
    full = [entry for entry in entries if entry.fields]
    if not full:
        return 0
    if probabilities == "auto" and not any(
        _DECIMAL.match(cell) for entry in full for cell in entry.fields[: entry.n_numbers]
    ):
        return 0
    counts = Counter(entry.n_numbers for entry in full)
    usual = counts.most_common(1)[0][0]
    n_columns = max(n for n in _COLUMNS if n <= usual)
    if probabilities == "yes":
        n_columns = max(n_columns, 1)
    for entry in full:
        if entry.n_numbers < n_columns:
            faults.add(
                entry.line,
                f"word {entry.word!r} has {entry.n_numbers} of the {n_columns} numbers that other "
                "lines have before the phones; give all lines a probability, or none",
            )
        elif n_columns == 0 and entry.n_numbers and probabilities == "auto":
            faults.add(
                entry.line,
                f"{entry.fields[0]!r} looks like a probability, but most lines have none; give all "
                "lines one or none, or read with probabilities='no'",
            )
    return n_columns


def _add(
    entry: _Entry, n_columns: int, found: dict[str, dict[tuple[str, ...], tuple[float, int]]]
) -> None:
    """Add the pronunciation of a line to the words.

    Raises
    ------
    InvalidInputError
        If the line has a fault.
    """
    if fault := symbol_fault(entry.word):
        raise InvalidInputError(f"word {entry.word!r} {fault}")
    if entry.fields and entry.n_numbers < n_columns:
        return  # reported by _number_columns
    phones = entry.fields[n_columns:]
    if not phones:
        raise InvalidInputError(f"word {entry.word!r} has no phones; write them after it")
    for phone in phones:
        if fault := symbol_fault(phone):
            raise InvalidInputError(f"phone {phone!r} {fault}")
    probability = float(entry.fields[0]) if n_columns else 1.0
    if not (math.isfinite(probability) and 0 < probability <= 1):
        raise InvalidInputError(
            f"probability {entry.fields[0]} of word {entry.word!r}: must be above 0, at most 1"
        )
    ways = found.setdefault(entry.word, {})
    if phones in ways:
        raise InvalidInputError(_repeated(entry, phones, ways[phones][1]))
    ways[phones] = probability, entry.line
