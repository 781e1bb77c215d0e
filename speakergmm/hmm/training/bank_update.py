"""Updates of a bank of mixtures, by maximum likelihood or MAP, and its growth by splitting."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.relevance_map import adapt_gaussians
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.updates import check_statistics, update_gaussians
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.training.map_options import MapOptions
from speakergmm.ranges import refused


@dataclass(frozen=True, slots=True)
class BankUpdateReport:
    """Report of an update of a bank: its exceptions to the formula.

    Parameters
    ----------
    n_floored : int
        Number of variances raised to the floor.
    n_removed : int
        Number of Gaussians removed for lack of frames.
    n_kept : int
        Number of pdfs without frames, which stay unchanged.
    """

    n_floored: int
    n_removed: int
    n_kept: int


def update_bank(
    bank: MixtureBank,
    statistics: MixtureStatistics,
    *,
    variance_floor: NDArray[np.float64],
    min_occupancy: float = 0.0,
) -> tuple[MixtureBank, BankUpdateReport]:
    """Return the bank of diagonal Gaussians that maximises the expected log-likelihood.

    Parameters
    ----------
    bank : MixtureBank
        The bank under which the statistics were accumulated.
    statistics : MixtureStatistics
        Statistics of its G Gaussians.
    variance_floor : array, shape (D,)
        Smallest variance of each feature, > 0.
    min_occupancy : float, default=0.0
        Gaussians with fewer frames are removed, except for the heaviest one of a pdf, which keeps
        its mean and variances. At 0 the update is maximum likelihood, and only Gaussians without
        any occupancy keep theirs.

    Returns
    -------
    bank : MixtureBank
        The new bank; pdfs without frames are unchanged.
    report : BankUpdateReport

    Raises
    ------
    InvalidInputError
        If the covariances are not diagonal.
    """
    if bank.gaussians.covariance_type != "diag":
        raise refused("covariances of trained pdfs", "diagonal", bank.gaussians.covariance_type)
    # Means and variances of the Gaussians with enough frames; the others keep theirs for now.
    pdf_of = np.repeat(np.arange(bank.n_pdfs), bank.sizes)
    counts = statistics.counts
    enough = counts > max(min_occupancy, 1e-8)
    found = update_gaussians(statistics, bank.gaussians, floor=variance_floor, empty=~enough)
    means = found.gaussians.means
    variances = np.where(enough[:, None], found.gaussians.variances(), bank.gaussians.variances())
    # Weights: shares of the occupancy of the pdf, as far as that has frames.
    totals = np.bincount(pdf_of, counts, minlength=bank.n_pdfs)
    unseen = totals[pdf_of] <= 0
    weights = np.where(unseen, bank.weights, counts / np.where(unseen, 1.0, totals[pdf_of]))
    keep = np.ones(len(counts), np.bool_)
    if min_occupancy > 0:
        # Remove Gaussians with too few frames, except the heaviest of each pdf: none is empty.
        heaviest = np.lexsort((-weights, pdf_of))[bank.offsets[:-1]]
        keep = enough | unseen
        keep[heaviest] = True
    weights = np.where(keep, weights, 0.0)
    sums = np.bincount(pdf_of, weights, minlength=bank.n_pdfs)
    weights = weights / sums[pdf_of]
    new_sizes = np.bincount(pdf_of[keep], minlength=bank.n_pdfs)
    updated = MixtureBank.from_parameters(
        np.concatenate([[0], np.cumsum(new_sizes)]), weights[keep], means[keep], variances[keep]
    )
    report = BankUpdateReport(
        n_floored=int(np.count_nonzero(found.was_floored[enough & keep])),
        n_removed=int(np.count_nonzero(~keep)),
        n_kept=int(np.count_nonzero(totals <= 0)),
    )
    return updated, report


def adapt_bank(
    prior: MixtureBank,
    statistics: MixtureStatistics,
    options: MapOptions,
    *,
    fixed_pdfs: NDArray[np.int32] | None = None,
) -> tuple[MixtureBank, BankUpdateReport]:
    """Return the bank of diagonal Gaussians between a prior and the data, by relevance MAP.

    Parameters
    ----------
    prior : MixtureBank
        The bank before any data.
    statistics : MixtureStatistics
        Statistics of its G Gaussians, accumulated under the prior or an adapted bank.
    options : MapOptions
        Relevance factor, and whether variances are adapted.
    fixed_pdfs : array of int, optional
        Pdfs that are not adapted.

    Returns
    -------
    bank : MixtureBank
        The adapted bank, with the weights of the prior; Gaussians without frames are unchanged.
    report : BankUpdateReport

    Raises
    ------
    InvalidInputError
        If the statistics have another shape, or covariances are not diagonal.
    """
    old = prior.gaussians
    if old.covariance_type != "diag":
        raise refused("covariances of adapted pdfs", "diagonal", old.covariance_type)
    check_statistics(statistics, old, needs_second_order=options.adapt_variances)
    new, n_floored = adapt_gaussians(
        statistics,
        old,
        relevance_factor=options.relevance_factor,
        parameters=options.parameters,
        variance_floor=options.variance_floor,
        variance_relevance_factor=options.variance_relevance_factor,
    )
    pdf_of = np.repeat(np.arange(prior.n_pdfs), prior.sizes)
    stays = statistics.counts <= 0
    if fixed_pdfs is not None:
        stays |= np.isin(pdf_of, fixed_pdfs)
    gaussians = replace(
        old,
        means=np.where(stays[:, None], old.means, new.means),
        covariances=np.where(stays[:, None], old.covariances, new.covariances),
    )
    n_kept = int(np.logical_and.reduceat(stays, prior.offsets[:-1]).sum())
    return replace(prior, gaussians=gaussians), BankUpdateReport(n_floored, 0, n_kept)


def allot_gaussians(
    occupancy: NDArray[np.float64],
    n_gaussians: int,
    *,
    power: float = 0.25,
    min_frames_per_gaussian: float = 20.0,
    present: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Allot Gaussians to pdfs in proportion to a power of their occupancies.

    Parameters
    ----------
    occupancy : array, shape (P,)
        Occupancy of each pdf, in frames.
    n_gaussians : int
        Total number of Gaussians; fewer are allotted if there are too few frames.
    power : float, default=0.25
        Exponent of the occupancies: at 0 all pdfs have the same number, at 1 all Gaussians have
        the same occupancy.
    min_frames_per_gaussian : float, default=20.0
        Frames that a pdf must have for each Gaussian beyond its first.
    present : array of int, shape (P,), optional
        Numbers of Gaussians that the pdfs have already, which do not fall; by default one each.

    Returns
    -------
    array of int, shape (P,)
        Number of Gaussians of each pdf.

    Examples
    --------
    >>> allot_gaussians(np.array([10000.0, 16.0 * 10000.0, 30.0]), 7)
    array([2, 4, 1])
    """
    numbers = np.ones(len(occupancy), np.int64) if present is None else present.copy()
    if (occupancy < 0).any() or not np.isfinite(occupancy).all():
        raise InvalidInputError("occupancies must be finite and >= 0")
    strength = occupancy**power
    queue: list[tuple[float, int]] = []

    def offer(p: int) -> None:
        if occupancy[p] >= min_frames_per_gaussian * (numbers[p] + 1):
            heapq.heappush(queue, (-strength[p] / numbers[p], p))

    for p in range(len(occupancy)):
        offer(p)
    # The next Gaussian goes to the pdf with the largest occupancy^power per Gaussian.
    for _ in range(n_gaussians - int(numbers.sum())):
        if not queue:
            break
        p = heapq.heappop(queue)[1]
        numbers[p] += 1
        offer(p)
    return numbers


def grow_bank(
    bank: MixtureBank,
    sizes: NDArray[np.int64],
    *,
    perturbation: float = 0.01,
    seed: tuple[int, ...] = (0,),
) -> MixtureBank:
    """Split the heaviest Gaussians of each pdf until it has the wanted number.

    Parameters
    ----------
    bank : MixtureBank
        A bank of diagonal Gaussians.
    sizes : array of int, shape (P,)
        Wanted number of Gaussians of each pdf; a pdf that has more keeps them.
    perturbation : float, default=0.01
        Distance by which the halves move, in standard deviations times a standard normal number
        per feature.
    seed : tuple of int
        Seed of the directions, together with the number of the pdf.

    Returns
    -------
    MixtureBank
    """
    weights, means, variances, new_sizes = [], [], [], []
    for pdf in range(bank.n_pdfs):
        part = slice(bank.offsets[pdf], bank.offsets[pdf + 1])
        w = bank.weights[part].tolist()
        m = list(bank.gaussians.means[part])
        v = list(bank.gaussians.variances()[part])
        rng = np.random.default_rng([*seed, pdf])
        # The heaviest Gaussian becomes two of half its weight, on either side of its mean.
        while len(w) < sizes[pdf]:
            heaviest = int(np.argmax(w))
            step = perturbation * np.sqrt(v[heaviest]) * rng.standard_normal(len(v[heaviest]))
            w[heaviest] /= 2
            w.append(w[heaviest])
            m.append(m[heaviest] - step)
            m[heaviest] = m[heaviest] + step
            v.append(v[heaviest])
        weights += w
        means += m
        variances += v
        new_sizes.append(len(w))
    return MixtureBank.from_parameters(
        np.cumsum([0, *new_sizes]), np.array(weights), np.array(means), np.array(variances)
    )
