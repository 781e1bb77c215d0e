"""Names of speakers and utterances: which are allowed, and which differ only in spelling."""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from speakergmm.errors import InvalidInputError
from speakergmm.files import shown_path
from speakergmm.words import clean

MAX_NAME_LENGTH = 200
"""Greatest length of a speaker's name, in characters."""

# Control characters, the two Unicode line ends, and the lone surrogates that represent bytes of a
# file name that are not UTF-8: a list with one row per line cannot contain them.
_UNLISTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def quoted(text: str, *, limit: int = 80) -> str:
    r"""Return text for a message: quoted, escaped, on one line and of limited length.

    Parameters
    ----------
    text : str
        Any text, such as the content of a file.
    limit : int, default=80
        Number of characters after which the rest is left out.

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
"""Return a path for a message; see `speakergmm.files.shown_path`."""


def first_few(names: Sequence[str], *, most: int = 3, limit: int = 80) -> str:
    """Return the first of many names for a message, with the number of the others.

    Examples
    --------
    >>> first_few(["a", "b"]), first_few(["a", "b", "c", "d", "e"])
    ("'a', 'b'", "'a', 'b', 'c' and 2 more")
    """
    shown_names = ", ".join(quoted(n, limit=limit) if n else "(no name)" for n in names[:most])
    return shown_names + (f" and {len(names) - most:,} more" if len(names) > most else "")


def distinguishable_pair(first: str, second: str) -> tuple[str, str]:
    r"""Return two names for a message, with code points if they would look the same.

    Examples
    --------
    >>> print(*distinguishable_pair("Zo\u00eb", "Zoe\u0308"))
    'Zo\xeb' 'Zoe\u0308'
    >>> print(*distinguishable_pair("Ana", "ANA"))
    'Ana' 'ANA'
    """
    if unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second):
        return ascii(first), ascii(second)
    return quoted(first), quoted(second)


def unlistable_character(text: str) -> str | None:
    r"""Return the first character of an identifier or path that a list cannot contain.

    Parameters
    ----------
    text : str
        Identifier or path.

    Returns
    -------
    str or None
        Its code point, such as ``"U+0000"``; None if there is no such character.

    Examples
    --------
    >>> unlistable_character("a\tb")
    'U+0009'
    >>> unlistable_character("a b") is None
    True
    """
    found = _UNLISTABLE.search(text)
    return None if found is None else f"U+{ord(found.group()):04X}"


# White space of any kind, including the zero width space, which separates words in some scripts.
_WHITE = [chr(code) for code in range(0x3001) if chr(code).isspace()] + ["\u200b"]
_ESCAPES = {character: quote(character, safe="") for character in (*_WHITE, "%", ";")}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_ESCAPED = re.compile("|".join(map(re.escape, _CHARACTERS)))
_TO_ESCAPE = re.compile(
    f"[{''.join(_WHITE)}]|%(?={'|'.join(escape[1:] for escape in _CHARACTERS)})|^;(?=;)"
)


def escaped_name(name: str) -> str:
    r"""Return a name as one column of a file whose columns are separated by white space.

    Such files are those of Kaldi, CTM and lattices. White space is escaped as in URLs, and so are
    characters that would be read as an escape, and the first of two semicolons, with which comments
    begin.

    Parameters
    ----------
    name : str
        Name of an utterance, or a word.

    Returns
    -------
    str
        The name without white space; different names remain different.

    Examples
    --------
    >>> escaped_name("zoom in"), escaped_name("50%"), escaped_name("a%20b"), escaped_name(";;x")
    ('zoom%20in', '50%', 'a%2520b', '%3B;x')
    """
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found.group()], name)


def unescaped_name(column: str) -> str:
    r"""Return the name that `escaped_name` has escaped, as `speakergmm.words.clean` returns it.

    Examples
    --------
    >>> unescaped_name("zoom%20in"), unescaped_name("a%2520b"), unescaped_name("a%2Fb")
    ('zoom in', 'a%20b', 'a%2Fb')
    """
    return clean(_ESCAPED.sub(lambda found: _CHARACTERS[found.group()], column))


def check_speaker_name(name: str) -> str:
    r"""Check a speaker's name and return the spelling that is stored and compared.

    Names occur in lists, file names and web pages: a name has 1 to 200 printable characters,
    without ``/`` and ``\``, without a space at either end, and is neither ``.`` nor ``..``.

    Parameters
    ----------
    name : str
        The name in any spelling.

    Returns
    -------
    str
        The name as `speakergmm.words.clean` returns it.

    Raises
    ------
    InvalidInputError
        If the name is not allowed; the message states the reason.

    Examples
    --------
    >>> check_speaker_name("Zoe\u0308") == "Zo\u00eb"
    True
    >>> check_speaker_name("../ana")
    Traceback (most recent call last):
    ...
    speakergmm.errors.InvalidInputError: speaker name '../ana' contains '/', which ...
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
        fault = f"contains U+{ord(found):04X}; only printable characters are allowed"
    elif spelled in {".", ".."}:
        fault = "denotes a folder; choose another name"
    elif "/" in spelled or "\\" in spelled:
        found = "/" if "/" in spelled else "\\"
        fault = f"contains {found!r}, which separates folders; choose a name without it"
    elif spelled != spelled.strip():
        fault = "begins or ends with a space; remove it"
    if fault is not None:
        raise InvalidInputError(f"speaker name {quoted(name)} {fault}")
    return spelled


# Joiners are part of the spelling of names in Persian and other languages.
_JOINERS = {0x200C: None, 0x200D: None}


def comparison_key(name: str) -> str:
    """Return a key that is equal for names that differ only in case, normal form or joiners.

    Two speakers of a corpus with equal keys are almost certainly one person with two spellings, and
    on some file systems they cannot both be folders.

    Parameters
    ----------
    name : str
        A name in any spelling; invisible characters, which `speakergmm.words.clean` removes, do not
        matter either.

    Returns
    -------
    str

    Examples
    --------
    >>> comparison_key("ZO\u00cb") == comparison_key("zoe\u0308")
    True
    """
    # Canonical caseless matching (Unicode 3.13, D145) without its second decomposition: characters
    # in normal form D are folded to characters in normal form D.
    return unicodedata.normalize("NFD", clean(name).translate(_JOINERS)).casefold()


class Spellings:
    """Names of a list, with a check that no name occurs in two spellings.

    Normalisation would silently merge two Unicode spellings; without it, one speaker would become
    two.

    Parameters
    ----------
    what : str, default="speaker"
        Kind of the names, for messages.

    Examples
    --------
    >>> spellings = Spellings()
    >>> spellings.take("Ana", "line 2"), spellings.take("Ana", "line 3")
    ('Ana', 'Ana')
    >>> spellings.take("ANA", "line 4")
    Traceback (most recent call last):
    ...
    speakergmm.errors.InvalidInputError: speaker 'ANA' differs only in letter case, ...
    """

    def __init__(self, what: str = "speaker") -> None:
        self._what = what
        self._first: dict[str, tuple[str, str]] = {}
        self._taken: dict[str, str] = {}

    def take(self, name: str, place: str) -> str:
        """Check a name and return it as `check_speaker_name` does.

        Parameters
        ----------
        name : str
            The name as it is spelled.
        place : str
            Its place in the list, for the message about a later conflict.

        Raises
        ------
        InvalidInputError
            If the name is not allowed, or differs from an earlier one only in its spelling.
        """
        if name not in self._taken:
            first, first_place = self._first.setdefault(comparison_key(name), (name, place))
            if first != name:
                one, other = distinguishable_pair(name, first)
                raise InvalidInputError(
                    f"{self._what} {one} differs only in letter case, Unicode normal form or "
                    f"invisible characters from {other} ({first_place}); spell both alike"
                )
            self._taken[name] = check_speaker_name(name)
        return self._taken[name]
