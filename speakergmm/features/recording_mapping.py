"""Application of a function to many recordings in parallel, leaving out those that are unusable."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from speakergmm.corpora import Utterance
from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import ModelFormatError, SpeakerGmmError, StoreError
from speakergmm.run_context import RunContext, SkippedRecording, warn_of_skip

Result = TypeVar("Result")


def map_recordings(
    function: Callable[..., Result],
    utterances: Sequence[Utterance],
    arguments: Sequence[Any] | None = None,
    *,
    engine: Engine = ONE_WORKER,
    run: RunContext | None = None,
    affected: Mapping[str, Sequence[str]] | None = None,
    description: str | None = None,
) -> Iterator[tuple[Utterance, Result]]:
    """Apply a function to each utterance in worker processes, and leave out those that it refuses.

    Parameters
    ----------
    function : callable
        Called with an utterance; raises a `SpeakerGmmError` if the recording is unusable. With
        several workers it must be picklable, and so must its results.
    utterances : sequence of Utterance
    arguments : sequence, optional
        A second argument of `function` for each utterance: what only this utterance needs is sent
        with it, and not with all of them.
    engine : Engine, default=ONE_WORKER
        The processes; their number does not change the results.
    run : RunContext, optional
        Uses `strict` (raise the first error instead of leaving the recording out), `on_skip` and
        `progress`.
    affected : mapping of str to sequence of str, optional
        By utterance id, what is lost with an unusable recording; by default the id itself.
    description : str, optional
        Text of the progress bar that is shown if `run` asks for progress.

    Yields
    ------
    utterance, result
        In the order of `utterances`, without those that were left out.

    Raises
    ------
    SpeakerGmmError
        The first error of `function`, if `run` is strict.
    ModelFormatError, StoreError
        If `function` reads a feature store that is damaged.
    """
    run = RunContext.checked(run)
    shown = None if description is None else run.description(description)
    items = list(zip(utterances, *([] if arguments is None else [arguments]), strict=True))
    results = engine.map(partial(_of_item, function), items, description=shown)
    for utterance, (result, error) in zip(utterances, results, strict=True):
        if error is None:
            assert result is not None
            yield utterance, result
            continue
        leave_out(utterance, error, run, (affected or {}).get(utterance.id, (utterance.id,)))


def leave_out(
    utterance: Utterance, error: SpeakerGmmError, run: RunContext, affected: Sequence[str]
) -> None:
    """Report a recording that is left out, or raise its error if the run is strict.

    Parameters
    ----------
    utterance : Utterance
        The utterance of the recording.
    error : SpeakerGmmError
        Reason why it cannot be used.
    run : RunContext
        Uses `strict` and `on_skip`.
    affected : sequence of str
        What is lost with it.
    """
    if run.strict:
        raise error
    report = run.on_skip or warn_of_skip
    report(SkippedRecording(utterance.path, str(error), tuple(affected)))


def _of_item(
    function: Callable[..., Result], item: tuple[Any, ...]
) -> tuple[Result | None, SpeakerGmmError | None]:
    return result_or_error(function, *item)


def result_or_error(
    function: Callable[..., Result], utterance: Utterance, *arguments: Any
) -> tuple[Result | None, SpeakerGmmError | None]:
    """Return the result and None, or None and the error: one bad file must not end the others."""
    try:
        return function(utterance, *arguments), None
    except (ModelFormatError, StoreError):  # of a feature store, not of the recording
        raise
    except SpeakerGmmError as error:
        return None, error
