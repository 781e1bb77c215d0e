"""The terms of the log-likelihood ratio of a speaker model to the background model.

With ``d_k(x) = log w_k N(x | speaker) - log w'_k N(x | background)``, ``d_k`` is linear in x where
only means (and weights) were adapted, since the quadratic terms are shared and cancel, and linear
in ``[x, x^2]`` otherwise. Terms are those of ``x`` minus the mean of component k of the background
model, where they are small and lose no digits in single precision, however narrow the component is
and however far from the others. One matrix product for all components needs ``x`` about one point,
the mean of the background model: `about_point` moves them there.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from speakergmm.errors import IncompatibleModelError
from speakergmm.gaussians.choices import Precision
from speakergmm.mixtures import DiagonalMixture
from speakergmm.mixtures.mixture import mixture_of
from speakergmm.ranges import choice, wrong_type
from speakergmm.speakers.speaker_options import PARAMETERS


def ratio_terms(
    background: DiagonalMixture,
    model: DiagonalMixture,
    parameters: Collection[str] = ("means", "weights"),
    *,
    dtype: DTypeLike = np.float32,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the slopes and offsets of all ``d_k``, as functions of x minus the background's means.

    Parameters
    ----------
    background, model : DiagonalMixture
        Mixtures of K components and D features each.
    parameters : collection of str
        The parameters that were adapted; with ``"variances"`` there are slopes of ``x^2`` as well.
    dtype : dtype, default=float32

    Returns
    -------
    slopes : array, shape (K, D) or (K, 2 D)
    offsets : array, shape (K,)
    """
    moved = model.means - background.means
    if "variances" not in parameters:
        slopes = moved / background.variances
        constant = -0.5 * (moved * slopes).sum(axis=1)
    else:
        linear = moved / model.variances
        square = -0.5 * (1 / model.variances - 1 / background.variances)
        slopes = np.hstack([linear, square])
        change = np.log(model.variances / background.variances)
        constant = -0.5 * (moved * linear + change).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.log(model.weights) - np.log(background.weights)
    # A component without weight in the background model cannot have been adapted.
    offsets = constant + np.where(background.weights > 0, gain, 0.0)
    return slopes.astype(dtype), offsets.astype(dtype)


def about_point(
    slopes: NDArray[Any], offsets: NDArray[Any], moves: NDArray[np.float64], dtype: DTypeLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the terms of S speakers as functions of x minus one point, the same for all k.

    Parameters
    ----------
    slopes : array, shape (S, K, D) or (S, K, 2 D)
    offsets : array, shape (S, K)
        As returned by `ratio_terms`.
    moves : array, shape (K, D)
        Means of the background model minus the point.
    dtype : dtype
        Type of the results; the sums are float64.

    Returns
    -------
    slopes : array, shape (S, K, D) or (S, K, 2 D)
        The slopes that were given, if there are none of ``x^2`` and the type is theirs.
    offsets : array, shape (S, K)
    """
    width = moves.shape[1]
    linear, square = slopes[..., :width], slopes[..., width:]
    offsets = offsets - np.einsum("skd,kd->sk", linear, moves)
    if square.shape[2]:
        offsets = offsets + np.einsum("skd,kd->sk", square, moves**2)
        slopes = np.concatenate([linear - 2 * square * moves, square], axis=2)
    return slopes.astype(dtype, copy=False), offsets.astype(dtype)


class RatioScorer:
    """Base of scorers of speakers by the terms of their likelihood ratios.

    Parameters
    ----------
    background : DiagonalMixture or BackgroundModel
        The background model, of K components and D features.
    models : mapping of str to DiagonalMixture or SpeakerModel
        The speaker models by name, adapted from the background model, of the same shape.
    precision : {"float32", "float64"}
        Precision of the terms, and of matrix products with them.

    Attributes
    ----------
    names : tuple of str
        Names of the speakers, in the order of all scores.
    background : DiagonalMixture
    precision : str

    Raises
    ------
    IncompatibleModelError
        If a model and the background model differ in the number of components or features.
    """

    def __init__(
        self,
        background: DiagonalMixture,
        models: Mapping[str, DiagonalMixture],
        *,
        precision: Precision = "float32",
    ) -> None:
        choice("precision", precision, get_args(Precision))
        background = mixture_of(background, kind=DiagonalMixture)
        if not isinstance(models, Mapping):
            way = "; a store scores its own speakers: SpeakerStore(path).identify(wav)"
            raise wrong_type(models, "a mapping {name: model}", way)
        models = {name: mixture_of(model, kind=DiagonalMixture) for name, model in models.items()}
        for name, model in models.items():
            if model.means.shape != background.means.shape:
                raise IncompatibleModelError(
                    f"model of {name!r} has {model.n_components} components of "
                    f"{model.n_features} features, the background model "
                    f"{background.n_components} of {background.n_features}"
                )
        same_variances = all(
            np.array_equal(model.variances, background.variances) for model in models.values()
        )
        parameters = ("means", "weights") if same_variances else PARAMETERS
        width = background.n_features * (1 if same_variances else 2)
        slopes = np.empty((len(models), background.n_components, width), precision)
        offsets = np.empty((len(models), background.n_components), precision)
        for place, model in enumerate(models.values()):
            slopes[place], offsets[place] = ratio_terms(
                background, model, parameters, dtype=precision
            )
        self._set_terms(background, tuple(models), slopes, offsets)

    @classmethod
    def from_terms(
        cls,
        background: DiagonalMixture,
        names: Sequence[str],
        slopes: NDArray[Any],
        offsets: NDArray[Any],
    ) -> Self:
        """Return a scorer of speakers whose terms have been computed.

        Parameters
        ----------
        background : DiagonalMixture
        names : sequence of str
        slopes : array, shape (S, K, D) or (S, K, 2 D)
        offsets : array, shape (S, K)
            As returned by `ratio_terms`; both float32 or both float64.
        """
        scorer = object.__new__(cls)
        scorer._set_terms(background, tuple(names), slopes, offsets)
        return scorer

    def _set_terms(
        self,
        background: DiagonalMixture,
        names: tuple[str, ...],
        slopes: NDArray[Any],
        offsets: NDArray[Any],
    ) -> None:
        self.names = names
        self.background = background
        self.precision: Precision = "float64" if slopes.dtype == np.float64 else "float32"
        self._centre = background.weights @ background.means
        self._slopes, self._offsets = slopes, offsets
        self._place = {name: place for place, name in enumerate(names)}

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process is made of: nothing that it can compute."""
        computed = ("_about_centre", "_largest_slopes")
        return {name: value for name, value in vars(self).items() if name not in computed}

    @cached_property
    def _about_centre(self) -> tuple[NDArray[Any], NDArray[Any]]:
        moves = self.background.means - self._centre
        return about_point(self._slopes, self._offsets, moves, self.precision)

    def _centred_terms(
        self, some: slice, precision: Precision
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the terms of some speakers, of x minus the mean of the background model."""
        if precision == self.precision:
            slopes, offsets = self._about_centre
            return slopes[some], offsets[some]
        moves = self.background.means - self._centre
        slopes = self._slopes[some].astype(precision)
        return about_point(slopes, self._offsets[some], moves, precision)

    def __len__(self) -> int:
        return len(self.names)

    def terms(self, place: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the terms of one speaker.

        Parameters
        ----------
        place : int
            Place of the speaker in `names`.

        Returns
        -------
        slopes : array, shape (K, D) or (K, 2 D)
        offsets : array, shape (K,)
        """
        return self._slopes[place], self._offsets[place]

    def subset(self, names: Sequence[str]) -> Self:
        """Return a scorer of some of the speakers.

        Parameters
        ----------
        names : sequence of str
            Names of the speakers, in the order of the new scorer.

        Returns
        -------
        scorer
            Of the same kind.
        """
        places = [self._place[name] for name in names]
        return self.from_terms(self.background, names, self._slopes[places], self._offsets[places])
