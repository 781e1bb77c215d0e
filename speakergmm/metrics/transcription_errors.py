"""Word and phone errors of recognised utterances, compared with reference transcripts.

Sequences are aligned by jiwer with the smallest number of substitutions, deletions and insertions.
Nothing is normalised by default: ``Mister`` for ``MISTER`` is an error. (Unicode spellings of the
same characters are the same word: see `speakergmm.words`.)
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any, Literal, TypeVar

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.metrics.phone_mappings import PHONE_MAPPINGS, PhoneMapping
from speakergmm.ranges import choice
from speakergmm.words import clean, fold, words_of

SILENCES = ("SIL", "SP", "SPN", "sil", "sp", "spn")
"""Labels of silence and noise, which are left out when phone errors are counted."""

Words = Mapping[str, Iterable[str] | str]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Numbers of correct and wrong words.

    Attributes
    ----------
    hits, substitutions, deletions, insertions : int
        The first three sum to the number of words in the reference.

    Examples
    --------
    >>> counts = ErrorCounts(hits=7, substitutions=2, deletions=1, insertions=1)
    >>> counts.n_reference, counts.errors, counts.error_rate
    (10, 4, 0.4)
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def n_reference(self) -> int:
        """Number of words in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Number of substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def error_rate(self) -> float:
        """Errors per word of the reference, which may exceed 1; NaN if the reference is empty."""
        return self.errors / self.n_reference if self.n_reference else float("nan")


@dataclass(frozen=True, slots=True)
class UtteranceErrors:
    """Reference, hypothesis and errors of one utterance.

    Attributes
    ----------
    utterance : str
        Name of the utterance.
    speaker : str or None
        Name of the speaker.
    reference, hypothesis : tuple of str
        The sequences that are compared, mapped and without the words that are left out.
    counts : ErrorCounts
    missing : bool
        Whether there is no hypothesis at all, so that all words count as deleted.
    """

    utterance: str
    speaker: str | None
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    counts: ErrorCounts
    missing: bool = False


@dataclass(frozen=True, slots=True)
class WordConfusion:
    """The number of times that one word was recognised as another.

    Attributes
    ----------
    reference, hypothesis : str or None
        Word of the reference and recognised word; None for the missing one of an insertion or a
        deletion.
    count : int
        Number of times.
    """

    reference: str | None
    hypothesis: str | None
    count: int


@dataclass(frozen=True, eq=False)
class TranscriptionErrors:
    """Word or phone errors of all utterances.

    Attributes
    ----------
    unit : {"word", "phone"}
        The unit that is counted.
    utterances : tuple of UtteranceErrors
        Sorted by name.
    mapping : str or None
        Name of the phone mapping.
    confusions : tuple of WordConfusion
        Substitutions, deletions and insertions, the most frequent first, then by name.
    """

    unit: Literal["word", "phone"]
    utterances: tuple[UtteranceErrors, ...]
    mapping: str | None = None
    confusions: tuple[WordConfusion, ...] = field(default=(), repr=False)

    @cached_property
    def counts(self) -> ErrorCounts:
        """Sums of the counts over all utterances."""
        return sum((each.counts for each in self.utterances), ErrorCounts())

    @property
    def error_rate(self) -> float:
        """Errors of all utterances per word of all references."""
        return self.counts.error_rate

    @property
    def sentence_error_rate(self) -> float:
        """Fraction of utterances with at least one error."""
        return sum(each.counts.errors > 0 for each in self.utterances) / len(self.utterances)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the utterances without a hypothesis."""
        return tuple(each.utterance for each in self.utterances if each.missing)

    def by_speaker(self) -> dict[str, ErrorCounts]:
        """Return the counts of each speaker, sorted by name; empty if speakers are not known."""
        found: dict[str, ErrorCounts] = {}
        for each in self.utterances:
            if each.speaker is not None:
                found[each.speaker] = found.get(each.speaker, ErrorCounts()) + each.counts
        return dict(sorted(found.items()))

    def to_dict(self, *, n_confusions: int = 20) -> dict[str, Any]:
        """Return the results as JSON can hold them, with the most frequent confusions.

        Parameters
        ----------
        n_confusions : int, default=20
            Number of confusions.

        Returns
        -------
        dict
        """
        return {
            "unit": self.unit,
            "mapping": self.mapping,
            f"{self.unit}_error_rate": self.error_rate if self.counts.n_reference else None,
            "sentence_error_rate": self.sentence_error_rate,
            "n_utterances": len(self.utterances),
            f"n_{self.unit}s": self.counts.n_reference,
            **asdict(self.counts),
            "missing": list(self.missing),
            "by_speaker": {
                speaker: {"error_rate": c.error_rate if c.n_reference else None, **asdict(c)}
                for speaker, c in self.by_speaker().items()
            },
            "confusions": [asdict(each) for each in self.confusions[:n_confusions]],
        }


def word_errors(
    references: Words,
    hypotheses: Words,
    *,
    speakers: Mapping[str, str] | None = None,
    case: Literal["upper", "lower"] | None = None,
    leave_out: Collection[str] = (),
) -> TranscriptionErrors:
    """Count word errors.

    Parameters
    ----------
    references, hypotheses : mapping of str to iterable of str, or to str
        Words of each utterance, as a list or separated by white space. All words of an utterance
        without a hypothesis count as deleted.
    speakers : mapping of str to str, optional
        Speaker of each utterance of the references.
    case : {"upper", "lower"}, optional
        Letter case to which both sides are converted by `speakergmm.words.fold`. In any case,
        words are normalised as those read from files (`speakergmm.words.clean`).
    leave_out : collection of str
        Words that are removed on both sides, such as fillers; converted to the same letter case.

    Returns
    -------
    TranscriptionErrors

    Raises
    ------
    InvalidInputError
        If there are no references, there is no reference for a hypothesis, a speaker is missing, or
        a word contains white space.

    Examples
    --------
    >>> found = word_errors({"u1": ["go", "up"], "u2": ["stop"]}, {"u1": ["go", "down"]})
    >>> found.counts
    ErrorCounts(hits=1, substitutions=1, deletions=1, insertions=0)
    >>> found.missing, found.confusions[0].count
    (('u2',), 1)
    """
    dropped = {fold(word, case) for word in leave_out}

    def prepare(side: Words) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(word for word in words_of(words, case) if word not in dropped)
            for name, words in _by_utterance(side).items()
        }

    return _count(prepare(references), prepare(hypotheses), "word", speakers, None)


def phone_errors(
    references: Words,
    hypotheses: Words,
    *,
    mapping: PhoneMapping | str = "identity",
    speakers: Mapping[str, str] | None = None,
    silences: Collection[str] = SILENCES,
) -> TranscriptionErrors:
    """Count phone errors after mapping both sides to one phone set and removing silence.

    Parameters
    ----------
    references, hypotheses : mapping of str to iterable of str, or to str
        Phones of each utterance.
    mapping : PhoneMapping or str, default="identity"
        A mapping, or the name of one of `PHONE_MAPPINGS`.
    speakers : mapping of str to str, optional
        As for `word_errors`.
    silences : collection of str
        Labels that are removed on both sides, before and after the mapping.

    Returns
    -------
    TranscriptionErrors

    Raises
    ------
    InvalidInputError
        As for `word_errors`, and if a phone is not in the mapping.

    Examples
    --------
    >>> phone_errors(
    ...     {"u": ["SIL", "N", "OW1"]}, {"u": ["N", "OW0", "SIL"]}, mapping="stress"
    ... ).error_rate
    0.0
    """
    if isinstance(mapping, str):
        mapping = PHONE_MAPPINGS[choice("mapping", mapping, PHONE_MAPPINGS)]
    apply = mapping.apply

    def fold_phones(side: Words) -> dict[str, tuple[str, ...]]:
        kept = {
            name: [phone for phone in words_of(phones) if phone not in silences]
            for name, phones in _by_utterance(side).items()
        }
        # All phones at once, so that the error names every phone that is missing.
        apply(dict.fromkeys(chain.from_iterable(kept.values())))
        return {
            name: tuple(phone for phone in apply(phones) if phone not in silences)
            for name, phones in kept.items()
        }

    return _count(fold_phones(references), fold_phones(hypotheses), "phone", speakers, mapping.name)


def _by_utterance(side: Words) -> Words:
    if isinstance(side, Mapping):
        return side
    raise InvalidTypeError(
        f"the words of each utterance must be a mapping {{id: words}}, found "
        f"{type(side).__name__}; read_transcripts(path) reads a file"
    )


def _count(
    references: Mapping[str, tuple[str, ...]],
    hypotheses: Mapping[str, tuple[str, ...]],
    unit: Literal["word", "phone"],
    speakers: Mapping[str, str] | None,
    mapping: str | None,
) -> TranscriptionErrors:
    import jiwer

    references, hypotheses = _by_name(references), _by_name(hypotheses)
    speakers = None if speakers is None else _by_name(speakers)
    names = sorted(references)
    _check(names, hypotheses, speakers)
    for word in chain.from_iterable((*references.values(), *hypotheses.values())):
        if word.split() != [word]:
            raise InvalidInputError(f"{unit} {word!r} is empty or contains white space")
    pairs = [(references[name], hypotheses.get(name, ())) for name in names]
    # Alignments of all utterances with the smallest number of errors.
    found = jiwer.process_words(
        [" ".join(reference) for reference, _ in pairs],
        [" ".join(hypothesis) for _, hypothesis in pairs],
    )
    confusions: Counter[tuple[str | None, str | None]] = Counter()
    utterances = []
    for name, (reference, hypothesis), chunks in zip(names, pairs, found.alignments, strict=True):
        counts: Counter[str] = Counter()
        for chunk in chunks:
            expected = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            recognised = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
            counts[chunk.type] += max(len(expected), len(recognised))
            if chunk.type != "equal":
                confusions.update(zip_longest(expected, recognised))
        speaker = None if speakers is None else speakers[name]
        errors = ErrorCounts(*(counts[t] for t in ("equal", "substitute", "delete", "insert")))
        utterances.append(
            UtteranceErrors(name, speaker, reference, hypothesis, errors, name not in hypotheses)
        )
    ranked = sorted(confusions.items(), key=lambda each: (-each[1], *(w or "" for w in each[0])))
    return TranscriptionErrors(
        unit, tuple(utterances), mapping, tuple(WordConfusion(*pair, n) for pair, n in ranked)
    )


def _by_name(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values by the normalised names of utterances, as all readers of files do."""
    named = {clean(name): value for name, value in values.items()}
    if len(named) < len(values):
        raise InvalidInputError("an utterance is listed twice, in two Unicode spellings; keep one")
    return named


def _check(
    names: Sequence[str], hypotheses: Mapping[str, Any], speakers: Mapping[str, str] | None
) -> None:
    if not names:
        raise InvalidInputError("there are no references; give at least one utterance")
    if surplus := sorted(hypotheses.keys() - names):
        raise InvalidInputError(
            f"hypotheses of {_listed(surplus)}, for which there are no references; remove them, or "
            "check that both sides name utterances in the same way"
        )
    if speakers is not None and (unnamed := sorted(set(names) - speakers.keys())):
        raise InvalidInputError(
            f"there is no speaker for {_listed(unnamed)}; name those of all utterances, or none"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    noun = "utterance" if len(names) == 1 else "utterances"
    return f"{len(names)} {noun} ({shown}{', ...' if len(names) > 5 else ''})"
