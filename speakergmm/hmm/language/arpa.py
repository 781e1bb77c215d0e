r"""Language models in the ARPA format, as SRILM, KenLM and others write it.

A file lists n-grams by order: the base-10 logarithm of the probability of the last word after those
before it, the words, and the base-10 logarithm of the back-off weight, if there is one.

The format has no checksum. Files of this package have one in a comment before the n-grams, where
other programs read nothing, so that damage is noticed.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from speakergmm.errors import ModelFormatError
from speakergmm.files import atomic_writer
from speakergmm.ranges import whole_number
from speakergmm.text_files import FaultList, FaultyFileError, read_lines

NGrams = tuple[dict[tuple[str, ...], tuple[float, float]], ...]
"""For each order, n-gram -> (log10 probability, log10 back-off weight)."""

LOG_ZERO = -99.0
"""Logarithm of zero in the format."""

# Orders of up to three digits, and counts of up to fifteen: no model has more.
_COUNT = re.compile(r"ngram\s+([0-9]{1,3})\s*=\s*([0-9]{1,15})$")
_SECTION = re.compile(r"\\([0-9]{1,3})-grams:$")
_SEAL = re.compile(r"# SHA-256 of the lines below: ([0-9a-f]{64})$")
# Largest logarithm of a probability that is a rounding error, not a fault.
_ROUNDING = 1e-5


class LanguageModelError(FaultyFileError, ModelFormatError):
    """An ARPA file has faults."""


def read_arpa(path: str | os.PathLike[str]) -> NGrams:
    r"""Read an ARPA file; report all of its faults, if there are any.

    Parameters
    ----------
    path : path
        UTF-8 text, plain or compressed by gzip. Lines before ``\data\`` are ignored, as the format
        defines, except the checksum that `write_arpa` puts there.

    Returns
    -------
    tuple of dict
        For each order, n-gram -> (log10 probability, log10 back-off weight). Probabilities of -99
        and below are minus infinity, as is that of ``<s>``, which is never predicted; a missing
        back-off weight is 0.

    Raises
    ------
    LanguageModelError
        With every fault and its line: counts that differ from the n-grams that follow, orders that
        are missing or out of order, lines that are not n-grams, words without a unigram, n-grams
        without their history, repeats, probabilities above one, no ``<s>`` or ``</s>``, no
        ``\end\``.
    """
    faults = FaultList(os.fspath(path), error=LanguageModelError)
    reader = _Reader(faults)
    for line, text in read_lines(path, faults):
        reader.read(line, text)
    reader.finish()
    faults.refuse()
    return tuple(reader.ngrams[order] for order in sorted(reader.ngrams))


class _Reader:
    """The reader's position in the file, and the n-grams so far."""

    def __init__(self, faults: FaultList) -> None:
        self.faults = faults
        self.counts: dict[int, tuple[int, int]] = {}  # order -> (n-grams promised, line)
        self.ngrams: dict[int, dict[tuple[str, ...], tuple[float, float]]] = {}
        self.lines: dict[tuple[str, ...], int] = {}
        self.n_lines: Counter[int] = Counter()  # of each order
        # N-grams on faulty lines, which are not reported a second time.
        self.spoilt: set[tuple[str, ...]] = set()
        self.headers: dict[int, int] = {}
        self.place: int | str = "before"  # "before", "data", an order, "end"
        self.seal: tuple[int, str] | None = None  # line and checksum of the lines that follow
        self.sealed = hashlib.sha256()

    def read(self, line: int, text: str) -> None:
        if self.seal is not None:
            self.sealed.update(f"{text}\n".encode())
        elif self.place == "before" and (found := _SEAL.match(text)):
            self.seal = line, found.group(1)
        if self.place == "end":
            self.faults.add(line, r"text after \end\; the file must end there")
            self.place = "after"
        elif self.place == "after":
            return
        elif text == "\\data\\":
            if self.place != "before":
                self.faults.add(line, r"a second \data\; a file contains one model")
            self.place = "data"
        elif self.place == "before":
            return
        elif text == "\\end\\":
            self.place = "end"
        elif section := _SECTION.match(text):
            self._open(line, int(section.group(1)))
        elif self.place == "data":
            self._count(line, text)
        else:
            assert isinstance(self.place, int)
            self._ngram(line, text, self.place)

    def _count(self, line: int, text: str) -> None:
        found = _COUNT.match(text)
        if found is None:
            self.faults.add(line, f"expected 'ngram ORDER=COUNT', found {text[:60]!r}")
            return
        order, count = map(int, found.groups())
        if order != len(self.counts) + 1:
            self.faults.add(line, f"expected ngram {len(self.counts) + 1}, found ngram {order}")
        self.counts.setdefault(order, (count, line))

    def _open(self, line: int, order: int) -> None:
        if order not in self.counts:
            self.faults.add(line, rf"\{order}-grams: are not in the counts of \data\ above")
        if order != len(self.ngrams) + 1:
            expected = len(self.ngrams) + 1
            self.faults.add(line, rf"expected \{expected}-grams:, found \{order}-grams:")
        self.ngrams.setdefault(order, {})
        self.headers.setdefault(order, line)
        self.place = order

    def _ngram(self, line: int, text: str, order: int) -> None:
        # Other kinds of white space may be part of a word.
        fields = [cell for cell in text.replace("\t", " ").split(" ") if cell]
        self.n_lines[order] += 1
        if fault := self._add(line, fields, order):
            self.faults.add(line, fault)
            self.spoilt.add(tuple(fields[1 : order + 1]))

    def _add(self, line: int, fields: list[str], order: int) -> str | None:
        if len(fields) not in (order + 1, order + 2):
            return (
                f"{len(fields)} fields; a line of {order}-grams has a log probability, "
                f"{order} words and optionally a back-off weight"
            )
        probability = _number(fields[0])
        backoff = _number(fields[order + 1]) if len(fields) == order + 2 else 0.0
        if probability is None or backoff is None:
            bad = fields[0] if probability is None else fields[-1]
            return f"expected a number, found {bad!r}"
        if probability > _ROUNDING:
            return f"log probability {fields[0]} must be 0 or less"
        if backoff == math.inf:
            return f"back-off weight {fields[-1]} must be finite"
        words = tuple(fields[1 : order + 1])
        if words in self.lines:
            return f"{' '.join(words)!r} is already on line {self.lines[words]}"
        self.lines[words] = line
        # Some programs write a probability of one for <s>, which is never predicted.
        impossible = probability <= LOG_ZERO or words == ("<s>",)
        self.ngrams[order][words] = (
            -math.inf if impossible else min(probability, 0.0),
            -math.inf if backoff <= LOG_ZERO else backoff,
        )
        return None

    def finish(self) -> None:
        """Check what can be checked at the end of the file only."""
        faults = self.faults
        if self.place == "before":
            faults.add(None, r"has no line \data\; it is not an ARPA file")
            return
        if self.place not in ("end", "after"):
            faults.add(None, r"has no line \end\; it is truncated")
        if not self.counts:
            faults.add(None, r"\data\ counts no n-grams")
        for order, (count, line) in self.counts.items():
            found = self.n_lines[order]
            if order in self.ngrams and found != count:
                faults.add(line, f"expected {count} {order}-grams, found {found}")
            elif order not in self.ngrams and count > 0:  # an empty section may be left out
                faults.add(line, rf"expected {count} {order}-grams, found no line \{order}-grams:")
        if self.seal is not None and self.seal[1] != self.sealed.hexdigest() and not faults.faults:
            fault = "the lines below do not match this checksum: the file is damaged, or was edited"
            faults.add(self.seal[0], f"{fault}; remove this line if it was edited on purpose")
        if self.ngrams.get(1) or not faults.faults:
            orders = [
                self.ngrams.get(order, {}) for order in range(1, max(self.ngrams, default=0) + 1)
            ]
            for words, fault in ngram_faults(orders, self.spoilt):
                faults.add(self.lines.get(words, self.headers.get(1)), fault)


def ngram_faults(
    ngrams: Sequence[Mapping[tuple[str, ...], tuple[float, float]]],
    spoilt: Collection[tuple[str, ...]] = (),
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the faults of n-grams as a model, each with its n-gram, () for the whole model.

    Parameters
    ----------
    ngrams : sequence of mappings
        As `read_arpa` returns them.
    spoilt : collection of tuple of str
        Further n-grams, which are missing because of faults that have been reported.

    Yields
    ------
    ngram : tuple of str
    fault : str
    """
    if not ngrams or not ngrams[0]:
        yield (), "a language model needs unigrams, found none"
        return
    for symbol in ("<s>", "</s>"):
        if (symbol,) not in ngrams[0]:
            yield (), f"no unigram {symbol}; a model needs one"
    for order, (shorter, group) in enumerate(itertools.pairwise(({}, *ngrams)), start=1):
        for words, (probability, backoff) in group.items():
            if len(words) != order:
                yield words, f"{words!r} is not a {order}-gram"
            elif not (probability <= 0 and backoff < math.inf):
                yield (
                    words,
                    f"{' '.join(words)!r} has log probability {probability:g} and back-off "
                    f"{backoff:g}; the first must be 0 or less, the second finite",
                )
            elif order > 1:
                strange = (w for w in words if (w,) not in ngrams[0] and (w,) not in spoilt)
                if (unknown := next(strange, None)) is not None:
                    yield words, f"word {unknown!r} has no unigram"
                elif words[:-1] not in shorter and words[:-1] not in spoilt:
                    history = " ".join(words[:-1])
                    yield words, f"the history {history!r} is not among the {order - 1}-grams"


def _number(text: str) -> float | None:
    try:
        number = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def write_arpa(
    path: str | os.PathLike[str],
    ngrams: Sequence[Mapping[tuple[str, ...], tuple[float, float]]],
    *,
    decimals: int = 7,
) -> None:
    """Write an ARPA file, completely or not at all.

    Parameters
    ----------
    path : path
        File to write; it is compressed if its name ends in ``.gz``.
    ngrams : sequence of mappings
        As `read_arpa` returns them. N-grams are written sorted; back-off weights only for n-grams
        that are the history of a longer one.
    decimals : int, default=7
        Number of decimals.

    Raises
    ------
    InvalidInputError
        If ``decimals`` is below 1.
    SpeakerGmmError
        If the file cannot be written.
    """
    whole_number("decimals", decimals)
    with contextlib.ExitStack() as stack:
        file: IO[bytes] | gzip.GzipFile = stack.enter_context(atomic_writer(path))
        if Path(path).suffix == ".gz":
            # Without a name and a time: the same model has the same bytes.
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
            file = stack.enter_context(packed)
        text = "".join(f"{line}\n" for line in _lines(ngrams, decimals)).encode()
        sealed = hashlib.sha256(text.replace(b"\n\n", b"\n"))  # blank lines do not count
        file.write(f"# SHA-256 of the lines below: {sealed.hexdigest()}\n".encode() + text)


def _lines(
    ngrams: Sequence[Mapping[tuple[str, ...], tuple[float, float]]], decimals: int
) -> Iterator[str]:
    yield "\\data\\"
    for order, group in enumerate(ngrams, start=1):
        yield f"ngram {order}={len(group)}"
    for order, (group, longer) in enumerate(itertools.pairwise((*ngrams, {})), start=1):
        yield f"\n\\{order}-grams:"
        histories = {words[:-1] for words in longer}
        for words in sorted(group):
            probability, backoff = (max(value, LOG_ZERO) for value in group[words])
            # Models of other programs may have weights without a longer n-gram.
            is_history = words in histories or (backoff != 0 and order < len(ngrams))
            weight = f"\t{backoff:.{decimals}f}" if is_history else ""
            yield f"{probability:.{decimals}f}\t{' '.join(words)}{weight}"
    yield "\n\\end\\"
