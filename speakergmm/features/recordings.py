"""A function over many recordings in parallel; bad recordings are reported and skipped."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from speakergmm.corpora import Utterance
from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.extractor import FeatureExtractor
from speakergmm.parallel import parallel_map

Result = TypeVar("Result")


class SkippedRecordingWarning(UserWarning):
    """A recording was bad, and the work went on without it."""


@dataclass(frozen=True, slots=True)
class SkippedRecording:
    """A recording that could not be used, and what that cost.

    Parameters
    ----------
    path : Path
        The recording.
    message : str
        Why, in one line that names the file.
    affected : tuple of str
        What was lost with it: the utterance, the model it should have enrolled, or its trials.
    """

    path: Path
    message: str
    affected: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self) | {"path": os.fspath(self.path), "affected": list(self.affected)}


OnSkip = Callable[[SkippedRecording], None]


def warn_of_skip(skipped: SkippedRecording) -> None:
    """Issue a `SkippedRecordingWarning`: what happens by default."""
    warnings.warn(f"skipped {skipped.message}", SkippedRecordingWarning, stacklevel=3)


@dataclass
class Skips:
    """What a piece of work goes on without: called with each, tells of it once and keeps it.

    Parameters
    ----------
    on_skip : callable or None
        Called with each `SkippedRecording`; with None a warning is issued.
    strict : bool, default=False
        Raise an error instead.
    error : type, default=InsufficientDataError
        What is raised then.

    Attributes
    ----------
    found : list of SkippedRecording
    """

    on_skip: OnSkip | None
    _: KW_ONLY
    strict: bool = False
    error: type[SpeakerGmmError] = InsufficientDataError
    found: list[SkippedRecording] = field(default_factory=list, init=False)
    _told: set[SkippedRecording] = field(default_factory=set, init=False)

    def __call__(self, skipped: SkippedRecording) -> None:
        """Go on without a recording."""
        if self.strict:
            raise self.error(skipped.message)
        if skipped not in self._told:
            self._told.add(skipped)
            self.found.append(skipped)
            (self.on_skip or warn_of_skip)(skipped)


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


@lru_cache(maxsize=4)
def cached_extractor(config: FeatureConfig) -> FeatureExtractor:
    """Return an extractor; its tables are computed once per process."""
    return FeatureExtractor(config)


def as_config(features: FeatureConfig | str | os.PathLike[str]) -> FeatureConfig:
    """Return a configuration given as such, by the name of a preset, or by a file."""
    return features if isinstance(features, FeatureConfig) else FeatureConfig.load(features)


def _guarded(
    function: Callable[[Utterance], Result], utterance: Utterance
) -> tuple[Result | None, SpeakerGmmError | None]:
    """Call with a refusal as a result: one bad file must not end the others' work."""
    try:
        return function(utterance), None
    except SpeakerGmmError as error:
        return None, error
