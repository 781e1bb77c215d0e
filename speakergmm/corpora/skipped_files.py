"""Files that a reader of a corpus skips, counted by reason, so that nothing is lost silently."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from speakergmm.corpora.names import quoted

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class SkippedFiles:
    """Files or folders that were not read, all for the same reason.

    Parameters
    ----------
    what : str
        Description in the plural, such as ``"hidden files and folders"``.
    advice : str
        What to do about them; may be empty.
    count : int
        Number of files or folders.
    endings : dict of str to int
        Number of files with each suffix; may be empty.
    examples : tuple of str
        The first few of them, relative to the corpus folder.

    Examples
    --------
    >>> print(SkippedFiles("hidden files and folders", "", 2, {}, ("ana/.1.wav", "bea/.1.wav")))
    hidden files and folders are skipped (2): 'ana/.1.wav', 'bea/.1.wav'
    """

    what: str
    advice: str
    count: int
    endings: dict[str, int]
    examples: tuple[str, ...]

    def __str__(self) -> str:
        number = f"{self.count:,}"
        if self.endings:
            kinds = [f"{count:,} {ending}" for ending, count in self.endings.items()]
            number += f": {', '.join(kinds[:6])}{', ...' if len(kinds) > 6 else ''}"
        named = ", ".join(quoted(name) for name in self.examples)
        more = self.count - len(self.examples)
        return (
            f"{self.what} are skipped ({number}): {named}"
            f"{f' and {more:,} more' if more else ''}{f'; {self.advice}' if self.advice else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them, and the whole line of text as ``message``."""
        return asdict(self) | {"examples": list(self.examples), "message": str(self)}


class SkippedFilesCounter:
    """Counter of the files that are skipped while a corpus is read.

    Examples
    --------
    >>> skipped = SkippedFilesCounter()
    >>> skipped.add("other files", "a/1.json", ending=".json")
    >>> print(*skipped.totals())
    other files are skipped (1: 1 .json): 'a/1.json'
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)

    def add(self, what: str, name: str, *, advice: str = "", ending: str = "") -> None:
        """Count one file or folder; `what` and `advice` together are the reason."""
        self._found[what, advice].append((name, ending))

    def totals(self) -> tuple[SkippedFiles, ...]:
        """Return the skipped files by reason, sorted, with the most frequent suffixes first."""
        return tuple(
            SkippedFiles(
                *reason,
                count=len(found),
                endings=dict(Counter(ending for _, ending in found if ending).most_common()),
                examples=tuple(sorted(name for name, _ in found)[:_EXAMPLES]),
            )
            for reason, found in sorted(self._found.items())
        )
