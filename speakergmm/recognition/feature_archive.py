"""Features of a corpus for acoustic models, normalised by speaker or utterance.

They are kept in a temporary file, from which training reads one utterance at a time.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import probe
from speakergmm.corpora import Utterance
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import AudioError, CorpusError, InsufficientDataError
from speakergmm.features import FeatureConfig, FrameGrid, cached_extractor, map_recordings
from speakergmm.features.normalisation import FeatureNormalisation
from speakergmm.moments import Moments
from speakergmm.run_context import RunContext

# Two frames of sound always differ by more: repeated frames are a constant signal.
_SAME = 1e-4


@dataclass(frozen=True, slots=True)
class _Extract:
    """Extraction of the features of one utterance, as a function that can be pickled."""

    config: FeatureConfig

    def __call__(self, utterance: Utterance) -> tuple[NDArray[np.float32], FrameGrid]:
        extractor = cached_extractor(self.config)
        found = extractor.extract(utterance.path, start=utterance.start, end=utterance.end)
        return found.values, found.grid


class FeatureArchive(Sequence[NDArray[np.float32]]):
    """Normalised features of many utterances, read from a temporary file one at a time.

    `FeatureArchive.of` returns one; it is a context manager that removes its file.

    Attributes
    ----------
    utterances : tuple of Utterance
        The utterances whose recordings could be read, in order.
    grids : tuple of FrameGrid
        Times of the frames, from the beginning of each utterance.
    n_constant : int
        Number of frames of digital silence.
    """

    def __init__(self, normalisation: FeatureNormalisation) -> None:
        self.normalisation = normalisation
        self.utterances: tuple[Utterance, ...] = ()
        self.grids: tuple[FrameGrid, ...] = ()
        self.n_constant = 0
        self._first = [0]
        self._moments: dict[str, Moments] = {}
        # A file without a name, where the system has such, is not left behind by a kill.
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._map: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        utterances: Sequence[Utterance],
        config: FeatureConfig,
        normalisation: FeatureNormalisation,
        *,
        engine: EngineLike = None,
        run: RunContext | None = None,
    ) -> Self:
        """Extract the features of utterances.

        Parameters
        ----------
        utterances : sequence of Utterance
        config : FeatureConfig
        normalisation : FeatureNormalisation
        engine : int, executor, Dask client or Engine, optional
            Number of processes.
        run : RunContext, optional
            Uses `strict`, `on_skip` and `progress`.

        Raises
        ------
        InsufficientDataError
            If no recording can be used.
        """
        archive = cls(normalisation)
        run = RunContext.checked(run)
        extracted = map_recordings(
            _Extract(config),
            utterances,
            engine=Engine.of(engine),
            run=run,
            description=run.description("features"),
        )
        used: list[tuple[Utterance, FrameGrid]] = []
        try:
            for utterance, (values, grid) in extracted:
                archive._append(values, normalisation.group(utterance))
                archive.n_constant += count_constant(values, config)
                used.append((utterance, grid))
            if not used:
                raise InsufficientDataError("no recording can be used; see the warnings")
            archive.utterances, archive.grids = zip(*used, strict=True)
            archive._file.flush()
            shape = (archive.n_frames, cached_extractor(config).n_features)
            archive._map = np.memmap(archive._file, np.float32, "r", shape=shape)
        except BaseException:
            archive.close()
            raise
        return archive

    @property
    def n_frames(self) -> int:
        """Number of frames of all utterances."""
        return self._first[-1]

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, place: Any) -> Any:
        """Return the normalised features (T, D) of one utterance."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if self._map is None:
            raise CorpusError("the archive of features has been closed")
        place = range(len(self))[place]
        raw = self._map[self._first[place] : self._first[place + 1]]
        moments = self._moments.get(self.normalisation.group(self.utterances[place]))
        return self.normalisation(raw.astype(np.float64), moments=moments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary file."""
        self._map = None
        self._file.close()

    def _append(self, values: NDArray[np.float32], group: str) -> None:
        self._file.write(np.ascontiguousarray(values, np.float32).tobytes())
        self._first.append(self._first[-1] + len(values))
        if self.normalisation.needs_moments:
            self._moments.setdefault(group, Moments()).add(values)


class JoinedFeatures(Sequence[NDArray[np.float32]]):
    """Features of several archives, one after the other."""

    def __init__(self, archives: Sequence[FeatureArchive]) -> None:
        self.utterances = tuple(u for archive in archives for u in archive.utterances)
        self.grids = tuple(grid for archive in archives for grid in archive.grids)
        self.n_frames = sum(archive.n_frames for archive in archives)
        self.n_constant = sum(archive.n_constant for archive in archives)
        self._places = [(a, place) for a in archives for place in range(len(a))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        archive, within = self._places[place]
        return archive[within]


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
