"""Pronunciation lexicons: which phones a word may be said with, and how probable each way is."""

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
        At least one for each word; of one word all different. Words are kept, and looked up, as
        `speakergmm.words.clean` has them, and their letter case as it is.
    source : str
        The file they were read from, or a word on how they were made.

    Raises
    ------
    InvalidInputError
        If there is no word, a word has no pronunciation or the same one twice, or a word or phone
        is empty, holds white space or is one of ``<eps>``, ``<s>``, ``</s>``, ``#0``, ``#1``, ...

    Notes
    -----
    Probabilities are used as they are given; a pronunciation without one has 1, as Kaldi has it: a
    word with several ways to say it is not punished for them. `normalised` divides by the word's
    greatest ("max") or by their sum ("sum", a proper distribution).

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
                    f"word {given!a} stands twice, in two Unicode spellings; keep one"
                )
            kept[word] = tuple(ways)
            if not kept[word]:
                raise InvalidInputError(f"word {word!r} has no pronunciation; give at least one")
            if len({way.phones for way in kept[word]}) < len(kept[word]):
                raise InvalidInputError(f"word {word!r} has the same pronunciation twice")
        if not kept:
            raise InvalidInputError("the lexicon has no word; it must have at least one")
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
        # A mapping proxy can't go to another process; the dictionary behind it can.
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
        """The words, in the order given."""
        return tuple(self.pronunciations)

    @property
    def n_pronunciations(self) -> int:
        """Pronunciations of all words."""
        return sum(map(len, self.pronunciations.values()))

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of words, phones and probabilities, whatever their order."""
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
        """Read a lexicon, or say everything that is wrong with it.

        A line is a word and its phones, separated by spaces or tabs. A word with several
        pronunciations stands on several lines, as ``WORD``, ``WORD(2)``, ``WORD(3)`` or under the
        same name. Lines that begin with ``;;;`` and what follows a ``#`` that stands alone are
        comments. Between word and phones there may be the pronunciation's probability (Kaldi's
        ``lexiconp.txt``), or that and three more numbers on the silence around the word (Kaldi's
        ``lexiconp_silprob.txt``, the Montreal Forced Aligner), which are passed over.

        Parameters
        ----------
        path : path
            UTF-8 text, with or without byte order mark, plain or compressed by gzip; a file or a
            pipe.
        stress : {"fold", "keep"}, default="fold"
            Drop the digits 0, 1, 2 at the end of ARPAbet vowels (only there: a digit may be a tone
            in another phone set). Pronunciations that differ in nothing else become one, with the
            greater probability.
        probabilities : {"auto", "yes", "no"}, default="auto"
            Whether the second column is a probability. "auto" takes it for one if it is a decimal
            number (with a point or an exponent; ``0`` and ``1`` pass beside others) on every line.
        case : {"upper", "lower"}, optional
            Bring words to one letter case; by default they stay as they are. Words that become one
            have the pronunciations of all (see `Lexicon.folded`).

        Returns
        -------
        Lexicon

        Raises
        ------
        LexiconError
            With every fault and its line, and the lexicon of the other lines (`rest`): no phones, a
            probability outside (0, 1] or missing, the same pronunciation twice, a control
            character, bytes that are no UTF-8, a forbidden name.
        InvalidInputError
            If an option is none of its values.
        """
        # With the mappings of phones it loads all metrics, which takes its time.
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
        """Make a lexicon of plain Python values.

        Parameters
        ----------
        pronunciations : mapping of str
            To each word its pronunciations: phones separated by spaces, sequences of phones, or
            `Pronunciation`; a single text stands for one pronunciation.
        source : str
            Where they are from.

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
        """Spell words out, one unit a letter.

        Parameters
        ----------
        words : iterable of str
            Repeats are passed over.
        digits : {"refuse", "keep"}, default="refuse"
            Digits are not spoken as they are spelled: write numbers as words, or keep each digit as
            a unit where a corpus has them said one by one.
        marks : {"attach", "drop"}, default="attach"
            Combining marks (accents, Arabic vowel signs, Indic vowels) make a unit with the letter
            before them, or are left out.
        fold_case : bool, default=True
            Capitals and small letters are one unit, named by the small one.
        strict : bool, default=True
            Refuse words that can't be spelled; without it they are left out.

        Returns
        -------
        Lexicon
            Words sorted. Apostrophes, hyphens and other punctuation, the Arabic tatweel and
            invisible joiners are silent.

        Raises
        ------
        InvalidInputError
            If a word has a digit (where refused), a symbol such as ``$``, or no letter: all such
            words are named. Without `strict`, if no word is left.

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
        """Write the lexicon, whole or not at all; `read` gives it back.

        One pronunciation a line: word and phones between spaces, and between them the probability
        where any of the lexicon's is not 1 (Kaldi's ``lexiconp.txt``). A word that itself ends like
        a variant, such as ``f(2)``, is written as one of it, ``f(2)(1)``.

        Parameters
        ----------
        path : path

        Raises
        ------
        InvalidInputError
            If a word would be read as a comment.
        SpeakerGmmError
            If the file can't be written.
        """
        comments = [word for word in self if word == "#" or word.startswith(";;;")]
        if comments or "#" in self.phones:
            named = ", ".join(map(repr, comments)) or "phone '#'"
            raise InvalidInputError(f"{named} would be read as a comment; choose another name")
        # Without the column a phone that is a decimal number would be taken for one.
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
        """Phones of a sentence, each word said in the first way that the lexicon has.

        Parameters
        ----------
        words : iterable of str

        Returns
        -------
        tuple of str

        Raises
        ------
        InvalidInputError
            If the lexicon doesn't have a word.
        """
        said = list(words)
        if unknown := self.unknown([said]):
            missing = sorted(unknown)
            raise InvalidInputError(
                f"words outside the lexicon: {', '.join(missing)}{case_hint(missing, self)}"
            )
        return tuple(phone for word in said for phone in self[word][0].phones)

    def normalised(self, how: Literal["max", "sum"]) -> Lexicon:
        """Scale the probabilities of each word.

        Parameters
        ----------
        how : {"max", "sum"}
            What becomes one: the word's most probable pronunciation, or the sum over all.

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
        """Add words; a word that the lexicon has already keeps its pronunciations."""
        new = {clean(w): tuple(ways) for w, ways in pronunciations.items() if w not in self}
        return Lexicon({**self.pronunciations, **new}, source or self.source)

    def folded(self, case: Case | None) -> Lexicon:
        """Bring the words to one letter case; those that become one have the ways of all.

        Where two of them have the same pronunciation, it keeps the greater probability.

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
        """Keep only some words, those of them that the lexicon has, in its order."""
        wanted = set(map(clean, words))
        return Lexicon(
            {word: ways for word, ways in self.pronunciations.items() if word in wanted},
            self.source,
        )

    def unknown(self, transcripts: Sentences) -> dict[str, int]:
        """Count the words that the lexicon doesn't have.

        Parameters
        ----------
        transcripts : mapping, or iterable of sequences of str or of str
            Transcripts by utterance (as `read_transcripts` gives them), or sentences.

        Returns
        -------
        dict of str to int
            The most frequent first, then by name.
        """
        counts = Counter(w for words in each_sentence(transcripts) for w in words if w not in self)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class LexiconError(FaultyFileError):
    """A lexicon file has faults.

    Parameters
    ----------
    faults : tuple of Fault
        At least one.
    rest : Lexicon, optional
        What the lines without faults say, where there are any.
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
