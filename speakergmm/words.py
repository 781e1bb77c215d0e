r"""Words and texts in a form that does not depend on how they were typed or where they are read.

Every reader (transcripts, lists, lexicons, CTM, JSON, TextGrids, language models, word lists,
options, arguments) passes its text, its words and the names of its utterances through `clean`,
`split_words` or `fold`, which do the following:

- Text is converted to Unicode normal form C, so that an accented letter is the same whether it was
  typed as one character or two.
- Invisible characters that are not part of a word are removed: the soft hyphen (U+00AD), marks and
  overrides of direction (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+206F), the word
  joiner (U+2060) and the invisible operators that follow it, and the byte order mark (U+FEFF).
- The zero width space (U+200B) is white space: it separates words in Khmer, Thai, Lao and Burmese.
- The joiners (U+200C, U+200D) are part of the spelling in Persian, Sinhala, Malayalam and other
  languages, and are kept. They are removed only where they join nothing, in front of a word and
  (U+200C) after it.

Letter case is changed by Unicode's rules for all languages, and the result is normalised again: the
Greek capital iota with dialytika and tonos is two characters, its small letter one. Two letters are
changed as in their languages: the Turkish capital I with a dot becomes a plain ``i`` (not i and a
combining dot), the German capital sharp s becomes ``SS`` as the small one does. Turkish would need
further rules, but text does not state its language: ``I`` becomes ``i``, not the dotless one.
German is best compared in capitals: ``STRASSE`` in small letters is ``strasse``.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from speakergmm.ranges import refused, wrong_type

Case = Literal["upper", "lower"]
"""Letter case to which words may be converted."""

Sentences = Iterable[Iterable[str] | str] | Mapping[str, Iterable[str] | str]
"""Sentences as texts or sequences of words, or a mapping of utterances to sentences."""

_MARKS = (0x00AD, 0x061C, 0x200E, 0x200F, 0xFEFF)
_REMOVED = dict.fromkeys([*_MARKS, *range(0x202A, 0x202F), *range(0x2060, 0x2070)])
_SEPARATOR = "\u200b"
_WHITE = re.compile(rf"[\s{_SEPARATOR}]+")
# Joiners that join nothing, and separators at the ends of words. A run is tried from its beginning
# only: from each of its characters, the time would grow with the square of its length.
_LOOSE_JOINERS = re.compile(
    rf"(?<![^\s{_SEPARATOR}])[\u200c\u200d]++|(?<!\u200c)\u200c++(?![^\s{_SEPARATOR}])"
)
_LOOSE_SEPARATORS = re.compile(rf"(?<!\S){_SEPARATOR}++|(?<!{_SEPARATOR}){_SEPARATOR}++(?!\S)")
# Control characters, lone surrogates, and noncharacters of Unicode, including the last two of each
# plane.
_LAST = "".join(chr(last - 1) + chr(last) for last in range(0xFFFF, 0x110000, 1 << 16))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_LAST}]")


def clean(text: str) -> str:
    r"""Return text in the form in which all readers use it; see the module.

    Parameters
    ----------
    text : str
        Text of any length; white space is not changed.

    Returns
    -------
    str
        The cleaned text; cleaning it again does not change it.

    Examples
    --------
    >>> clean("cafe\u0301") == "caf\u00e9", clean("co\u00adop\ufeff")
    (True, 'coop')
    >>> clean("\u0645\u06cc\u200c\u0631\u0648\u062f") == "\u0645\u06cc\u200c\u0631\u0648\u062f"
    True
    """
    if text.isascii():
        return text
    text = text.translate(_REMOVED)
    if "\u200c" in text or "\u200d" in text:
        text = _LOOSE_JOINERS.sub("", text)
    if _SEPARATOR in text:
        text = _LOOSE_SEPARATORS.sub("", text)
    return unicodedata.normalize("NFC", text)


def fold(text: str, case: Case | None) -> str:
    r"""Return clean text in one letter case; None does not change the case.

    Examples
    --------
    >>> fold("\u0399\u0308\u0301", "lower") == "\u0390", fold("\u0130zmir", "lower")
    (True, 'izmir')
    >>> fold("Stra\u00dfe", "upper"), fold("STRA\u1e9eE", "upper"), fold("Yes", None)
    ('STRASSE', 'STRASSE', 'Yes')
    """
    text = clean(text)
    if case == "upper":
        text = text.replace("\u1e9e", "SS").upper()
    elif case == "lower":
        text = text.replace("\u0130", "i").lower().replace("i\u0307", "i")
    elif case is not None:
        raise refused("case", "'upper', 'lower' or None", case)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def split_words(text: str, case: Case | None = None) -> tuple[str, ...]:
    r"""Return the words of a text, clean and in one letter case.

    Examples
    --------
    >>> split_words(" Yes  no\u200bMAYBE ", "lower")
    ('yes', 'no', 'maybe')
    """
    if text.isascii():
        return tuple(fold(text, case).split())
    # Word by word, since the Greek letter sigma has another form at the end of a word.
    return tuple(fold(word, case) for word in _WHITE.split(clean(text)) if word)


def words_of(sentence: Iterable[str] | str, case: Case | None = None) -> tuple[str, ...]:
    """Return the words of a sentence or text, clean and in one letter case.

    Raises
    ------
    InvalidTypeError
        If it is neither a text nor a sequence of words.

    Examples
    --------
    >>> words_of("go up"), words_of(["zoom in", "out"])
    (('go', 'up'), ('zoom in', 'out'))
    """
    if isinstance(sentence, str):
        return split_words(sentence, case)
    words = tuple(sentence) if isinstance(sentence, Iterable) else (sentence,)
    for word in words:
        if not isinstance(word, str):
            raise wrong_type(word, "a word")
    return tuple(fold(word, case) for word in words)


def each_sentence(sentences: Sentences) -> Iterator[tuple[str, ...]]:
    """Yield the clean words of each sentence; for a mapping, of each value.

    Raises
    ------
    InvalidTypeError
        If `sentences` is a single text, or not a collection of sentences.
    """
    if isinstance(sentences, str | os.PathLike):
        remedy = "; of a file, give its lines: open(path, encoding='utf-8')"
        raise wrong_type(sentences, "a list of sentences", remedy)
    if not isinstance(sentences, Iterable):
        raise wrong_type(sentences, "a list of sentences")
    for sentence in sentences.values() if isinstance(sentences, Mapping) else sentences:
        yield words_of(sentence)


def case_hint(
    outside: Iterable[str],
    known: Iterable[str],
    remedy: str = "--case {case} converts all words",
) -> str:
    r"""Return a hint for a message about unknown words, if they are known in another letter case.

    Parameters
    ----------
    outside : iterable of str
        Unknown words.
    known : iterable of str
        Known words, such as those of a lexicon.
    remedy : str
        What to do; ``{case}`` is replaced by the letter case of most known words.

    Returns
    -------
    str
        The hint; empty if letter case makes no difference.

    Examples
    --------
    >>> case_hint(["yes", "maybe"], ["YES", "NO"])
    "; in upper case 1 would be known, such as 'yes': --case upper converts all words"
    >>> case_hint(["maybe"], ["YES", "NO"])
    ''
    """
    strange = list(outside)
    if not strange:
        return ""
    words = list(known)
    n_upper = sum(word != word.lower() and word == word.upper() for word in words)
    n_lower = sum(word == word.lower() and word != word.upper() for word in words)
    case: Case = "upper" if n_upper > n_lower else "lower"
    folded = {fold(word, case) for word in words}
    found = [word for word in strange if fold(word, case) in folded]
    if not found:
        return ""
    return (
        f"; in {case} case {len(found)} would be known, such as {found[0]!r}: "
        f"{remedy.format(case=case)}"
    )


def word_fault(word: str) -> str | None:
    r"""Return why a clean text is not a word; None if it is one.

    Examples
    --------
    >>> word_fault("two words"), word_fault("bell\x07"), word_fault("caf\u00e9")
    ('contains white space; it must be one word', 'contains the character U+0007; remove it', None)
    """
    if not word:
        return "is empty; it must have at least one character"
    if found := _FORBIDDEN.search(word):
        return f"contains the character U+{ord(found.group()):04X}; remove it"
    if found := _WHITE.search(word):
        named = "white space" if found.group().isspace() else "a zero width space (U+200B)"
        return f"contains {named}; it must be one word"
    return None
