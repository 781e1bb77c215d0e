"""Features of a corpus for acoustic models, normalised by speaker or utterance.

They are read from a feature store, one utterance at a time, and normalised on reading; a model's
transform follows. Without a store they are extracted into a temporary one.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import probe
from speakergmm.corpora import Utterance
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import AudioError, CorpusError, InsufficientDataError
from speakergmm.features import (
    ExtractionOptions,
    FeatureConfig,
    FeatureStore,
    FeatureTransform,
    FrameGrid,
    StoreShard,
    check_same_features,
    leave_out,
    temporary_store,
)
from speakergmm.features.normalisation import FeatureNormalisation
from speakergmm.files import shown_path
from speakergmm.moments import Moments
from speakergmm.run_context import RunContext

# Two frames of sound always differ by more: repeated frames are a constant signal.
_SAME = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Frames of one utterance in a store, and how they are normalised and transformed."""

    frames: StoreShard
    normalisation: FeatureNormalisation
    moments: Moments | None
    transform: FeatureTransform | None

    def read(self) -> NDArray[np.float32]:
        """Return the normalised features (T, D)."""
        raw = self.frames.utterance(0)
        found = self.normalisation(raw.astype(np.float64), moments=self.moments)
        return found if self.transform is None else self.transform(found)

    def adapted(self, affine: NDArray[np.float64]) -> _Source:
        """Return the source with a transform (D, D + 1) after all others."""
        before = self.transform
        after = (
            FeatureTransform.of_matrix(affine, len(affine))
            if before is None
            else before.then(affine)
        )
        return replace(self, transform=after)


class NormalisedFeatures(Sequence[NDArray[np.float32]]):
    """Normalised features of utterances, read from feature stores one at a time.

    It can be sent to worker processes, which read the features by themselves.

    Parameters
    ----------
    sources : sequence
        Frames of each utterance, from another object of this class.
    """

    def __init__(self, sources: Sequence[_Source]) -> None:
        self._sources = tuple(sources)

    @property
    def lengths(self) -> list[int]:
        """Number of frames of each utterance."""
        return [source.frames.n_frames for source in self._sources]

    @property
    def n_frames(self) -> int:
        """Number of frames of all utterances."""
        return sum(self.lengths)

    def part(self, start: int, stop: int) -> NormalisedFeatures:
        """Return the features of adjacent utterances."""
        return NormalisedFeatures(self._sources[start:stop])

    def select(self, places: Iterable[int]) -> NormalisedFeatures:
        """Return the features of some utterances, by their places."""
        return NormalisedFeatures([self._sources[place] for place in places])

    def transformed(self, transform: FeatureTransform) -> Self:
        """Return the features after a transform, in place of the one that they have.

        What is returned reads from this archive, which stays open as long as it is used.
        """
        made = copy.copy(self)
        made._sources = tuple(replace(source, transform=transform) for source in self._sources)
        return made

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, place: Any) -> Any:
        """Return the normalised features (T, D) of one utterance, a list for a slice."""
        if isinstance(place, slice):
            return [source.read() for source in self._sources[place]]
        return self._sources[place].read()


@dataclass(frozen=True, slots=True)
class _Measure:
    """Moments and number of constant frames of an utterance; can be sent to worker processes."""

    config: FeatureConfig
    needs_moments: bool

    def __call__(self, frames: StoreShard) -> tuple[Moments | None, int]:
        values = frames.utterance(0)
        moments = Moments.of(values) if self.needs_moments else None
        return moments, count_constant(values, self.config)


class FeatureArchive(NormalisedFeatures):
    """Normalised features of a corpus, read from a feature store one utterance at a time.

    `FeatureArchive.of` returns one; it is a context manager that removes its temporary store.

    Parameters
    ----------
    store : FeatureStore
        The store, which has the features of the utterances alone.
    normalisation : FeatureNormalisation
        Applied on reading; its statistics are those of the utterances in the store.
    transform : FeatureTransform, optional
        Applied after it.
    utterances : sequence of Utterance, optional
        The utterances as they are called here, in the order of the store.
    engine : int, executor, Dask client or Engine, optional
        Where the statistics are computed.

    Attributes
    ----------
    utterances : tuple of Utterance
        The utterances whose recordings could be read, in order.
    grids : tuple of FrameGrid
        Times of the frames, from the beginning of each utterance.
    n_constant : int
        Number of frames of digital silence.
    """

    def __init__(
        self,
        store: FeatureStore,
        normalisation: FeatureNormalisation,
        utterances: Sequence[Utterance] | None = None,
        *,
        transform: FeatureTransform | None = None,
        engine: EngineLike = None,
    ) -> None:
        self.normalisation = normalisation
        self.utterances: tuple[Utterance, ...] = tuple(utterances or store.utterances)
        self.n_constant = 0
        handles = store.utterance_frames
        self.grids: tuple[FrameGrid, ...] = tuple(
            store.config.grid(handle.n_frames) for handle in handles
        )
        measure = _Measure(store.config, normalisation.needs_moments)
        groups: dict[str, Moments] = {}
        measured = Engine.of(engine).map(measure, handles)
        for utterance, (moments, n_constant) in zip(self.utterances, measured, strict=True):
            self.n_constant += n_constant
            if moments is not None:
                groups.setdefault(normalisation.group(utterance), Moments()).merge(moments)
        super().__init__(
            [
                _Source(
                    handle, normalisation, groups.get(normalisation.group(utterance)), transform
                )
                for handle, utterance in zip(handles, self.utterances, strict=True)
            ]
        )
        self._leaving = contextlib.ExitStack()
        self._is_closed = False

    @classmethod
    def of(
        cls,
        utterances: Sequence[Utterance],
        config: FeatureConfig,
        normalisation: FeatureNormalisation,
        *,
        transform: FeatureTransform | None = None,
        store: FeatureStore | None = None,
        engine: EngineLike = None,
        run: RunContext | None = None,
    ) -> Self:
        """Extract the features of utterances into a temporary store, or find them in a given one.

        Parameters
        ----------
        utterances : sequence of Utterance
        config : FeatureConfig
        normalisation : FeatureNormalisation
        transform : FeatureTransform, optional
            As in the class. What is extracted for an acoustic model goes through
            `AcousticModel.extract`, which gives it.
        store : FeatureStore, optional
            Has the features already.
        engine : int, executor, Dask client or Engine, optional
            Where the work is done. Workers on other machines cannot see a temporary store.
        run : RunContext, optional
            Uses `strict`, `on_skip` and `progress`.

        Raises
        ------
        InsufficientDataError
            If no recording can be used.
        IncompatibleModelError
            If the store has features of another configuration.
        """
        run = RunContext.checked(run)
        if store is not None:
            found = _found(store, utterances, config, run)
            subset = store.subset(found)
            return cls(subset, normalisation, found, transform=transform, engine=engine)
        with contextlib.ExitStack() as leaving:
            options = ExtractionOptions(features=config)
            temporary = temporary_store(utterances, options, engine=engine, run=run)
            made = leaving.enter_context(temporary)
            archive = cls(made, normalisation, transform=transform, engine=engine)
            archive._leaving = leaving.pop_all()
        return archive

    def adapted(self, transforms: Mapping[str, NDArray[np.float64]]) -> NormalisedFeatures:
        """Return the features after a further transform of each speaker, read from this archive.

        Parameters
        ----------
        transforms : mapping of str to array, shape (D, D + 1)
            By `adaptation_group`; the last column is the offset. Others stay as they are.
        """
        own = [transforms.get(adaptation_group(utterance)) for utterance in self.utterances]
        return NormalisedFeatures(
            [
                source if affine is None else source.adapted(affine)
                for source, affine in zip(self._sources, own, strict=True)
            ]
        )

    def __getitem__(self, place: Any) -> Any:
        """Return the normalised features (T, D) of one utterance."""
        if self._is_closed:
            raise CorpusError("the archive of features has been closed")
        return super().__getitem__(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary store, if there is one."""
        self._is_closed = True
        self._leaving.close()


def _found(
    store: FeatureStore, utterances: Sequence[Utterance], config: FeatureConfig, run: RunContext
) -> list[Utterance]:
    """Return the utterances that a store has; leave out the others."""
    check_same_features(store.config, config, what=shown_path(store.path))
    found = []
    for utterance in utterances:
        try:
            store.subset([utterance])
        except CorpusError as error:
            leave_out(utterance, error, run, (utterance.id,))
        else:
            found.append(utterance)
    if not found:
        raise InsufficientDataError("no recording can be used; see the warnings")
    return found


class JoinedFeatures(NormalisedFeatures):
    """Features of several archives, one after the other."""

    def __init__(self, archives: Sequence[FeatureArchive]) -> None:
        super().__init__([source for archive in archives for source in archive._sources])
        self.utterances = tuple(u for archive in archives for u in archive.utterances)
        self.grids = tuple(grid for archive in archives for grid in archive.grids)
        self.n_constant = sum(archive.n_constant for archive in archives)


def adaptation_group(utterance: Utterance) -> str:
    """Return the name of the utterances that share a transform: a speaker's, or one by itself."""
    return FeatureNormalisation("speaker").group(utterance)


def as_normalisation(normalisation: FeatureNormalisation | str) -> FeatureNormalisation:
    """Return a normalisation, or the one over the scope of a name, such as ``"speaker"``."""
    if isinstance(normalisation, FeatureNormalisation):
        return normalisation
    scope: Any = normalisation  # checked by the class
    return FeatureNormalisation(scope)


def count_constant(values: NDArray[np.floating[Any]], config: FeatureConfig) -> int:
    """Count the frames that repeat the frame before them: those of digital silence.

    Parameters
    ----------
    values : array, shape (T, D)
        Features before normalisation.
    config : FeatureConfig
        Configuration, which determines the static features among them.

    Returns
    -------
    int

    Examples
    --------
    >>> count_constant(np.array([[1.0], [2.0], [2.0], [2.0], [1.0]]), FeatureConfig(deltas=0))
    2
    """
    static = values[:, : values.shape[1] // (config.deltas + 1)]
    return int(np.count_nonzero((np.abs(np.diff(static, axis=0)) < _SAME).all(axis=1)))


def suited_rate(utterances: Sequence[Utterance]) -> int:
    """Return the sample rate of features that suits most recordings: 8 or 16 kHz.

    Filters above the band of a recording contain nothing but the floor of the logarithm, so
    telephone speech is best kept at its own rate.

    Parameters
    ----------
    utterances : sequence of Utterance
        About a hundred of them are probed; those that cannot be read are ignored.
    """
    step = max(1, len(utterances) // 100)
    rates = []
    for utterance in utterances[::step]:
        with contextlib.suppress(AudioError):
            rates.append(probe(utterance.path).sample_rate)
    return 8000 if rates and float(np.median(rates)) < 16000 else 16000
