"""Patterns by which names of recordings determine the speaker."""

import re
from dataclasses import replace
from pathlib import PurePath

from speakergmm.audio import has_audio_suffix
from speakergmm.corpora.corpus import Corpus, Utterance, relative_name
from speakergmm.corpora.names import Spellings, quoted, shown
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.ranges import wrong_type
from speakergmm.text_files import Fault, FaultList

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WILD = {"**/": "(?:.*/)?", "**": ".*?", "*": "[^/]*?", "?": "[^/]"}
_WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?)")


class NamePattern:
    r"""A pattern that extracts the speaker, and possibly words, from file names.

    There are two forms. In the simple form, ``{speaker}`` matches the speaker, ``{anything}``
    other parts, ``*`` any characters and ``?`` one character; it matches whole names, with or
    without their suffix, and each part is as short as possible. A pattern without ``{speaker}`` is
    a regular expression that is searched for in names; the group ``speaker``, or otherwise the
    first group without a name, is the speaker.

    A pattern without ``/`` is compared with the name of the file; a pattern with ``/``, with the
    path below the corpus folder or its last parts.

    Parameters
    ----------
    text : str
        The pattern.

    Raises
    ------
    InvalidInputError
        If the pattern is not a regular expression, or contains no speaker in either form.
    InvalidTypeError
        If the pattern is not a string.

    Examples
    --------
    >>> digits = NamePattern("{word}_{speaker}_*.wav")
    >>> digits.groups("data/7_jackson_32.wav")
    {'word': '7', 'speaker': 'jackson'}
    >>> NamePattern("*_{speaker}").groups("1_ana.wav")
    {'speaker': 'ana'}
    >>> NamePattern("{speaker}/*/*.flac").groups("clean/84/121123/84-121123-0000.flac")["speaker"]
    '84'
    >>> NamePattern(r"^(\w+?)_").groups("ana_1.wav")
    {'speaker': 'ana'}
    >>> NamePattern(r"^(\w+?)_").groups("1.wav")
    {}
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise wrong_type(text, "a pattern, a str,")
        self.text = text
        self._simple = "{speaker}" in text
        try:
            self._expression = re.compile(_translated(text) if self._simple else text)
        except re.error as error:
            raise InvalidInputError(
                f"{quoted(text)} is not a regular expression: {error}"
            ) from None
        if self._expression.groups < 1:
            raise InvalidInputError(
                f"the pattern {quoted(text)} has no group; put the speaker's part in ( ), or write "
                "{speaker} for it, as in '{speaker}_*.wav'"
            )
        names = self._expression.groupindex
        unnamed = (n for n in range(1, self._expression.groups + 1) if n not in names.values())
        self._speaker = names["speaker"] if "speaker" in names else next(unnamed, 1)

    @property
    def names(self) -> frozenset[str]:
        """Names of the parts of the pattern."""
        return frozenset(self._expression.groupindex)

    def groups(self, path: str) -> dict[str, str]:
        """Return the parts of the name of a recording.

        Parameters
        ----------
        path : str
            Path of the recording, relative to the corpus folder.

        Returns
        -------
        dict of str to str
            The named parts, including ``speaker``; empty if the pattern does not match.
        """
        whole = PurePath(path)
        text = whole.as_posix() if "/" in self.text else whole.name
        found = None
        if self._simple and has_audio_suffix(text):
            found = self._expression.search(text.removesuffix(whole.suffix))
        found = found or self._expression.search(text)
        if found is None:
            return {}
        named = {name: part for name, part in found.groupdict().items() if part}
        speaker = found.group(self._speaker)
        return named | {"speaker": speaker} if speaker else {}

    def part(self, name: str, utterance: Utterance, corpus: Corpus) -> str:
        """Return one part of the name of an utterance's recording.

        Raises
        ------
        CorpusError
            If the pattern does not match, or has no such part.
        """
        part = self.groups(relative_name(utterance.path, corpus.root)).get(name)
        if not part:
            raise CorpusError(
                f"{shown(utterance.path)}: the pattern {quoted(self.text)} finds no {name} in it"
            )
        return part


def _translated(text: str) -> str:
    """Return the regular expression of a pattern in the simple form."""
    pieces: list[str] = []
    seen: set[str] = set()
    for place, piece in enumerate(_PLACEHOLDER.split(text)):
        if place % 2 == 0:
            pieces += [_WILD.get(part) or re.escape(part) for part in _WILDCARD.split(piece)]
        elif piece in seen:  # a repeated part must be equal, as in {speaker}/{speaker}-*.wav
            pieces.append(f"(?P={piece})")
        else:
            seen.add(piece)
            pieces.append(f"(?P<{piece}>[^/]+?)")
    return rf"(?:^|/){''.join(pieces)}\Z"


def name_speakers(corpus: Corpus, pattern: str | NamePattern, *, strict: bool = True) -> Corpus:
    r"""Return a corpus whose speakers are determined by the names of its recordings.

    Parameters
    ----------
    corpus : Corpus
        The corpus; its own speakers, if any, are replaced.
    pattern : str or NamePattern
        See `NamePattern`.
    strict : bool, default=True
        Raise an error if the pattern does not match a name. Otherwise such utterances are left out,
        and the result lists the faults.

    Returns
    -------
    Corpus

    Raises
    ------
    InvalidInputError
        If the pattern is not valid.
    InvalidTypeError
        If `corpus` is not a `Corpus`.
    CorpusError
        If the pattern matches no name, or with ``strict`` if it does not match all names.

    Examples
    --------
    >>> from pathlib import Path
    >>> flat = Corpus((Utterance("1", Path("7_ana_1.wav"), None),), source="flat")
    >>> name_speakers(flat, "*_{speaker}_*").speakers
    ('ana',)
    """
    if not isinstance(corpus, Corpus):
        raise wrong_type(corpus, "a Corpus, read_corpus(path, speaker_pattern=...),")
    found = pattern if isinstance(pattern, NamePattern) else NamePattern(pattern)
    faults = FaultList(corpus.source, list(corpus.faults), CorpusError, strict)
    spellings = Spellings()
    names = {u.id: relative_name(u.path, corpus.root) for u in corpus}
    speakers = {u.id: found.groups(names[u.id]).get("speaker") for u in corpus}
    missing = [u for u in corpus if not speakers[u.id]]
    if missing and len(missing) == len(corpus):
        example = quoted(names[missing[0].id])
        raise CorpusError(
            f"{shown(corpus.source)}: the pattern {quoted(found.text)} finds no speaker in any of "
            f"{len(missing):,} names, such as {example}; write {{speaker}} for the speaker and * "
            "for any characters, as in '*_{speaker}_*.wav'"
        )
    text = f"the pattern {quoted(found.text)} finds no speaker in this name"
    faults.add_all([Fault(str(u.path), None, text, u.id) for u in missing])
    named: list[Utterance] = []
    for utterance in corpus:
        speaker = speakers[utterance.id]
        if not speaker:
            continue
        with faults.of(utterance.path).of_line(None, utterance.id):
            speaker = spellings.take(speaker, utterance.path.name)
            named.append(replace(utterance, speaker=speaker))
    return replace(corpus, utterances=tuple(named), faults=tuple(faults.faults))
