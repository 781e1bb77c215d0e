"""A function over many recordings in parallel; bad recordings are reported and skipped."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypedDict, TypeVar

from speakergmm.corpora import Utterance
from speakergmm.errors import SpeakerGmmError
from speakergmm.parallel import parallel_map
from speakergmm.run_context import OnSkip, SkippedRecording, warn_of_skip

Result = TypeVar("Result")


class HowToMap(TypedDict, total=False):
    """Keywords of `map_recordings` that what calls it hands on."""

    n_jobs: int
    strict: bool
    on_skip: OnSkip | None


def map_recordings(
    function: Callable[[Utterance], Result],
    utterances: Sequence[Utterance],
    *,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    affected: Mapping[str, Sequence[str]] | None = None,
    description: str | None = None,
) -> Iterator[tuple[Utterance, Result]]:
    """Apply a function to each utterance in parallel; skip those that it refuses.

    Parameters
    ----------
    function : callable
        Takes an utterance; raises a `SpeakerGmmError` if the recording is bad.
    utterances : sequence of Utterance
    n_jobs : int
        See `speakergmm.parallel.parallel_map`.
    strict : bool
        Raise the first error instead of skipping.
    on_skip : callable, optional
        Called with each `SkippedRecording`; by default a warning is issued.
    affected : mapping of str to sequence of str, optional
        By utterance id, what is lost if the recording is bad; by default the id itself.
    description : str, optional
        Text of a progress bar.

    Yields
    ------
    utterance, result
        In order, without those that were skipped.
    """
    report = on_skip or warn_of_skip
    results = parallel_map(
        partial(_guarded, function), utterances, n_jobs=n_jobs, description=description
    )
    for utterance, (result, error) in zip(utterances, results, strict=True):
        if error is None:
            assert result is not None
            yield utterance, result
            continue
        if strict:
            raise error
        lost = tuple((affected or {}).get(utterance.id, (utterance.id,)))
        report(SkippedRecording(utterance.path, str(error), lost))


def _guarded(
    function: Callable[[Utterance], Result], utterance: Utterance
) -> tuple[Result | None, SpeakerGmmError | None]:
    """Call with a refusal as a result: one bad file must not end the others' work."""
    try:
        return function(utterance), None
    except SpeakerGmmError as error:
        return None, error
