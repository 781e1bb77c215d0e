"""Names of columns in lists of recordings, and messages about columns that are not read."""

import difflib
from collections.abc import Iterable, Sequence

from speakergmm.corpora.names import first_few

CORPUS_COLUMNS = ("path", "speaker", "start", "end", "duration", "id", "text")
"""Columns of a list of recordings; a duration replaces the end if there is a column of starts."""

SYNONYMS = {
    "id": ("utterance_id", "utt_id"),
    "speaker": ("speaker_id", "client_id"),
    "start": ("start_time",),
    "end": ("end_time",),
    "text": ("sentence", "transcript", "transcription", "word"),
}
"""Other names of columns, from Common Voice and other corpora; the first one found is used."""

_LIKENESS = 0.8
_SHORTEST_GUESS = 4


def find_columns(header: Sequence[str], wanted: Iterable[str]) -> dict[str, int]:
    """Return the places of the wanted columns, whatever their letter case.

    The name itself takes precedence over its synonyms.

    Examples
    --------
    >>> find_columns(["client_id", "path", "Sentence"], ["path", "speaker", "text", "end"])
    {'path': 1, 'speaker': 0, 'text': 2}
    """
    names = spelled(header)
    places = {}
    for name in wanted:
        found = next((n for n in (name, *SYNONYMS.get(name, ())) if n in names), None)
        if found is not None:
            places[name] = names.index(found)
    return places


def spelled(header: Sequence[str]) -> list[str]:
    """Return the names of columns in the form in which they are compared."""
    return [cell.strip().lower() for cell in header]


def repeated_columns(header: Sequence[str], wanted: Iterable[str]) -> dict[str, str]:
    """Return the wanted columns that occur twice, so that it is unclear which is meant.

    Examples
    --------
    >>> repeated_columns(["path", "client_id", "Client_ID", "a", "a"], CORPUS_COLUMNS)
    {'speaker': 'client_id'}
    """
    names = spelled(header)
    return {
        name: names[place]
        for name, place in find_columns(header, wanted).items()
        if names.count(names[place]) > 1
    }


def misspelt_columns(header: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return columns whose names resemble that of a missing column.

    Examples
    --------
    >>> misspelt_columns(["path", "Speakr", "label"], CORPUS_COLUMNS)
    {'Speakr': 'speaker'}
    """
    names = spelled(header)
    places = find_columns(header, known)
    missing = [n for n in known if n not in places and len(n) >= _SHORTEST_GUESS]
    free = [place for place in range(len(header)) if place not in places.values()]
    guesses = {
        header[place].strip(): difflib.get_close_matches(names[place], missing, 1, _LIKENESS)
        for place in free
    }
    return {name: guess[0] for name, guess in guesses.items() if guess}


def unread_columns(header: Sequence[str], known: Sequence[str]) -> str | None:
    """Return a message about columns that are not read; None if all are read.

    Examples
    --------
    >>> unread_columns(["path", "label"], ["path", "speaker"])
    "column 'label' is not read; the columns that are: path, speaker"
    >>> unread_columns(["path", "Speaker"], ["path", "speaker"]) is None
    True
    """
    names = spelled(header)
    read = {names[place] for place in find_columns(header, known).values()}
    unread = [cell.strip() for cell, name in zip(header, names, strict=True) if name not in read]
    if not unread:
        return None
    listed = first_few(unread, most=8)
    are = "column {} is" if len(unread) == 1 else "columns {} are"
    return f"{are.format(listed)} not read; the columns that are: {', '.join(known)}"
