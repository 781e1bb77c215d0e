"""CTM files: a line for each word, phone or state, with its time and confidence."""

import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence

from speakergmm.corpora.names import escaped_name, quoted, unescaped_name
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import atomic_text_writer
from speakergmm.metrics.boundaries import TimedLabel
from speakergmm.ranges import wrong_type
from speakergmm.text_files import read_text_lines, stated_number
from speakergmm.words import word_fault

# Times are whole numbers of ticks, so that a start and a duration add up to the next start.
_TICKS = 10_000_000
_DECIMALS = 7


def ctm_lines(
    utterance: str,
    labels: Iterable[TimedLabel],
    *,
    channel: str = "1",
    leave_out: Sequence[str] = (),
) -> list[str]:
    """Return the labels of an utterance as lines of a CTM file, without line ends.

    Parameters
    ----------
    utterance : str
        First column; white space in it becomes ``%20``, see `escaped_name`.
    labels : iterable of TimedLabel
        Times in seconds. White space in a label, such as a word that was trained as one, becomes
        ``%20``, too.
    channel : str, default="1"
        Second column.
    leave_out : sequence of str
        Labels, such as that of silence, that get no line.

    Returns
    -------
    list of str
        ``utterance channel start duration label confidence``; times with seven decimals, exact
        for whole samples of the usual rates, in which start + duration of a label is the start of
        the one that follows it without a gap; confidence with four, and left out where it is NaN.

    Raises
    ------
    InvalidInputError
        If a label is empty, or a time is negative or no number.

    Examples
    --------
    >>> ctm_lines("ana-1", [TimedLabel(0.1, 0.35, "YES", 0.5)])
    ['ana-1 1 0.1000000 0.2500000 YES 0.5000']
    """
    lines = []
    for item in labels:
        if item.label in leave_out:
            continue
        if not (item.label and 0 <= item.start <= item.end < math.inf):
            raise InvalidInputError(
                f"utterance {quoted(utterance)}: {quoted(item.label)} goes from {item.start} to "
                f"{item.end} s; it must be a word that starts at 0 or later, and ends no earlier"
            )
        first, last = round(item.start * _TICKS), round(item.end * _TICKS)
        start, length = first / _TICKS, (last - first) / _TICKS
        line = (
            f"{escaped_name(utterance)} {channel} {start:.{_DECIMALS}f} {length:.{_DECIMALS}f} "
            f"{escaped_name(item.label)}"
        )
        lines.append(line if math.isnan(item.confidence) else f"{line} {item.confidence:.4f}")
    return lines


def write_ctm(
    path: str | os.PathLike[str],
    alignments: Mapping[str, Sequence[TimedLabel]],
    *,
    leave_out: Sequence[str] = (),
) -> None:
    """Write a CTM file atomically.

    Parameters
    ----------
    path : path
        File to write.
    alignments : mapping of str to sequence of TimedLabel
        By utterance, in the order in which they are written.
    leave_out : sequence of str
        Labels that get no line.

    Raises
    ------
    InvalidInputError
        As `ctm_lines`.
    SpeakerGmmError
        If the file cannot be written.
    """
    if not isinstance(alignments, Mapping):
        raise wrong_type(
            alignments, "labels by utterance, {aligned.utterance.id: aligned.word_labels()},"
        )
    with atomic_text_writer(path) as file:
        for utterance, labels in alignments.items():
            for line in ctm_lines(utterance, labels, leave_out=leave_out):
                file.write(line + "\n")


def read_ctm(
    path: str | os.PathLike[str], *, opened: io.BufferedReader | None = None
) -> dict[str, tuple[TimedLabel, ...]]:
    """Read a CTM file of this or another program.

    Parameters
    ----------
    path : path
        UTF-8 text, plain or compressed by gzip; lines that begin with ``;;`` are comments. Words
        are taken in as `speakergmm.words` says.
    opened : BufferedReader, optional
        The file, if it is open already; it is closed at the end.

    Returns
    -------
    dict of str to tuple of TimedLabel
        By utterance in order of appearance, sorted by time; confidence is NaN where there is none.

    Raises
    ------
    CorpusError
        If the file cannot be read or a line is wrong; it is named. So is one that has another
        channel than those before of the same name: those are two speakers, not one.
    """
    channels: dict[str, str] = {}
    found: dict[str, list[TimedLabel]] = {}
    for number, line in read_text_lines(path, error=CorpusError, opened=opened):
        if line.startswith(";;"):
            continue
        columns = line.split()
        try:
            if len(columns) not in (5, 6):
                raise ValueError
            start, length = stated_number(columns[2]), stated_number(columns[3])
            confidence = stated_number(columns[5]) if len(columns) == 6 else math.nan
            if not (0 <= start < math.inf and 0 <= length < math.inf) or word_fault(columns[4]):
                raise ValueError
        except ValueError:
            raise CorpusError(
                f"{path}:{number}: {quoted(line)} is not a line of a CTM; it needs utterance, "
                "channel, start, duration, label and perhaps a confidence"
            ) from None
        name = unescaped_name(columns[0])
        label = TimedLabel(start, round(start + length, 9), unescaped_name(columns[4]), confidence)
        if (channel := channels.setdefault(name, columns[1])) != columns[1]:
            raise CorpusError(
                f"{path}:{number}: {quoted(name)} has the channels {quoted(channel)} and "
                f"{quoted(columns[1])}; give each channel an utterance or a file of its own"
            )
        found.setdefault(name, []).append(label)
    return {
        name: tuple(sorted(labels, key=lambda item: item[:2])) for name, labels in found.items()
    }
