"""What contradicts or repeats something else in the lists of a corpus, and is left out."""

from collections.abc import Sequence
from typing import TypeVar

from speakergmm.corpora.corpus import Utterance, find_conflicts
from speakergmm.corpora.names import comparison_key, quoted
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault, FaultList

T = TypeVar("T")


class ByName(dict[str, T]):
    """What the lines of a file say, by name; what stands twice is left out whole.

    Parameters
    ----------
    what : str
        What the names are of, for messages.

    Examples
    --------
    >>> found = ByName[str]("utterance")
    >>> found.take("u1", 1)
    >>> found["u1"] = "yes"
    >>> found.take("u1", 7)
    Traceback (most recent call last):
    ...
    speakergmm.errors.CorpusError: utterance 'u1' stands on line 1 too; keep one
    >>> found
    {}
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._first: dict[str, int] = {}

    def take(self, name: str, line: int) -> None:
        """Note that a line is of a name, before what it says is kept.

        Raises
        ------
        CorpusError
            If another line was: nobody knows which is meant, so that neither stays.
        """
        first = self._first.setdefault(name, line)
        if first != line:
            self.pop(name, None)
            raise CorpusError(f"{self._what} {quoted(name)} stands on line {first} too; keep one")


def without_conflicts(
    listed: Sequence[tuple[Utterance, int]], faults: FaultList
) -> tuple[Utterance, ...]:
    """Leave out utterances that contradict or repeat others.

    Of utterances with one id none stays: nobody knows which is meant. Of one recording listed twice
    the first stays, of a speaker spelled in two ways the first spelling.

    Parameters
    ----------
    listed : sequence of (Utterance, int)
        With the line on which each stands.
    faults : FaultList
        Of the list; gets the conflicts.

    Returns
    -------
    tuple of Utterance
    """
    kept = list(listed)
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
