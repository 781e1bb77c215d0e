"""Training of factor analysis by expectation-maximisation, whatever its factors are tied to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.checkpoints import short_digest
from speakergmm.engine import Engine
from speakergmm.gaussians import EMState
from speakergmm.gaussians.em import EMResult, EMStep, UpdateReport
from speakergmm.mixtures.mixture import Mixture
from speakergmm.mixtures.resumable_em import run_resumable_em
from speakergmm.run_context import RunContext
from speakergmm.subspace.factor_options import FactorTrainingOptions
from speakergmm.subspace.factor_sums import FactorSums, SumFactors
from speakergmm.subspace.factor_updates import FactorUpdate, update_factors
from speakergmm.subspace.factors import Factors, PreparedFactors
from speakergmm.subspace.session_statistics import SessionShard, SessionTotals

Array = NDArray[np.float64]

# Variance among sessions that all random loadings together give each feature at the start, as a
# part of the variance within sessions.
_START_VARIANCE = 0.1
# A fall of the objective that is rounding, relative to its size.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class FactorSteps:
    """The E-step and the M-step of factor analysis on given statistics.

    Parameters
    ----------
    shards : sequence of SessionShard
    totals : SessionTotals
        Of all of them.
    update : FactorUpdate
    reference : float
        Log-likelihood of all sessions without factors, from which that of models is counted.
    engine : Engine
    description : str or None
        Text of a progress bar.
    """

    shards: Sequence[SessionShard]
    totals: SessionTotals
    update: FactorUpdate
    reference: float
    engine: Engine
    description: str | None = None

    def expect(self, factors: Factors) -> FactorSums:
        """Return the sums over all sessions, with the log-likelihood of the model."""
        prepared = PreparedFactors(factors)
        sums = self.engine.map_reduce(
            SumFactors(prepared),
            self.shards,
            FactorSums.merge,
            in_memory=True,
            description=self.description,
        )
        assert sums is not None
        sums.log_likelihood += prepared.constant(*self.totals) - self.reference
        return sums

    def maximise(self, sums: FactorSums, factors: Factors) -> tuple[Factors, UpdateReport]:
        """Return the model that the sums lead to."""
        new, n_floored = update_factors(sums, factors, self.totals, self.update)
        return new, UpdateReport(n_floored=n_floored)


def without_factors(mixture: Mixture) -> Factors:
    """Return the model of a mixture that no factor moves."""
    return Factors(
        mixture.covariance_type,
        mixture.means,
        mixture.covariances,
        np.zeros((*mixture.means.shape, 0)),
        0,
    )


def random_loadings(base: Factors, n_factors: int, rng: np.random.Generator) -> Array:
    """Return random loadings (K, D, n_factors), in feature units."""
    noise = rng.standard_normal((*base.means.shape, n_factors))
    noise *= np.sqrt(_START_VARIANCE / max(1, n_factors))
    return PreparedFactors(base).whitening.colour(noise)


def train_factors(
    start: Factors,
    mixture: Mixture,
    shards: Sequence[SessionShard],
    update: FactorUpdate,
    options: FactorTrainingOptions,
    *,
    second_order: Array | None = None,
    engine: Engine,
    run: RunContext,
) -> EMResult[Factors]:
    """Train a model from a start.

    Parameters
    ----------
    start : Factors
    mixture : Mixture
        The background mixture; objectives are relative to its log-likelihood.
    shards : sequence of SessionShard
        The statistics.
    update : FactorUpdate
        The parts of the model that are updated.
    options : FactorTrainingOptions
    second_order : array, optional
        Second-order statistics over all sessions, in the shape of the covariances.
    engine : Engine
    run : RunContext
    """
    totals = engine.map_reduce(SessionTotals.of_shard, shards, SessionTotals.plus, in_memory=True)
    assert totals is not None
    totals = totals._replace(second_order=second_order)
    reference = PreparedFactors(without_factors(mixture)).constant(*totals)
    shown = run.description("pass over the sessions")
    steps = FactorSteps(shards, totals, update, reference, engine, shown)
    loop: dict[str, Any] = {"max_iter": options.max_iter, "tol": options.tol}
    step = EMStep(accumulate=steps.expect, update=steps.maximise, rounding=_ROUNDING, **loop)

    def fingerprint() -> dict[str, Any]:
        """Return what a checkpoint must share with this call."""
        return {
            "sessions": short_digest([tuple(shard) for shard in shards]),
            "second order": short_digest(second_order),
            "background mixture": short_digest(mixture),
            "start": short_digest(start),
            **asdict(update),
            **loop,
        }

    return run_resumable_em(start, step, EMState[Factors], fingerprint=fingerprint, run=run)
