"""Removal of entries that contradict or repeat others in the lists of a corpus."""

from collections.abc import Sequence
from typing import TypeVar

from speakergmm.corpora.corpus import Utterance, find_conflicts
from speakergmm.corpora.names import comparison_key, quoted
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault, FaultList

T = TypeVar("T")


class ByName(dict[str, T]):
    """Values of the lines of a file by name; a name that occurs twice has no value.

    Parameters
    ----------
    what : str
        Kind of the names, for messages.

    Examples
    --------
    >>> found = ByName[str]("utterance")
    >>> found.take("u1", 1)
    >>> found["u1"] = "yes"
    >>> found.take("u1", 7)
    Traceback (most recent call last):
    ...
    speakergmm.errors.CorpusError: utterance 'u1' is on line 1 too; keep one
    >>> found
    {}
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._first: dict[str, int] = {}

    def take(self, name: str, line: int) -> None:
        """Register the line of a name, before its value is stored.

        Raises
        ------
        CorpusError
            If another line has the same name; then the value of neither is kept, since it is
            unclear which is meant.
        """
        first = self._first.setdefault(name, line)
        if first != line:
            self.pop(name, None)
            raise CorpusError(f"{self._what} {quoted(name)} is on line {first} too; keep one")


def without_conflicts(
    listed: Sequence[tuple[Utterance, int]], faults: FaultList
) -> tuple[Utterance, ...]:
    """Return the utterances without those that contradict or repeat others.

    Of utterances with the same id none is kept, since it is unclear which is meant. Of a recording
    that is listed twice the first entry is kept; of a speaker with two spellings, the utterances
    with the first spelling.

    Parameters
    ----------
    listed : sequence of (Utterance, int)
        Utterances, each with its line.
    faults : FaultList
        Faults of the list, to which the conflicts are added.

    Returns
    -------
    tuple of Utterance
    """
    kept = list(listed)
    # Removing utterances may reveal further conflicts.
    while conflicts := find_conflicts([utterance for utterance, _ in kept]):
        faults.add_all(
            [
                Fault(
                    faults.path,
                    kept[found.second][1],
                    f"{found.reason} on line {kept[found.first][1]}",
                    kept[found.second][0].id,
                )
                for found in conflicts
            ]
        )
        # Drop the second utterance of each conflict, and what cannot be kept without it.
        keys = [comparison_key(utterance.speaker or "") for utterance, _ in kept]
        dropped = {found.second for found in conflicts}
        for found in conflicts:
            first, second = kept[found.first][0], kept[found.second][0]
            if first.id == second.id:
                dropped.add(found.first)
            elif first.speaker != second.speaker and keys[found.first] == keys[found.second]:
                dropped |= {i for i, (u, _) in enumerate(kept) if u.speaker == second.speaker}
        kept = [each for place, each in enumerate(kept) if place not in dropped]
    return tuple(utterance for utterance, _ in kept)
