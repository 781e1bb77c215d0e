"""Feature mapping: frames of recordings in many conditions as they would be in one of them.

A mixture is adapted to the background speech of each condition. The most likely condition of a
recording is found by the likelihood of its frames, and each frame is moved from its most probable
component there to the same component of a reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.augmentation import AugmentationOptions, version_condition
from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.features import FeatureStore, HeldBlocks, StoredFrames, WeightedFrames
from speakergmm.gaussians.choices import Precision
from speakergmm.mixtures import DiagonalMixture, accumulate, adapt
from speakergmm.ranges import choice
from speakergmm.speakers.frame_averages import values_and_weights
from speakergmm.speakers.mixture_training_options import MAPPING_REFERENCES

_PARAMETERS = ("means", "weights", "variances")


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMapping:
    """Mixtures of C conditions, by which frames are mapped to a reference.

    Parameters
    ----------
    background_digest : str
        Digest of the background model, without a mapping, that the mixtures were adapted from.
    conditions : tuple of str
        Names of the conditions.
    mixtures : tuple of DiagonalMixture
        One of each: K components of D features, component k of which is component k of the
        background model, moved to the condition.
    reference : DiagonalMixture
        The mixture of the condition that frames are mapped to: the background model's own, which
        is that of all conditions, or one of `mixtures`.

    Raises
    ------
    InvalidInputError
        If there is not one mixture for each of one or more conditions of different names.
    IncompatibleModelError
        If the mixtures differ in shape.

    Notes
    -----
    With component k the most probable one of x in the condition c of its recording, equation 3 of
    [1]_ in every feature is

    y = (x - mean_ck) deviation_k / deviation_ck + mean_k,

    where the parameters without c are those of the reference. A recording of the reference's own
    condition stays as it is, to the last bit.

    References
    ----------
    .. [1] Reynolds, "Channel Robust Speaker Verification via Feature Mapping", ICASSP 2003,
       volume 2, 53-56.

    Examples
    --------
    >>> near, far = (DiagonalMixture([1.0], [[m]], [[v]]) for m, v in ((0.0, 1.0), (5.0, 4.0)))
    >>> mapping = FeatureMapping("", ("near", "far"), (near, far), reference=near)
    >>> frames = WeightedFrames(np.array([[3.0], [5.0], [9.0]], np.float32), None)
    >>> mapping.condition([frames])
    'far'
    >>> [part.values.ravel().tolist() for part in mapping.mapped([frames])]
    [[-1.0, 0.0, 2.0]]
    """

    background_digest: str
    conditions: tuple[str, ...]
    mixtures: tuple[DiagonalMixture, ...]
    reference: DiagonalMixture

    def __post_init__(self) -> None:
        """Check that the parts agree."""
        n_conditions = len(self.conditions)
        if not n_conditions or len(set(self.conditions)) < n_conditions:
            raise InvalidInputError("a feature mapping needs conditions of different names")
        if len(self.mixtures) != n_conditions:
            raise InvalidInputError(
                f"a feature mapping of {n_conditions} conditions needs a mixture of each, found "
                f"{len(self.mixtures)}"
            )
        shape = self.reference.means.shape
        for name, mixture in zip(self.conditions, self.mixtures, strict=True):
            if mixture.means.shape != shape:
                raise IncompatibleModelError(
                    f"the mixture of condition {name!r} has means of shape {mixture.means.shape}, "
                    f"the reference of shape {shape}"
                )

    def __repr__(self) -> str:
        return f"FeatureMapping({', '.join(self.conditions)} -> {self.reference_name})"

    @property
    def reference_name(self) -> str:
        """Name of the condition that frames are mapped to; ``"background"`` if it is of none."""
        for name, (scale, shift) in zip(self.conditions, self._moves, strict=True):
            if (scale == 1).all() and not shift.any():
                return name
        return "background"

    def info(self) -> dict[str, Any]:
        """Return a description of the mapping as JSON can hold it."""
        return {"conditions": list(self.conditions), "reference": self.reference_name}

    @cached_property
    def _moves(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Scales and shifts of each condition, shapes (K, D)."""
        found = []
        for mixture in self.mixtures:
            scale = np.sqrt(self.reference.variances / mixture.variances)
            found.append((scale, self.reference.means - mixture.means * scale))
        return found

    def log_likelihoods(self, blocks: Iterable[WeightedFrames]) -> NDArray[np.float64]:
        """Return the log-likelihood of a recording in each condition, shape (C,).

        Parameters
        ----------
        blocks : iterable of WeightedFrames
            Frames of its speech, of shapes (T, D), which count by their weights.
        """
        total = np.zeros(len(self.conditions))
        for block in blocks:
            values, weights = values_and_weights(block)
            if len(values):
                counts = np.ones(len(values)) if weights is None else weights
                total += [counts @ mixture.log_likelihood(values) for mixture in self.mixtures]
        return total

    def condition(self, blocks: Iterable[WeightedFrames]) -> str:
        """Return the most likely condition of a recording; of equal ones, the first."""
        return self.conditions[int(np.argmax(self.log_likelihoods(blocks)))]

    def map_frames(self, frames: NDArray[np.floating[Any]], condition: str) -> NDArray[np.float32]:
        """Return frames (T, D) of a condition as they would be in that of the reference.

        Raises
        ------
        InvalidInputError
            If there is no such condition, or the frames are not a finite matrix of D columns.
        """
        place = self.conditions.index(choice("condition", condition, self.conditions))
        scale, shift = self._moves[place]
        components = self.mixtures[place].predict(frames)
        return (frames * scale[components] + shift[components]).astype(np.float32)

    def mapped(self, blocks: Iterable[WeightedFrames]) -> Iterator[WeightedFrames]:
        """Yield the frames of one recording mapped, in constant memory.

        Parameters
        ----------
        blocks : iterable of WeightedFrames
            Frames of its speech; read once, and held for a second pass, a megabyte in memory and
            more in a temporary file.

        Yields
        ------
        WeightedFrames
            The blocks, after the last of them has been read; weights stay.
        """
        with closing(HeldBlocks(lambda: iter(blocks))) as held:
            condition = self.condition(held())
            for values, weights in held():
                yield WeightedFrames(self.map_frames(values, condition), weights)


def fit_feature_mapping(
    mixture: DiagonalMixture,
    store: FeatureStore,
    *,
    background_digest: str,
    reference: str = "background",
    relevance_factor: float = 16.0,
    precision: Precision = "float32",
    engine: Engine = ONE_WORKER,
) -> FeatureMapping:
    """Adapt a background mixture to each condition of the recordings in a feature store.

    Parameters
    ----------
    mixture : DiagonalMixture
        The background mixture, trained on the speech of all conditions.
    store : FeatureStore
        Its recordings, each in several conditions; frames count by their weights.
    background_digest : str
        Digest of the background model that the mapping is for.
    reference : {"background", "clean"}
        What frames are mapped to: the background mixture, or that of the condition "clean".
    relevance_factor : float, default=16.0
        As in `speakergmm.mixtures.adapt`, for means, weights and variances.
    precision : {"float32", "float64"}
        Precision of the products of a block of frames.
    engine : Engine
        Where frames are summed, one pass over each condition.

    Raises
    ------
    InvalidInputError
        If the recordings are in fewer than two conditions, or in none that is clean where that is
        the reference; the message says what to do.
    """
    choice("feature_mapping", reference, MAPPING_REFERENCES)
    rows: dict[str, list[str]] = {}
    for row in store.rows:
        rows.setdefault(version_condition(row.version), []).append(row.id)
    _check_conditions(tuple(rows), reference)
    adapted = []
    for ids in rows.values():
        speech = store.subset(ids).speech
        statistics = accumulate(
            mixture, speech, _speech_weights(speech), precision=precision, engine=engine
        )
        made, _ = adapt(
            statistics, mixture, relevance_factor=relevance_factor, parameters=_PARAMETERS
        )
        adapted.append(made)
    names = tuple(rows)
    target = mixture if reference == "background" else adapted[names.index(reference)]
    return FeatureMapping(background_digest, names, tuple(adapted), target)


def check_mapping(wanted: str, augmentation: AugmentationOptions | None) -> None:
    """Raise an error, before anything is read, if recordings do not suit the feature mapping.

    Parameters
    ----------
    wanted : {"none", "background", "clean"}
        What frames are to be mapped to.
    augmentation : AugmentationOptions or None
        Conditions of the recordings; None for as they are.

    Raises
    ------
    InvalidInputError
        As for `fit_feature_mapping`.
    """
    if wanted != "none":
        _check_conditions(("clean",) if augmentation is None else augmentation.conditions, wanted)


def _check_conditions(conditions: Sequence[str], reference: str) -> None:
    """Raise an error if recordings in these conditions do not suit a feature mapping."""
    as_they_are = list(conditions) in ([], ["clean"])
    way = (
        "give augmentation='default' (train-ubm --augment default), or a feature store that was "
        "extracted with it"
    )
    if len(conditions) < 2:
        raise InvalidInputError(
            "feature mapping needs recordings in several conditions, found them "
            f"{'as they are' if as_they_are else f'in {conditions[0]}'} alone; {way}"
        )
    if reference not in ("background", *conditions):
        raise InvalidInputError(
            f"feature mapping to {reference!r} needs recordings in that condition, found "
            f"{', '.join(conditions)}; {way}, or map to 'background'"
        )


def _speech_weights(speech: StoredFrames) -> NDArray[np.float32] | None:
    """Return the weights of all frames of a source; None if they have none."""
    found = []
    for shard in speech.shards:
        for place in range(len(shard)):
            weights = shard.weights(place)
            if weights is None:
                return None
            found.append(weights[shard.speech(place)])
    return np.concatenate(found) if found else None
