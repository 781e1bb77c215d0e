"""Praat TextGrids: tiers of labelled intervals, as Praat and ELAN open them beside a recording."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from speakergmm.corpora.names import quoted
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import UnreadableFileError, atomic_writer, read_bytes
from speakergmm.metrics.boundaries import TimedLabel
from speakergmm.ranges import wrong_type
from speakergmm.text_files import stated_number
from speakergmm.words import clean

# Times are written to a tenth of a microsecond: a sample at 96 kHz is 10.4 of them long.
_DECIMALS = 7
# Ten hours of phones take some 40 MB.
_LARGEST = 1 << 26


def write_textgrid(
    path: str | os.PathLike[str], tiers: Mapping[str, Sequence[TimedLabel]], *, duration: float
) -> None:
    """Write interval tiers in Praat's long text format (UTF-8), atomically.

    Parameters
    ----------
    path : path
        File to write; its folder must exist.
    tiers : mapping of str to sequence of TimedLabel
        Tiers in the order in which Praat shows them. Labels of a tier must not overlap; gaps are
        filled with empty intervals. A label that ends less than a microsecond after the recording
        is cut.
    duration : float
        Length of the recording in seconds, which is the length of every tier.

    Raises
    ------
    InvalidInputError
        If labels overlap, have no duration, or leave the recording; the first one is named.
    SpeakerGmmError
        If the file cannot be written.
    """
    text = textgrid_text(tiers, duration=duration)
    with atomic_writer(path, durable=False) as file:
        file.write(text.encode("utf-8", errors="replace"))


def textgrid_text(tiers: Mapping[str, Sequence[TimedLabel]], *, duration: float) -> str:
    """Return the text of the file that `write_textgrid` writes.

    Examples
    --------
    >>> text = textgrid_text({"words": [TimedLabel(0.25, 0.5, "yes")]}, duration=1.0)
    >>> [line.split()[2] for line in text.splitlines() if "text =" in line]
    ['""', '"yes"', '""']
    """
    from praatio.utilities import textgrid_io

    if not isinstance(tiers, Mapping):
        raise wrong_type(tiers, 'tiers by name, {"words": aligned.word_labels()},')
    end = round(float(duration), _DECIMALS)
    if not end > 0:
        raise InvalidInputError(f"a TextGrid needs a duration above 0 s, got {duration!r}")
    document: dict[str, Any] = {
        "xmin": 0.0,
        "xmax": end,
        "tiers": [
            {
                "class": "IntervalTier",
                "name": name,
                "xmin": 0.0,
                "xmax": end,
                "entries": _entries(name, labels, end),
            }
            for name, labels in tiers.items()
        ],
    }
    # Blanks are put here and short intervals kept: what the library would do about either moves
    # boundaries.
    return str(textgrid_io.getTextgridAsStr(document, "long_textgrid", False, None, None, 0.0))


def read_textgrid(path: str | os.PathLike[str]) -> dict[str, tuple[TimedLabel, ...]]:
    """Read the interval tiers of a TextGrid, long or short.

    Parameters
    ----------
    path : path
        A TextGrid in UTF-8 or UTF-16, of at most 64 MiB.

    Returns
    -------
    dict of str to tuple of TimedLabel
        Tiers in the order of the file, with empty intervals in the gaps. Labels are normalised by
        `speakergmm.words.clean`.

    Raises
    ------
    CorpusError
        If the file cannot be read or is not a TextGrid, or two tiers have the same name.
    """
    from praatio.utilities import textgrid_io

    try:
        raw = read_bytes(path, limit=_LARGEST)
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    try:
        coding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        found = textgrid_io.parseTextgridStr(raw.decode(coding), includeEmptyIntervals=True)
        names = [clean(tier["name"]) for tier in found["tiers"]]
        tiers = {
            clean(tier["name"]): tuple(
                TimedLabel(_seconds(start), _seconds(end), clean(label))
                for start, end, label in tier["entries"]
            )
            for tier in found["tiers"]
            if tier["class"] == "IntervalTier"
        }
    except Exception as error:
        # Whatever the library trips over (it raises IndexError, ValueError and its own).
        raise CorpusError(f"{path}: is not a TextGrid ({type(error).__name__})") from error
    if len(set(names)) < len(names):
        (name, _), *_ = Counter(names).most_common(1)
        raise CorpusError(f"{path}: two tiers have the same name, {quoted(name)}")
    return tiers


def _seconds(text: str) -> float:
    seconds = stated_number(text)
    if not math.isfinite(seconds):
        raise ValueError(f"the time {text} is not finite")
    return seconds


def _entries(
    name: str, labels: Sequence[TimedLabel], duration: float
) -> list[tuple[float, float, str]]:
    """Return the intervals of a tier from 0 to the end without gaps."""
    entries: list[tuple[float, float, str]] = []
    at = 0.0
    for item in labels:
        start, end = round(float(item.start), _DECIMALS), round(float(item.end), _DECIMALS)
        if duration < end < duration + 1e-6:
            end = duration
        if not at <= start < end <= duration:
            raise InvalidInputError(
                f"tier {name!r}: label {item.label!r} from {item.start:g} to {item.end:g} s "
                f"overlaps its neighbour (which ends at {at:g} s), has no length or leaves the "
                f"recording of {duration:g} s"
            )
        if start > at:
            entries.append((at, start, ""))
        # Some readers of TextGrids take the end of a line for that of the text.
        entries.append((start, end, " ".join(item.label.split())))
        at = end
    if at < duration:
        entries.append((at, duration, ""))
    return entries
