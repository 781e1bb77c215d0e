"""Log-densities of all components as one matrix product.

With f the functions of a standardised frame z (`basis`), [1, z, z^2] for diagonal covariances, the
joint log-density of component k is f @ p_k: p_k holds a constant and its natural parameters, such
as mean / variance and -1 / (2 variance). In float32 each of the terms is rounded to 6e-8 of its
size, so the error of a log-density grows with (deviation of the data / deviation of the
component)^2: in 39 features it is 1e-5 or so for components as wide as the data, and at worst a few
1e-3 where they are up to thirty times narrower, as far as the default variance floor goes. A
mixture for which more than 5e-2 must be feared is evaluated in float64, whatever was asked for;
one of clusters so far apart that float64 would lose digits as well, about its means (`centred`).

What must be feared, `NaturalParameters.rounding`, is 1.2e-7 times the size of the largest terms.
Over random mixtures of every kind in 6 and 20 features, with eigenvalues down to 1e-9 of the
data's, units from 1e-6 to 1e6 and large offsets, the log-likelihood of the worst of their own
frames was off by no more than 1.8 times that (or 5e-5), which is up to 5e-2; the mean over the
frames by up to 3e-3. Training leaves float32 sooner (`steps`): after a step of EM parameters were
within 1.1e-2 deviations of those of float64, and within 2e-3 of them where the eigenvalues of
components are down to 1e-3 of the data's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.basis import Basis, basis_of
from speakergmm.gaussians.centred import CentredComponents
from speakergmm.gaussians.coordinates import Coordinates, whiten
from speakergmm.gaussians.expansion import Expander, bring_nearer, expand_exactly
from speakergmm.gaussians.standardisation import Standardisation

if TYPE_CHECKING:
    from speakergmm.gaussians.frames import Frames
    from speakergmm.gaussians.parameters import Mixture

# A component of weight zero: low enough for a responsibility of exactly zero at any sane frame,
# and no infinity, which a matrix product could turn into NaN.
_LOG_ZERO = -1e30
# Of a log-density, in nats.
_LARGEST_ROUNDING = 5e-2
# The same in float32 of what float64 leaves an error of 1e-9.
_LARGEST_ROUNDING_FLOAT64 = 0.5
# A maximum of a row costs a fraction of a nanosecond per number, a partition some twenty.
_MAXIMA_UP_TO = 40


@dataclass(frozen=True, slots=True, eq=False)
class NaturalParameters:
    """A mixture as its densities need it.

    Parameters
    ----------
    coordinates : Coordinates
        Where the frames are expanded.
    basis : Basis
        The functions of a frame in these coordinates; B of them.
    components : array, shape (B, K)
        Columns p_k, in natural logarithms of densities in these coordinates.
    envelope : array, shape (B,)
        The same for the one Gaussian that has the moments of the whole mixture.
    rounding : float
        Error to expect of a log-density in float32, in nats, for frames near the component for
        which it is largest.
    centred : CentredComponents, optional
        How to evaluate them all the same, where even float64 would lose digits.
    """

    coordinates: Coordinates
    basis: Basis
    components: NDArray[np.float64]
    envelope: NDArray[np.float64]
    rounding: float
    centred: CentredComponents | None = None

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return int(self.components.shape[1])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return self.basis.n_features


def natural_parameters(
    model: Mixture, *, log_weights: NDArray[np.float64] | None = None
) -> NaturalParameters:
    """Natural parameters of a mixture in the coordinates where, as a whole, it is near (0, 1).

    Parameters
    ----------
    model : Mixture
        In feature units.
    log_weights : array, shape (K,), optional
        In place of the logarithms of the model's weights; they need not be normalised.
    """
    standardisation = Standardisation.from_moments(
        *model.global_moments(), isotropic=model.covariance_type == "spherical"
    )
    standard = standardisation.model_to_standard(model)
    return standard_natural_parameters(standard, standardisation, log_weights=log_weights)


def standard_natural_parameters(
    standard: Mixture,
    standardisation: Standardisation,
    *,
    log_weights: NDArray[np.float64] | None = None,
    origins: NDArray[np.float64] | None = None,
) -> NaturalParameters:
    """Natural parameters of a mixture that is given in standardised coordinates.

    Parameters
    ----------
    standard : Mixture
        The mixture of z.
    standardisation : Standardisation
        What turns frames into z.
    log_weights : array, shape (K,), optional
        In place of the logarithms of the model's weights; they need not be normalised.
    origins : array, shape (K, D), optional
        Points that moments are to be about, since the next components will be far narrower than
        the data: their means.
    """
    white, coordinates = whiten(standard, standardisation)
    basis = basis_of(standard)
    if log_weights is None:
        with np.errstate(divide="ignore"):
            log_weights = np.log(standard.weights)
    log_weights = np.maximum(log_weights, _LOG_ZERO)
    rounding = float(np.finfo(np.float32).eps * basis.size(white))
    centred = None
    if rounding > _LARGEST_ROUNDING_FLOAT64 or origins is not None:
        centred = CentredComponents.of(
            standard, standardisation, basis, log_weights, origins=origins
        )
    return NaturalParameters(
        coordinates=coordinates,
        basis=basis,
        components=basis.columns(white, log_weights),
        envelope=basis.envelope(white),
        rounding=rounding,
        centred=centred,
    )


def log_density(
    natural: NaturalParameters, frames: Frames, *, precision: str
) -> NDArray[np.floating[Any]]:
    """Joint log-densities (T, K) of checked frames (T, D), in feature units."""
    size = block_size(natural.n_components, natural.basis.n_rows)
    if natural.centred is not None:
        result = np.empty((len(frames), natural.n_components), check_precision(precision))
        for start in range(0, len(frames), size):
            exact = natural.centred.log_densities(frames[start : start + size])
            result[start : start + size] = np.maximum(exact, np.finfo(result.dtype).min)
        return result
    dtype = evaluation_dtype(natural, precision)
    constants = np.zeros((len(natural.components), 1))
    constants[0] = natural.coordinates.log_volume
    exact_columns = natural.components - constants
    columns = exact_columns.astype(dtype)
    result = np.empty((len(frames), natural.n_components), dtype)
    expander = Expander(natural, dtype=dtype, block_frames=min(size, len(frames)))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(frames), size):
            block = frames[start : start + size]
            target = result[start : start + len(block)]
            np.matmul(expander.expand(block).T, columns, out=target)
            lost = np.flatnonzero(~np.isfinite(target.sum(axis=1)))
            if lost.size:
                # Frames so far away that squares overflow: their densities still are numbers.
                rows = bring_nearer(natural, expand_exactly(natural, block[lost]))
                target[lost] = np.maximum(rows.T @ exact_columns, np.finfo(dtype).min)
    return result.astype(precision, copy=False)


def select_top(
    natural: NaturalParameters, frames: Frames, n_top: int, *, precision: str
) -> tuple[NDArray[np.intp], NDArray[np.floating[Any]]]:
    """Find the `n_top` best components of each frame: (T, C) indices and joint log-densities."""
    indices = np.empty((len(frames), n_top), np.intp)
    values = np.empty((len(frames), n_top), check_precision(precision))
    size = block_size(natural.n_components, natural.basis.n_rows)
    take = _take_maxima if n_top <= _MAXIMA_UP_TO else _partition
    for start in range(0, len(frames), size):
        block = slice(start, start + size)
        densities = log_density(natural, frames[block], precision=precision)
        take(densities, indices[block], values[block])
    return indices, values


def _take_maxima(
    densities: NDArray[np.floating[Any]],
    indices: NDArray[np.intp],
    values: NDArray[np.floating[Any]],
) -> None:
    """Fill (T, C) with the best of (T, K), which are used up; of equal ones the first."""
    rows = np.arange(len(densities))
    for place in range(indices.shape[1]):
        highest = densities.argmax(axis=1)
        indices[:, place] = highest
        values[:, place] = densities[rows, highest]
        densities[rows, highest] = -np.inf


def _partition(
    densities: NDArray[np.floating[Any]],
    indices: NDArray[np.intp],
    values: NDArray[np.floating[Any]],
) -> None:
    """Fill (T, C) with the best of (T, K)."""
    n_top = indices.shape[1]
    top = np.argpartition(densities, -n_top, axis=1)[:, -n_top:]
    top.sort(axis=1)
    best = np.take_along_axis(densities, top, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    indices[:] = np.take_along_axis(top, order, axis=1)
    values[:] = np.take_along_axis(best, order, axis=1)


def posteriors(
    natural: NaturalParameters, frames: Frames, *, precision: str
) -> NDArray[np.floating[Any]]:
    """Posterior probabilities (T, K) of checked frames (T, D)."""
    size = block_size(natural.n_components, natural.basis.n_rows)
    result = np.empty((len(frames), natural.n_components), check_precision(precision))
    for start in range(0, len(frames), size):
        block = slice(start, start + size)
        densities = log_density(natural, frames[block], precision=precision)
        densities -= densities.max(axis=1, keepdims=True)
        np.exp(densities, out=densities)
        np.divide(densities, densities.sum(axis=1, keepdims=True), out=result[block])
    return result


def predict(natural: NaturalParameters, frames: Frames, *, precision: str) -> NDArray[np.intp]:
    """Most probable components (T,) of checked frames (T, D); of equal ones the first."""
    size = block_size(natural.n_components, natural.basis.n_rows)
    result = np.empty(len(frames), np.intp)
    for start in range(0, len(frames), size):
        block = slice(start, start + size)
        result[block] = log_density(natural, frames[block], precision=precision).argmax(axis=1)
    return result


def log_likelihood(
    natural: NaturalParameters, frames: Frames, *, precision: str
) -> NDArray[np.float64]:
    """Log-likelihoods (T,) of checked frames (T, D), in feature units."""
    from speakergmm.gaussians.responsibilities import BlockEvaluator

    size = block_size(natural.n_components, natural.basis.n_rows)
    evaluator = BlockEvaluator(natural, precision=precision, block_frames=min(size, len(frames)))
    result = np.empty(len(frames))
    for start in range(0, len(frames), size):
        stop = start + size
        result[start:stop] = evaluator.evaluate(frames[start:stop]).log_likelihood
    return result


def evaluation_dtype(natural: NaturalParameters, precision: str) -> np.dtype[Any]:
    """Return the dtype in which to evaluate a mixture: the one asked for, where that is safe."""
    if natural.rounding > _LARGEST_ROUNDING:
        precision = "float64"
    return check_precision(precision)


def check_precision(precision: str) -> np.dtype[Any]:
    """Return the dtype that `precision` names.

    Raises
    ------
    InvalidInputError
        If it is neither "float32" nor "float64".
    """
    if precision not in ("float32", "float64"):
        raise InvalidInputError(f"precision must be 'float32' or 'float64', found {precision!r}")
    return np.dtype(precision)


def block_size(n_components: int, n_rows: int = 0) -> int:
    """Frames of a block that fills a core's share of cache, about 2 MiB of float32.

    Parameters
    ----------
    n_components : int
        K: the densities of a frame.
    n_rows : int, default=0
        B: the functions of a frame, where they are more than the densities.
    """
    return int(np.clip(2**19 // max(n_components, n_rows), 256, 4096))
