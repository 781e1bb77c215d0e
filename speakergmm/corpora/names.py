"""Names of speakers and utterances: what is allowed, and which ones only look different."""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from speakergmm.errors import InvalidInputError
from speakergmm.files import shown_path
from speakergmm.words import clean

MAX_NAME_LENGTH = 200
"""Most characters a speaker's name may have."""

# Control characters, the two Unicode line ends, and the lone surrogates that stand for bytes of a
# file name that are no UTF-8: none of them can stand in a list of one row per line.
_UNLISTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def quoted(text: str, *, limit: int = 80) -> str:
    r"""Show text from a file in a message: quoted, escaped, on one line and not endless.

    Parameters
    ----------
    text : str
        Whatever was found.
    limit : int, default=80
        Characters after which the rest is left out.

    Returns
    -------
    str

    Examples
    --------
    >>> print(quoted("two\nlines"))
    'two\nlines'
    """
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "..."


shown = partial(shown_path, limit=300)
"""Show a path in a message, as `speakergmm.files.shown_path` does."""


def first_few(names: Sequence[str], *, most: int = 3, limit: int = 80) -> str:
    """Show the first of many names in a message, and how many others there are.

    Examples
    --------
    >>> first_few(["a", "b"]), first_few(["a", "b", "c", "d", "e"])
    ("'a', 'b'", "'a', 'b', 'c' and 2 more")
    """
    told = ", ".join(quoted(n, limit=limit) if n else "(no name)" for n in names[:most])
    return told + (f" and {len(names) - most:,} more" if len(names) > most else "")


def told_apart(first: str, second: str) -> tuple[str, str]:
    r"""Show two names in a message so that they differ, with code points where they look alike.

    Examples
    --------
    >>> print(*told_apart("Zo\u00eb", "Zoe\u0308"))
    'Zo\xeb' 'Zoe\u0308'
    >>> print(*told_apart("Ana", "ANA"))
    'Ana' 'ANA'
    """
    if unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second):
        return ascii(first), ascii(second)
    return quoted(first), quoted(second)


def unlistable_character(text: str) -> str | None:
    r"""Find the first character of an identifier or path that a list cannot hold.

    Parameters
    ----------
    text : str
        Identifier or path.

    Returns
    -------
    str or None
        Its code point, such as ``"U+0000"``; None when there is none.

    Examples
    --------
    >>> unlistable_character("a\tb")
    'U+0009'
    >>> unlistable_character("a b") is None
    True
    """
    found = _UNLISTABLE.search(text)
    return None if found is None else f"U+{ord(found.group()):04X}"


# White space of any kind, with the zero width space, which separates words in some scripts.
_WHITE = [chr(code) for code in range(0x3001) if chr(code).isspace()] + ["\u200b"]
_ESCAPES = {character: quote(character, safe="") for character in (*_WHITE, "%", ";")}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_ESCAPED = re.compile("|".join(map(re.escape, _CHARACTERS)))
_TO_ESCAPE = re.compile(
    f"[{''.join(_WHITE)}]|%(?={'|'.join(escape[1:] for escape in _CHARACTERS)})|^;(?=;)"
)


def escaped_name(name: str) -> str:
    r"""Write a name as one column of a file whose columns white space separates.

    Such files are Kaldi's, CTM and lattices. White space is written as URLs have it, and so is what
    would be taken for that; so is the first of two semicolons, with which comments begin.

    Parameters
    ----------
    name : str
        Of an utterance, or a word.

    Returns
    -------
    str
        Without white space; different names stay different.

    Examples
    --------
    >>> escaped_name("zoom in"), escaped_name("50%"), escaped_name("a%20b"), escaped_name(";;x")
    ('zoom%20in', '50%', 'a%2520b', '%3B;x')
    """
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found.group()], name)


def unescaped_name(column: str) -> str:
    r"""Return the name that `escaped_name` has written, as `speakergmm.words.clean` has it.

    Examples
    --------
    >>> unescaped_name("zoom%20in"), unescaped_name("a%2520b"), unescaped_name("a%2Fb")
    ('zoom in', 'a%20b', 'a%2Fb')
    """
    return clean(_ESCAPED.sub(lambda found: _CHARACTERS[found.group()], column))


def check_speaker_name(name: str) -> str:
    r"""Check a speaker's name and bring it to the one spelling that is stored and compared.

    A name may stand in lists, file names and web pages, so it is 1 to 200 printable characters,
    without ``/`` and ``\``, without a space at either end, and neither ``.`` nor ``..``.

    Parameters
    ----------
    name : str
        The name as given.

    Returns
    -------
    str
        The name as `speakergmm.words.clean` has it.

    Raises
    ------
    InvalidInputError
        If the name is not allowed; the message says why.

    Examples
    --------
    >>> check_speaker_name("Zoe\u0308") == "Zo\u00eb"
    True
    >>> check_speaker_name("../ana")
    Traceback (most recent call last):
    ...
    speakergmm.errors.InvalidInputError: speaker name '../ana' holds '/', which ...
    """
    if not isinstance(name, str):
        raise InvalidInputError(f"a speaker name must be text, not {type(name).__name__}")
    spelled = clean(name)
    seen = spelled if spelled.isascii() else spelled.translate(_JOINERS)
    fault = None
    if not spelled:
        fault = "is empty; it must have at least one character"
    elif len(spelled) > MAX_NAME_LENGTH:
        fault = f"has {len(spelled)} characters; at most {MAX_NAME_LENGTH} are allowed"
    elif not seen.isprintable():
        found = next(c for c in seen if not c.isprintable())
        fault = f"holds U+{ord(found):04X}; only printable characters are allowed"
    elif spelled in {".", ".."}:
        fault = "means a folder; choose another"
    elif "/" in spelled or "\\" in spelled:
        found = "/" if "/" in spelled else "\\"
        fault = f"holds {found!r}, which separates folders; choose a name without it"
    elif spelled != spelled.strip():
        fault = "begins or ends with a space; remove it"
    if fault is not None:
        raise InvalidInputError(f"speaker name {quoted(name)} {fault}")
    return spelled


# Spelling in Persian and other languages, and part of names there.
_JOINERS = {0x200C: None, 0x200D: None}


def comparison_key(name: str) -> str:
    """Fold away letter case, Unicode normal form and joiners, which cannot be seen.

    Two speakers of one corpus whose keys are equal are almost surely one person spelled twice, and
    cannot both be folders on every file system.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str

    Examples
    --------
    >>> comparison_key("ZO\u00cb") == comparison_key("zoe\u0308")
    True
    """
    # Canonical caseless matching (Unicode 3.13, D145). Its second decomposition is left out: no
    # character in normal form D folds to one that is not.
    return unicodedata.normalize("NFD", name.translate(_JOINERS)).casefold()


class Spellings:
    """Takes in the names of a list, and notices when it spells one in two ways.

    Normalising would silently merge two Unicode spellings, and keeping them apart would make two
    speakers of one.

    Parameters
    ----------
    what : str, default="speaker"
        What the names are of, for messages.

    Examples
    --------
    >>> spellings = Spellings()
    >>> spellings.take("Ana", "line 2"), spellings.take("Ana", "line 3")
    ('Ana', 'Ana')
    >>> spellings.take("ANA", "line 4")
    Traceback (most recent call last):
    ...
    speakergmm.errors.InvalidInputError: speaker 'ANA' differs only in letter case or ...
    """

    def __init__(self, what: str = "speaker") -> None:
        self._what = what
        self._first: dict[str, tuple[str, str]] = {}
        self._taken: dict[str, str] = {}

    def take(self, name: str, place: str) -> str:
        """Return a name as `check_speaker_name` does.

        Parameters
        ----------
        name : str
            The name as it is spelled.
        place : str
            Where it stands, for the message of a later clash.

        Raises
        ------
        InvalidInputError
            If the name is not allowed, or differs only in its spelling from an earlier one.
        """
        if name not in self._taken:
            first, first_place = self._first.setdefault(comparison_key(name), (name, place))
            if first != name:
                one, other = told_apart(name, first)
                raise InvalidInputError(
                    f"{self._what} {one} differs only in letter case or Unicode normal form from "
                    f"{other} ({first_place}); spell both alike"
                )
            self._taken[name] = check_speaker_name(name)
        return self._taken[name]
