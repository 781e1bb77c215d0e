"""What a reader of a corpus passes over, counted by reason, so that nothing is lost in silence."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from speakergmm.corpora.names import quoted

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class SkippedFiles:
    """Files or folders that were not read, all for one reason.

    Parameters
    ----------
    what : str
        What they are, as a plural: ``"hidden files and folders"``.
    advice : str
        What would be right; may be empty.
    count : int
        How many there are.
    endings : dict of str to int
        How many there are of each ending, where they differ in it; may be empty.
    examples : tuple of str
        The first few, relative to the corpus folder.

    Examples
    --------
    >>> print(PassedOver("hidden files and folders", "", 2, {}, ("ana/.1.wav", "bea/.1.wav")))
    hidden files and folders are passed over (2): 'ana/.1.wav', 'bea/.1.wav'
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
            f"{self.what} are passed over ({number}): {named}"
            f"{f' and {more:,} more' if more else ''}{f'; {self.advice}' if self.advice else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them, and all of it as one line in ``message``."""
        return asdict(self) | {"examples": list(self.examples), "message": str(self)}


class SkippedFilesCounter:
    """Counts what is passed over while a corpus is read.

    Examples
    --------
    >>> passing = PassingOver()
    >>> passing.add("other files", "a/1.json", ending=".json")
    >>> print(*passing.gathered())
    other files are passed over (1: 1 .json): 'a/1.json'
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)

    def add(self, what: str, name: str, *, advice: str = "", ending: str = "") -> None:
        """Count one file or folder; what and advice together are its reason."""
        self._found[what, advice].append((name, ending))

    def gathered(self) -> tuple[SkippedFiles, ...]:
        """Return what was passed over, the reasons sorted, the most frequent endings first."""
        return tuple(
            SkippedFiles(
                *reason,
                count=len(found),
                endings=dict(Counter(ending for _, ending in found if ending).most_common()),
                examples=tuple(sorted(name for name, _ in found)[:_EXAMPLES]),
            )
            for reason, found in sorted(self._found.items())
        )
