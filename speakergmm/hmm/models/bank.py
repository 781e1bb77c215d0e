"""Banks of mixtures: those of all pdfs side by side, so that one matrix product evaluates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.parameters import Gaussians
from speakergmm.hmm.models.topology import freeze
from speakergmm.mixtures.mixture import Mixture, make_mixture
from speakergmm.ranges import refused

if TYPE_CHECKING:
    from speakergmm.gaussians.frame_sources import Frames
    from speakergmm.gaussians.prepare import Prepared
    from speakergmm.gaussians.standardisation import Standardisation


# Frames per block: most utterances are one block.
_BLOCK_FRAMES = 4096


class Emissions(NamedTuple):
    """Log-densities of frames under some pdfs, and under each of their Gaussians.

    Attributes
    ----------
    log_emissions : array, shape (T, P)
        Log-density of each frame under each pdf.
    densities : array, shape (T, G)
        Joint log-densities of the Gaussians of these pdfs, log w_g + log N(x | g).
    offsets : array of int, shape (P + 1,)
        First column of each pdf in `densities`.
    gaussians : array of int, shape (G,)
        Numbers of the Gaussians in the bank.
    """

    log_emissions: NDArray[np.floating[Any]]
    densities: NDArray[np.floating[Any]]
    offsets: NDArray[np.int64]
    gaussians: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MixtureBank:
    """Gaussian mixtures of P pdfs, of any sizes, with covariances of one kind.

    Parameters
    ----------
    offsets : array of int, shape (P + 1,)
        First Gaussian of each pdf.
    weights : array, shape (G,)
        Weight of each Gaussian in its pdf; those of a pdf sum to one.
    gaussians : Gaussians
        All Gaussians, pdf after pdf. Tied covariances must be given as full ones.

    Raises
    ------
    InvalidInputError
        If a pdf has no Gaussian, or its weights do not sum to one.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> one = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    >>> two = DiagonalMixture([0.5, 0.5], [[1.0], [2.0]], [[1.0], [1.0]])
    >>> bank = MixtureBank.from_mixtures([one, two])
    >>> bank.n_pdfs, bank.n_gaussians, bank.evaluate([[0.0]]).log_emissions.round(4)
    (2, 3, array([[-0.9189, -1.9107]], dtype=float32))
    """

    offsets: NDArray[np.int64]
    weights: NDArray[np.float64]
    gaussians: Gaussians

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, offsets=np.int64, weights=np.float64)
        if self.gaussians.covariance_type == "tied":
            raise InvalidInputError("a bank cannot have tied covariances; give full ones")
        ends = self.offsets[[0, -1]].tolist() if len(self.offsets) > 1 else []
        if ends != [0, len(self.weights)] or (np.diff(self.offsets) < 1).any():
            allowed = f"rising from 0 to {len(self.weights)}, its Gaussians, by at least 1 a pdf"
            raise refused("offsets of a bank", allowed, np.array2string(self.offsets, threshold=6))
        sums = np.add.reduceat(self.weights, self.offsets[:-1])
        # A comparison with NaN is false.
        if not ((self.weights >= 0).all() and (np.abs(sums - 1.0) <= 1e-6).all()):
            raise InvalidInputError("weights of each pdf must not be negative and must sum to 1")
        if self.gaussians.n_gaussians != len(self.weights):
            raise InvalidInputError(
                f"{len(self.weights)} weights for {self.gaussians.n_gaussians} Gaussians"
            )

    @classmethod
    def from_parameters(
        cls,
        offsets: ArrayLike,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str = "diag",
    ) -> Self:
        """Build a bank from arrays.

        Parameters
        ----------
        offsets : array of int, shape (P + 1,)
            First Gaussian of each pdf.
        weights : array, shape (G,)
            Weight of each Gaussian in its pdf.
        means : array, shape (G, D)
            Means, in feature units.
        covariances : array
            Covariances, in the shape of their kind.
        covariance_type : {"diag", "spherical", "full"}, default="diag"
            Kind of covariances.
        """
        offsets = np.asarray(offsets, np.int64)
        weights = np.asarray(weights, np.float64)
        # A mixture of all Gaussians checks means and covariances.
        even = np.full(len(weights), 1.0 / max(len(weights), 1))
        mixture = make_mixture(covariance_type, even, means, covariances)
        return cls(offsets, weights, mixture.gaussians)

    @classmethod
    def from_mixtures(cls, mixtures: Sequence[Mixture]) -> Self:
        """Build a bank from mixtures of one kind, one per pdf; tied covariances become full ones.

        Parameters
        ----------
        mixtures : sequence of Mixture
            The mixtures of the pdfs.

        Raises
        ------
        InvalidInputError
            If there is no mixture, or their kinds or numbers of features differ.
        """
        kinds = {(m.covariance_type, m.n_features) for m in mixtures}
        if len(kinds) != 1:
            raise refused("mixtures", "of one kind and number of features", sorted(kinds))
        kind = next(iter(kinds))[0]
        covariances = [
            mixture.full_covariances() if kind == "tied" else mixture.covariances
            for mixture in mixtures
        ]
        return cls.from_parameters(
            np.cumsum([0, *(mixture.n_components for mixture in mixtures)]),
            np.concatenate([mixture.weights / mixture.weights.sum() for mixture in mixtures]),
            np.concatenate([mixture.means for mixture in mixtures]),
            np.concatenate(covariances),
            covariance_type="full" if kind == "tied" else kind,
        )

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P."""
        return len(self.offsets) - 1

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians of all pdfs, G."""
        return len(self.weights)

    @property
    def n_features(self) -> int:
        """Number of features per frame, D."""
        return self.gaussians.n_features

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of Gaussians of each pdf, shape (P,)."""
        return np.diff(self.offsets)

    def pdf(self, number: int) -> Mixture:
        """Return the mixture of one pdf.

        Raises
        ------
        InvalidInputError
            If there is no such pdf.
        """
        (number,) = self._checked_pdfs([number])
        part = slice(self.offsets[number], self.offsets[number + 1])
        weights = self.weights[part]
        return make_mixture(
            self.gaussians.covariance_type,
            weights / weights.sum(),
            self.gaussians.means[part],
            self.gaussians.covariances[part],
        )

    def subset(self, pdfs: ArrayLike) -> Self:
        """Return the bank of some pdfs, in their order.

        Raises
        ------
        InvalidInputError
            If there is no such pdf.
        """
        chosen = self._checked_pdfs(pdfs)
        sizes = self.sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        places = np.repeat(self.offsets[chosen] - offsets[:-1], sizes) + np.arange(offsets[-1])
        kind = self.gaussians.covariance_type
        parts = (self.weights, self.gaussians.means, self.gaussians.covariances)
        chosen_parts = (part[places] for part in parts)
        return type(self).from_parameters(offsets, *chosen_parts, covariance_type=kind)

    def prepared(self, standardisation: Standardisation | None = None) -> Prepared:
        """Return the Gaussians prepared for evaluation, with log-weights within their pdfs.

        Parameters
        ----------
        standardisation : Standardisation, optional
            Standardisation of the bank; by default the bank is in feature units, and one is chosen.
        """
        from speakergmm.gaussians.prepare import prepare_gaussians, prepare_in_features

        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        if standardisation is None:
            return prepare_in_features(self.gaussians, log_weights)
        return prepare_gaussians(self.gaussians, log_weights, standardisation)

    def evaluate(
        self, X: ArrayLike, pdfs: ArrayLike | None = None, *, precision: str = "float32"
    ) -> Emissions:
        """Compute the log-densities of frames under some pdfs, or all of them.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        pdfs : array of int, shape (P,), optional
            Numbers of the pdfs; by default all of them.
        precision : {"float32", "float64"}, default="float32"
            Precision of the densities; Gaussians too narrow for float32 are evaluated in float64.

        Returns
        -------
        Emissions

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns, or a pdf does not exist.
        """
        frames = check_finite_frames(X, n_features=self.n_features)
        chosen = None if pdfs is None else self._checked_pdfs(pdfs)
        return BankEvaluator(self, precision=precision).evaluate(frames, chosen)

    def _checked_pdfs(self, pdfs: ArrayLike) -> NDArray[np.int64]:
        chosen = np.asarray(pdfs)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not chosen.size:
            raise refused("pdfs", "a list of integers", pdfs)
        if chosen.min() < 0 or chosen.max() >= self.n_pdfs:
            raise refused(
                "pdfs", f"in 0..{self.n_pdfs - 1}", (int(chosen.min()), int(chosen.max()))
            )
        return chosen.astype(np.int64)

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the stored parts, which are the arguments of `from_parameters`."""
        return {
            "offsets": NDArray[np.int64],
            "weights": NDArray[np.float64],
            "means": NDArray[np.float64],
            "covariances": NDArray[np.float64],
            "covariance_type": CovarianceType,
        }

    def record_parts(self) -> dict[str, Any]:
        """Return the stored parts, which are the arguments of `from_parameters`."""
        return {
            "offsets": self.offsets,
            "weights": self.weights,
            "means": self.gaussians.means,
            "covariances": self.gaussians.covariances,
            "covariance_type": self.gaussians.covariance_type,
        }

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build a bank from stored parts, and check them."""
        return cls.from_parameters(**parts)


class BankEvaluator:
    """A bank that is prepared once for many utterances; thread-safe.

    Parameters
    ----------
    bank : MixtureBank
        The bank.
    precision : {"float32", "float64"}, default="float32"
        Precision, as `MixtureBank.evaluate` takes it.
    """

    def __init__(self, bank: MixtureBank, *, precision: str = "float32") -> None:
        self._bank, self._precision, self._prepared = bank, precision, bank.prepared()

    def evaluate(self, frames: Frames, pdfs: ArrayLike | None = None) -> Emissions:
        """Compute the log-densities of checked frames (T, D); see `MixtureBank.evaluate`."""
        from speakergmm.gaussians.evaluator import Evaluator
        from speakergmm.hmm.models.bank_kernels import sum_by_pdf

        offsets, gaussians = self._part(pdfs)
        size = max(1, min(len(frames), _BLOCK_FRAMES))
        evaluator = Evaluator(self._prepared, precision=self._precision, block_frames=size)
        # In memory, frames lie along the rows.
        densities = np.empty((len(gaussians), len(frames)), self._precision).T
        for start in range(0, len(frames), size):
            piece = slice(start, start + size)
            evaluator.log_densities(frames[piece], densities[piece], places=gaussians)
        sums = np.ascontiguousarray(sum_by_pdf(densities, offsets))
        return Emissions(sums, densities, offsets, gaussians)

    def _part(self, pdfs: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if pdfs is None:
            return self._bank.offsets, np.arange(self._bank.n_gaussians)
        chosen = np.asarray(pdfs, np.int64)
        sizes = self._bank.sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        starts = np.repeat(self._bank.offsets[chosen] - offsets[:-1], sizes)
        return offsets, starts + np.arange(offsets[-1])
