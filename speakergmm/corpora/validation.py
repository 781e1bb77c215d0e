"""Validation of corpora: all problems of recordings and lists at once."""

import contextlib
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from speakergmm.audio import AudioInfo, AudioWarning, iter_audio, probe
from speakergmm.audio.reading import ROUNDING_SECONDS
from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.corpus_inputs import CorpusLike, as_corpus
from speakergmm.corpora.inspection import Inspection, inspect_blocks
from speakergmm.corpora.names import first_few, quoted
from speakergmm.corpora.validation_options import ValidationOptions
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import AudioError
from speakergmm.files import shown_path
from speakergmm.run_context import RunContext

Severity = Literal["error", "warning"]

# Parts of the audio module's messages that determine the kind of a problem.
_KINDS = {"holds no samples": "empty", "NaN": "not_finite", "truncated": "truncated"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a corpus that prevents or impairs work with it.

    Parameters
    ----------
    severity : {"error", "warning"}
        Errors make a recording unusable or a result wrong.
    kind : str
        One of ``missing``, ``empty``, ``truncated``, ``unreadable``, ``not_finite``, ``too_short``,
        ``silent``, ``duplicate``, ``wrong_rate``, ``clipped``, ``beyond_end``, ``channels``,
        ``one_speaker``, ``single_recording``, ``skipped``, ``bad_list``.
    path : Path or None
        The recording, or the list with the fault; None if the problem concerns the whole corpus.
    utterance : str or None
        Id of the utterance; None if the problem concerns the whole recording or corpus.
    message : str
        One line without the path: what was found and what would be right.
    line : int or None
        Line of the list with the fault, from 1.
    """

    severity: Severity
    kind: str
    path: Path | None
    utterance: str | None
    message: str
    line: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self) | {"path": None if self.path is None else str(self.path)}


@dataclass(frozen=True, slots=True)
class _Recording:
    """One recording: its header, its utterances with durations in s, and errors of reading."""

    info: AudioInfo | None
    stretches: tuple[tuple[Utterance, float, Inspection], ...]
    refusals: tuple[Problem, ...]


def validate_corpus(
    corpus: CorpusLike,
    options: ValidationOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> tuple[Problem, ...]:
    """Read every recording of a corpus and return all problems.

    Parameters
    ----------
    corpus : Corpus, path, or recordings
        The recordings to check.
    options : ValidationOptions, optional
        Requirements; the defaults if left out.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of worker processes. It does not change the result.
    run : RunContext, optional
        Uses `progress`.
    **changes
        Single options of `ValidationOptions` by name, in place of those of `options`.

    Returns
    -------
    tuple of Problem
        Errors first, then sorted by path. A bad recording does not hide problems of others.

    Raises
    ------
    InvalidInputError
        If an option is out of range.

    Notes
    -----
    Recordings are read in blocks and constant memory. Duplicates are recognised by their samples:
    a FLAC copy of a WAV file is one. The same audio of two speakers is an error, of one speaker a
    warning.
    """
    options = ValidationOptions.of(options, changes)
    bar = RunContext.checked(run).description("checking")
    groups: dict[Path, list[Utterance]] = {}
    corpus = as_corpus(corpus, strict=False)
    for utterance in corpus:
        groups.setdefault(utterance.path, []).append(utterance)
    engine = Engine.of(engine)
    recordings = list(engine.map(_inspect, list(groups.items()), description=bar))
    problems = [problem for recording in recordings for problem in recording.refusals]
    problems += _rates(recordings, options.sample_rate)
    problems += _channels(recordings)
    stretches = [stretch for recording in recordings for stretch in recording.stretches]
    for stretch in stretches:
        problems += _sound(*stretch, options)
    problems += _duplicates(
        [
            (u, found.content)
            for u, _, found in stretches
            if found.loudest_level >= options.silence_level
        ]
    )
    problems += _speakers(corpus)
    problems += [
        Problem("error", "bad_list", Path(fault.path), fault.utterance, fault.message, fault.line)
        for fault in corpus.faults
    ]
    problems += [Problem("warning", "skipped", None, None, note) for note in corpus.notes]
    return tuple(sorted(problems, key=_order))


def _inspect(group: tuple[Path, Sequence[Utterance]]) -> _Recording:
    """Read and measure the utterances of one recording; runs in a worker process."""
    path, utterances = group
    with warnings.catch_warnings():
        # Recordings of several channels are reported once below.
        warnings.simplefilter("ignore", AudioWarning)
        try:
            info = probe(path)
        except AudioError as error:
            return _Recording(None, (), (_refusal(path, None, error),))
        stretches, refusals = [], []
        for utterance in utterances:
            try:
                blocks = iter_audio(path, start=utterance.start, end=utterance.end)
                found = inspect_blocks(blocks, sample_rate=info.sample_rate)
                stretches.append((utterance, found.n_samples / info.sample_rate, found))
                if utterance.end is not None and utterance.end > info.duration + ROUNDING_SECONDS:
                    message = (
                        f"it ends at {utterance.end:g} s, but the recording lasts "
                        f"{info.duration:.2f} s; it is cut there"
                    )
                    refusals.append(Problem("warning", "beyond_end", path, utterance.id, message))
            except AudioError as error:
                refusals.append(_refusal(path, utterance.id, error))
    return _Recording(info, tuple(stretches), tuple(refusals))


def _refusal(path: Path, utterance: str | None, error: AudioError) -> Problem:
    """Return the problem of a recording that could not be read."""
    message = str(error).removeprefix(f"{shown_path(path)}: ")
    kind = next((kind for text, kind in _KINDS.items() if text in message), "unreadable")
    with contextlib.suppress(OSError):  # without permission the kind remains "unreadable"
        if not path.exists():
            kind = "missing"
        elif path.is_file() and path.stat().st_size == 0:
            kind = "empty"
    return Problem("error", kind, path, utterance, message)


def _rates(recordings: Sequence[_Recording], wanted: int | None) -> Iterator[Problem]:
    """Yield recordings whose rate is not `wanted`, or not that of most recordings."""
    rates = {r.info.path: r.info.sample_rate for r in recordings if r.info is not None}
    if not rates:
        return
    severity: Severity = "error"
    expected = f"{wanted} Hz is required"
    if wanted is None:
        severity = "warning"
        counts = Counter(rates.values())
        wanted = max(counts, key=lambda rate: (counts[rate], rate))
        expected = f"{counts[wanted]} of {len(rates)} recordings have {wanted} Hz"
    for path, rate in rates.items():
        if rate != wanted:
            yield Problem(severity, "wrong_rate", path, None, f"its rate is {rate} Hz; {expected}")


def _channels(recordings: Sequence[_Recording]) -> Iterator[Problem]:
    """Yield one problem if there are recordings of several channels."""
    infos = (r.info for r in recordings if r.info is not None)
    several = [info.path for info in infos if info.n_channels > 1]
    if several:
        message = (
            f"{len(several)} of {len(recordings)} recordings have several channels, which are "
            f"averaged; the first is {several[0]}"
        )
        yield Problem("warning", "channels", None, None, message)


def _sound(
    utterance: Utterance, duration: float, found: Inspection, options: ValidationOptions
) -> Iterator[Problem]:
    """Yield problems of duration, level and clipping of an utterance."""

    def problem(severity: Severity, kind: str, message: str) -> Problem:
        return Problem(severity, kind, utterance.path, utterance.id, message)

    if duration < options.min_duration:
        message = f"it lasts {duration:.4g} s; at least {options.min_duration:g} s are needed"
        yield problem("error", "too_short", message)
    if found.loudest_level < options.silence_level:
        level = "all samples are equal"
        if found.loudest_level > -math.inf:
            level = f"its loudest tenth of a second is at {found.loudest_level:.0f} dB"
        yield problem(
            "error", "silent", f"{level}; at least {options.silence_level:g} dB are needed"
        )
    if found.clipped_share >= options.max_clipped_share and found.clipped_share > 0:
        message = f"{found.clipped_share:.2%} of its samples are clipped at full scale"
        yield problem("warning", "clipped", message)


def _duplicates(audible: Sequence[tuple[Utterance, str]]) -> Iterator[Problem]:
    """Yield utterances whose hash is that of an earlier utterance."""
    groups: dict[str, list[Utterance]] = {}
    for utterance, content in audible:
        groups.setdefault(content, []).append(utterance)
    for group in groups.values():
        for place, utterance in enumerate(group[1:], start=1):
            others = [u for u in group[:place] if u.speaker != utterance.speaker]
            original = (others or group)[0]
            message = f"it has the same audio as {quoted(original.id)}"
            severity: Severity = "warning"
            if others:
                severity = "error"
                message += f" of another speaker, {quoted(original.speaker or '')}"
            yield Problem(severity, "duplicate", utterance.path, utterance.id, message)


def _speakers(corpus: Corpus) -> Iterator[Problem]:
    """Yield problems of the numbers of speakers and of recordings per speaker."""
    groups = corpus.by_speaker() if corpus.speakers else {}
    if len(groups) == 1:
        only = quoted(next(iter(groups)))
        message = f"all recordings are of one speaker, {only}; a background model needs many"
        yield Problem("warning", "one_speaker", None, None, message)
    single = [name for name, group in groups.items() if len({u.path for u in group}) == 1]
    if single:
        message = (
            f"{len(single)} of {len(groups)} speakers have a single recording: {first_few(single)}"
        )
        yield Problem("warning", "single_recording", None, None, message)


def _order(problem: Problem) -> tuple[Any, ...]:
    """Return the key by which problems are sorted."""
    place = (problem.path is None, str(problem.path), problem.line or 0, problem.utterance or "")
    return (problem.severity != "error", *place, problem.kind, problem.message)
