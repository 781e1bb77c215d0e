"""The mixtures of all pdfs, laid side by side so that one matrix product evaluates them."""

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


# Frames whose functions are held at a time: those of most utterances.
_BLOCK_FRAMES = 4096


class Emissions(NamedTuple):
    """What frames say of some pdfs, and of each Gaussian in them.

    Attributes
    ----------
    log_emissions : array, shape (T, P)
        Log-density of each frame under each pdf asked for.
    densities : array, shape (T, G)
        Joint log-densities of the Gaussians of these pdfs, log w_g + log N(x | g).
    offsets : array of int, shape (P + 1,)
        Where the columns of each pdf begin in `densities`.
    gaussians : array of int, shape (G,)
        Which Gaussians of the bank the columns are.
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
        Where the Gaussians of each pdf begin.
    weights : array, shape (G,)
        Of each Gaussian in its pdf; those of a pdf sum to one.
    gaussians : Gaussians
        All Gaussians, pdf after pdf. Not tied: pdfs with tied covariances are given as full ones.

    Raises
    ------
    InvalidInputError
        If a pdf has no Gaussian, or its weights don't sum to one.

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
        """Freeze and check."""
        freeze(self, offsets=np.int64, weights=np.float64)
        if self.gaussians.covariance_type == "tied":
            raise InvalidInputError("a bank holds pdfs, not a tied covariance: give full ones")
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
        """Build from arrays; weights are those within each pdf."""
        offsets = np.asarray(offsets, np.int64)
        weights = np.asarray(weights, np.float64)
        # The checks of a mixture; weights are those within each pdf.
        even = np.full(len(weights), 1.0 / max(len(weights), 1))
        mixture = make_mixture(covariance_type, even, means, covariances)
        return cls(offsets, weights, mixture.gaussians)

    @classmethod
    def from_mixtures(cls, mixtures: Sequence[Mixture]) -> Self:
        """Lay mixtures of one kind, one a pdf, side by side; tied ones become full ones.

        Raises
        ------
        InvalidInputError
            If there is none, or they are of several kinds or numbers of features.
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
        """Number of features of a frame, D."""
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
            If there is no pdf of that number.
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

    def prepared(self, standardisation: Standardisation | None = None) -> Prepared:
        """Return the Gaussians ready to be evaluated, with log-weights within their pdfs.

        Parameters
        ----------
        standardisation : Standardisation, optional
            Which the bank is in already; by default it is in feature units, and one is found.
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
        """Evaluate frames under some pdfs, or all.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        pdfs : array of int, shape (P,), optional
            Which pdfs; by default all.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated; see `speakergmm.gaussians.prepare`.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns, or there is no pdf of a number asked for.
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
        """Return the types of what `from_parameters` takes."""
        return {
            "offsets": NDArray[np.int64],
            "weights": NDArray[np.float64],
            "means": NDArray[np.float64],
            "covariances": NDArray[np.float64],
            "covariance_type": CovarianceType,
        }

    def record_parts(self) -> dict[str, Any]:
        """Return what `from_parameters` takes."""
        return {
            "offsets": self.offsets,
            "weights": self.weights,
            "means": self.gaussians.means,
            "covariances": self.gaussians.covariances,
            "covariance_type": self.gaussians.covariance_type,
        }

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build from stored parts, checked anew."""
        return cls.from_parameters(**parts)


class BankEvaluator:
    """A bank made ready for many utterances; may be used by several threads.

    Parameters
    ----------
    bank : MixtureBank
        What to evaluate.
    precision : {"float32", "float64"}
        As `MixtureBank.evaluate` has it.
    """

    def __init__(self, bank: MixtureBank, *, precision: str = "float32") -> None:
        self._bank, self._precision, self._prepared = bank, precision, bank.prepared()

    def evaluate(self, frames: Frames, pdfs: ArrayLike | None = None) -> Emissions:
        """Evaluate checked frames (T, D); see `MixtureBank.evaluate`."""
        from speakergmm.gaussians.evaluator import Evaluator
        from speakergmm.hmm.models.bank_kernels import sum_by_pdf

        offsets, gaussians = self._part(pdfs)
        size = max(1, min(len(frames), _BLOCK_FRAMES))
        evaluator = Evaluator(self._prepared, precision=self._precision, block_frames=size)
        # Frames lie along the rows in memory.
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
