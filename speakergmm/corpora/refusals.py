"""What readers of corpora do with a fault: refuse the corpus, or gather it and go on."""

from collections.abc import Sequence
from pathlib import Path

from speakergmm.corpora.corpus import Utterance, and_more, find_conflicts
from speakergmm.corpora.names import comparison_key, shown
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault


class Refusals:
    """Takes the faults of the files of a corpus.

    Parameters
    ----------
    strict : bool, default=True
        Raise an error for the first fault. Without it faults are gathered, and whoever tells of
        one leaves out the utterances that it touches.

    Examples
    --------
    >>> refusals = Refusals(strict=False)
    >>> refusals.add(Path("list.tsv"), 3, "the speaker is empty")
    >>> print(*refusals.faults)
    list.tsv:3: the speaker is empty
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self.faults: list[Fault] = []

    def add(
        self, path: Path, line: int | None, message: str, *, utterance: str | None = None
    ) -> None:
        """Take one fault.

        Raises
        ------
        CorpusError
            If strict.
        """
        self.add_all([Fault(str(path), line, message, utterance)])

    def add_all(self, faults: Sequence[Fault]) -> None:
        """Take faults of one kind; the error names the first and how many more there are.

        Raises
        ------
        CorpusError
            If strict, and there is any.
        """
        if self.strict and faults:
            raise CorpusError(f"{faults[0]}{and_more(faults)}")
        self.faults += faults

    def take(
        self, path: Path, line: int, error: Exception, *, utterance: str | None = None
    ) -> None:
        """Take a fault that was raised as an error, with or without the place in its message.

        Raises
        ------
        CorpusError
            If strict.
        """
        message = str(error).removeprefix(f"{shown(path)}:{line}: ")
        try:
            self.add(path, line, message, utterance=utterance)
        except CorpusError as refused:
            raise refused from error


def without_conflicts(
    path: Path, utterances: Sequence[Utterance], lines: Sequence[int], refusals: Refusals
) -> list[Utterance]:
    """Leave out utterances that contradict or repeat others.

    Of utterances with one id none stays: nobody knows which is meant. Of one recording listed twice
    the first stays, of a speaker spelled in two ways the first spelling.

    Parameters
    ----------
    path : Path
        The list.
    utterances : sequence of Utterance
    lines : sequence of int
        Where each stands in the list.
    refusals : Refusals
        Gets the conflicts.

    Returns
    -------
    list of Utterance
    """
    kept = list(zip(utterances, lines, strict=True))
    while conflicts := find_conflicts([utterance for utterance, _ in kept]):
        refusals.add_all(
            [
                Fault(
                    str(path),
                    kept[found.second][1],
                    f"{found.reason} on line {kept[found.first][1]}",
                    kept[found.second][0].id,
                )
                for found in conflicts
            ]
        )
        dropped = {found.second for found in conflicts}
        for found in conflicts:
            first, second = kept[found.first][0], kept[found.second][0]
            if first.id == second.id:
                dropped.add(found.first)
            elif first.speaker != second.speaker and _key(first) == _key(second):
                dropped |= {i for i, (u, _) in enumerate(kept) if u.speaker == second.speaker}
        kept = [each for place, each in enumerate(kept) if place not in dropped]
    return [utterance for utterance, _ in kept]


def _key(utterance: Utterance) -> str | None:
    return None if utterance.speaker is None else comparison_key(utterance.speaker)
