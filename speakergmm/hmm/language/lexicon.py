"""Pronunciation lexicons: the phones of each word, with the probability of each pronunciation."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.files import atomic_text_writer
from speakergmm.hmm.language.graphemes import spell_words
from speakergmm.hmm.language.pronunciation import (
    VARIANT,
    Pronunciation,
    most_probable,
    symbol_fault,
)
from speakergmm.ranges import choice
from speakergmm.text_files import Fault, FaultList, FaultyFileError
from speakergmm.words import (
    Case,
    Sentences,
    case_hint,
    clean,
    each_sentence,
    fold,
    split_words,
    words_of,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Lexicon:
    """Words and their pronunciations; immutable.

    Parameters
    ----------
    pronunciations : mapping of str to sequence of Pronunciation
        One or more different pronunciations of each word. Words are stored and looked up as
        `speakergmm.words.clean` returns them; their letter case is kept.
    source : str
        The file that they were read from, or their origin.

    Raises
    ------
    InvalidInputError
        If there is no word, a word has no pronunciation or the same one twice, or a word or phone
        is empty, contains white space or is one of ``<eps>``, ``<s>``, ``</s>``, ``#0``, ``#1``...

    Notes
    -----
    Probabilities are used as they are. A pronunciation without one has probability 1, as in Kaldi,
    so that a word with several pronunciations is not penalised. `normalised` divides by the largest
    probability of the word ("max") or by their sum ("sum", a proper distribution).

    Examples
    --------
    >>> lexicon = Lexicon.from_dict({"a": ["AH", "EY"], "bee": ["B IY"]})
    >>> lexicon.phones, len(lexicon), "a" in lexicon
    (('AH', 'B', 'EY', 'IY'), 2, True)
    >>> lexicon["bee"][0].phones
    ('B', 'IY')
    >>> lexicon.unknown([["a", "sea"], ["sea"]])
    {'sea': 2}
    """

    pronunciations: Mapping[str, tuple[Pronunciation, ...]]
    source: str = "given"
    phones: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.pronunciations, Mapping):
            raise _no_words(self.pronunciations)
        kept: dict[str, tuple[Pronunciation, ...]] = {}
        for given, ways in self.pronunciations.items():
            (word,) = words_of([given])
            if fault := symbol_fault(word):
                raise InvalidInputError(f"word {word!r} {fault}")
            if word in kept:
                raise InvalidInputError(
                    f"word {given!a} occurs twice, in two Unicode spellings; keep one"
                )
            kept[word] = tuple(ways)
            if not kept[word]:
                raise InvalidInputError(f"word {word!r} has no pronunciation; give at least one")
            if len({way.phones for way in kept[word]}) < len(kept[word]):
                raise InvalidInputError(f"word {word!r} has the same pronunciation twice")
        if not kept:
            raise InvalidInputError("the lexicon has no word; give at least one")
        phones = {phone for ways in kept.values() for way in ways for phone in way.phones}
        object.__setattr__(self, "pronunciations", MappingProxyType(kept))
        object.__setattr__(self, "phones", tuple(sorted(phones)))

    def __repr__(self) -> str:
        return (
            f"Lexicon({len(self)} words, {self.n_pronunciations} pronunciations, "
            f"{len(self.phones)} phones, source={self.source!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexicon) and dict(self.pronunciations) == dict(
            other.pronunciations
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled; the dictionary behind it can.
        return Lexicon, (dict(self.pronunciations), self.source)

    def __len__(self) -> int:
        return len(self.pronunciations)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pronunciations)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and clean(word) in self.pronunciations

    def __getitem__(self, word: str) -> tuple[Pronunciation, ...]:
        return self.pronunciations[clean(word)]

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in their original order."""
        return tuple(self.pronunciations)

    @property
    def n_pronunciations(self) -> int:
        """Number of pronunciations of all words."""
        return sum(map(len, self.pronunciations.values()))

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of words, phones and probabilities, in sorted order."""
        rows = sorted(
            f"{word}\t{way.probability!r}\t{way}\n"
            for word, ways in self.pronunciations.items()
            for way in ways
        )
        return hashlib.sha256("".join(rows).encode()).hexdigest()

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        stress: Literal["fold", "keep"] = "fold",
        probabilities: Literal["auto", "yes", "no"] = "auto",
        case: Case | None = None,
    ) -> Lexicon:
        """Read a lexicon from a file; report all of its faults, if there are any.

        A line consists of a word and its phones, separated by spaces or tabs. A word with several
        pronunciations has several lines, as ``WORD``, ``WORD(2)``, ``WORD(3)`` or under the same
        name. Lines that begin with ``;;;``, and text after a separate ``#``, are comments. Between
        word and phones there may be the probability of the pronunciation (Kaldi's
        ``lexiconp.txt``), or that and three more numbers on silence around the word (Kaldi's
        ``lexiconp_silprob.txt``, the Montreal Forced Aligner), which are ignored.

        Parameters
        ----------
        path : path
            UTF-8 text, with or without byte order mark, plain or compressed by gzip; a file or a
            pipe.
        stress : {"fold", "keep"}, default="fold"
            Remove the digits 0, 1, 2 at the end of ARPAbet vowels (only there: in another phone set
            a digit may be a tone), or keep them. Pronunciations that become equal are merged, with
            the larger probability.
        probabilities : {"auto", "yes", "no"}, default="auto"
            Whether the second column is a probability. With "auto" it is one if it is a decimal
            number on every line (with a point or an exponent; ``0`` and ``1`` are allowed on some).
        case : {"upper", "lower"}, optional
            Convert words to one letter case; by default it is kept. Words that become equal have
            the pronunciations of all of them (see `Lexicon.folded`).

        Returns
        -------
        Lexicon

        Raises
        ------
        LexiconError
            With every fault and its line, and the lexicon of the other lines (`rest`): no phones, a
            probability outside (0, 1] or missing, the same pronunciation twice, a control
            character, bytes that are not UTF-8, a reserved symbol.
        InvalidInputError
            If an option is not one of its values.
        """
        # Imported here: with the mappings of phones it loads all metrics, which takes time.
        from speakergmm.hmm.language.lexicon_reading import read_pronunciations

        choice("stress", stress, ("fold", "keep"))
        choice("probabilities", probabilities, ("auto", "yes", "no"))
        if case is not None:
            choice("case", case, get_args(Case))
        faults = FaultList(os.fspath(path), error=LexiconError)
        words = read_pronunciations(faults, stress=stress, probabilities=probabilities)
        lexicon = cls(words, faults.path).folded(case) if words else None
        if lexicon is None or faults.faults:
            raise LexiconError(faults.sorted(), lexicon)
        return lexicon

    @classmethod
    def from_dict(
        cls,
        pronunciations: Mapping[str, str | Iterable[str | Sequence[str] | Pronunciation]],
        *,
        source: str = "given",
    ) -> Lexicon:
        """Build a lexicon from plain Python values.

        Parameters
        ----------
        pronunciations : mapping of str
            Pronunciations of each word: strings of phones separated by spaces, sequences of phones,
            or `Pronunciation`; a single string is one pronunciation.
        source : str
            Origin of the pronunciations.

        Returns
        -------
        Lexicon

        Examples
        --------
        >>> Lexicon.from_dict({"no": "N OW", "a": ["AH", ["EY"]]})["a"][1].phones
        ('EY',)
        """
        if not isinstance(pronunciations, Mapping):
            raise _no_words(pronunciations)
        return cls(
            {
                word: tuple(map(_pronunciation, [ways] if isinstance(ways, str) else ways))
                for word, ways in pronunciations.items()
            },
            source,
        )

    @classmethod
    def graphemes(
        cls,
        words: Iterable[str],
        *,
        digits: Literal["refuse", "keep"] = "refuse",
        marks: Literal["attach", "drop"] = "attach",
        fold_case: bool = True,
        strict: bool = True,
    ) -> Lexicon:
        """Build a lexicon in which words are spelled, with one unit per letter.

        Parameters
        ----------
        words : iterable of str
            The words; repeats are ignored.
        digits : {"refuse", "keep"}, default="refuse"
            Refuse words with digits, because numbers are not spoken as they are spelled; or keep
            each digit as a unit, for corpora in which digits are spoken one by one.
        marks : {"attach", "drop"}, default="attach"
            Attach combining marks (accents, Arabic vowel signs, Indic vowels) to the letter before
            them, or leave them out.
        fold_case : bool, default=True
            Use one unit, named by the small letter, for capital and small letters.
        strict : bool, default=True
            Refuse words that cannot be spelled, instead of leaving them out.

        Returns
        -------
        Lexicon
            Its words are sorted. Apostrophes, hyphens and other punctuation, the Arabic tatweel and
            invisible joiners are silent.

        Raises
        ------
        InvalidInputError
            If a word has a digit (unless kept), a symbol such as ``$``, or no letter; the message
            names all such words. Without `strict`, if no word is left.

        Examples
        --------
        >>> lexicon = Lexicon.graphemes(["Don't", "café"])
        >>> lexicon["Don't"][0].phones, lexicon["café"][0].phones[-1]
        (('d', 'o', 'n', 't'), 'é')
        """
        spelled = spell_words(
            words_of(words), digits=digits, marks=marks, fold_case=fold_case, strict=strict
        )
        return cls(spelled, "graphemes")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the lexicon to a file, completely or not at all; `read` reads it again.

        A line contains one pronunciation: the word and its phones, separated by spaces, and the
        probability between them if any probability of the lexicon is not 1 (Kaldi's
        ``lexiconp.txt``). A word that looks like a variant of another, such as ``f(2)``, is written
        as ``f(2)(1)``.

        Parameters
        ----------
        path : path
            File to write.

        Raises
        ------
        InvalidInputError
            If a word would be read as a comment.
        SpeakerGmmError
            If the file cannot be written.
        """
        comments = [word for word in self if word == "#" or word.startswith(";;;")]
        if comments or "#" in self.phones:
            named = ", ".join(map(repr, comments)) or "phone '#'"
            raise InvalidInputError(f"{named} would be read as a comment; choose another name")
        # Without the column, a phone that looks like a number would be read as a probability.
        given = any(
            way.probability != 1 or "." in way.phones[0] or way.phones[0][0].isdigit()
            for ways in self.pronunciations.values()
            for way in ways
        )
        with atomic_text_writer(path) as file:
            for word, ways in self.pronunciations.items():
                name = f"{word}(1)" if VARIANT.match(word) else word
                for way in ways:
                    column = f" {float(way.probability)!r}" if given else ""
                    file.write(f"{name}{column} {way}\n")

    def first_pronunciation(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return the phones of a sentence, with the first pronunciation of each word.

        Parameters
        ----------
        words : iterable of str
            Words of the sentence.

        Returns
        -------
        tuple of str

        Raises
        ------
        InvalidInputError
            If a word is not in the lexicon.
        """
        said = list(words)
        if unknown := self.unknown([said]):
            missing = sorted(unknown)
            raise InvalidInputError(
                f"words outside the lexicon: {', '.join(missing)}{case_hint(missing, self)}"
            )
        return tuple(phone for word in said for phone in self[word][0].phones)

    def normalised(self, how: Literal["max", "sum"]) -> Lexicon:
        """Return the lexicon with the probabilities of each word normalised.

        Parameters
        ----------
        how : {"max", "sum"}
            Divide by the largest probability of the word, or by their sum.

        Returns
        -------
        Lexicon

        Examples
        --------
        >>> lexicon = Lexicon.from_dict({"a": ["AH", "EY"]}).normalised("sum")
        >>> [way.probability for way in lexicon["a"]]
        [0.5, 0.5]
        """
        choice("how", how, ("max", "sum"))
        total = max if how == "max" else math.fsum
        scaled = {}
        for word, ways in self.pronunciations.items():
            scale = total([way.probability for way in ways])
            scaled[word] = tuple(
                Pronunciation(way.phones, min(1.0, way.probability / scale)) for way in ways
            )
        return Lexicon(scaled, self.source)

    def extended(
        self, pronunciations: Mapping[str, Sequence[Pronunciation]], *, source: str | None = None
    ) -> Lexicon:
        """Return the lexicon with further words; those that it already has keep their entries.

        Parameters
        ----------
        pronunciations : mapping of str to sequence of Pronunciation
            Pronunciations of the further words.
        source : str, optional
            Origin of the result; by default that of this lexicon.
        """
        new = {clean(w): tuple(ways) for w, ways in pronunciations.items() if w not in self}
        return Lexicon({**self.pronunciations, **new}, source or self.source)

    def folded(self, case: Case | None) -> Lexicon:
        """Return the lexicon with words in one letter case.

        Words that become equal have the pronunciations of all of them; equal pronunciations have
        the larger probability.

        Parameters
        ----------
        case : {"upper", "lower"} or None
            None returns the lexicon itself.

        Examples
        --------
        >>> lexicon = Lexicon.from_dict({"Polish": "P OW", "polish": ["P AA", "P OW"]})
        >>> [str(way) for way in lexicon.folded("lower")["polish"]]
        ['P OW', 'P AA']
        """
        if case is None:
            return self
        merged: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        for word, ways in self.pronunciations.items():
            merged[fold(word, case)] += [(way.phones, way.probability) for way in ways]
        return Lexicon({word: most_probable(ways) for word, ways in merged.items()}, self.source)

    def restricted(self, words: Iterable[str]) -> Lexicon:
        """Return the lexicon of some words, as far as this one contains them, in its order.

        Parameters
        ----------
        words : iterable of str
            Words to keep; others are left out.
        """
        wanted = set(map(clean, words))
        return Lexicon(
            {word: ways for word, ways in self.pronunciations.items() if word in wanted},
            self.source,
        )

    def unknown(self, transcripts: Sentences) -> dict[str, int]:
        """Count the words that are not in the lexicon.

        Parameters
        ----------
        transcripts : mapping, or iterable of sequences of str or of str
            Transcripts by utterance, as `read_transcripts` returns them, or sentences.

        Returns
        -------
        dict of str to int
            Number of occurrences by word, the most frequent word first, then by name.
        """
        counts = Counter(w for words in each_sentence(transcripts) for w in words if w not in self)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class LexiconError(FaultyFileError):
    """A lexicon file has faults.

    Parameters
    ----------
    faults : tuple of Fault
        The faults, at least one.
    rest : Lexicon, optional
        The lexicon of the lines without faults, if there are any.
    """

    def __init__(self, faults: tuple[Fault, ...], rest: Lexicon | None = None) -> None:
        super().__init__(faults)
        self.rest = rest

    def __reduce__(self) -> tuple[type[LexiconError], tuple[object, ...]]:
        return LexiconError, (self.faults, self.rest)


def _no_words(given: object) -> InvalidTypeError:
    return InvalidTypeError(
        f"got {type(given).__name__} where words and their pronunciations are wanted: "
        "Lexicon.read(path) or Lexicon.from_dict({word: phones})"
    )


def _pronunciation(given: str | Sequence[str] | Pronunciation) -> Pronunciation:
    if isinstance(given, Pronunciation):
        return given
    return Pronunciation(split_words(given) if isinstance(given, str) else tuple(given))
