"""Base of estimators that use a mixture, which another estimator fits."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Literal, Self

from sklearn.base import BaseEstimator, clone

from speakergmm.estimators.base import BaseMixtureEstimator
from speakergmm.estimators.bayesian import BayesianGaussianMixture
from speakergmm.estimators.estimator_records import Storable, parameter_types, parameters_of
from speakergmm.estimators.gaussian import GaussianMixture
from speakergmm.estimators.parameter_checks import NestingEstimator, wrong_estimator
from speakergmm.ranges import refused
from speakergmm.records import Types

_KINDS: dict[str, type[BaseMixtureEstimator]] = {
    kind.__name__: kind for kind in (GaussianMixture, BayesianGaussianMixture)
}


@dataclass(eq=False, repr=False)
class MixtureMetaEstimator(NestingEstimator, Storable, BaseEstimator):  # type: ignore[misc]
    """Base of estimators that fit a clone of another estimator, whose result is a mixture.

    Parameters
    ----------
    estimator : GaussianMixture, BayesianGaussianMixture or None, default=None
        Estimator of which a clone is fitted. None is ``GaussianMixture()``.
    n_components : int or None, default=None
        Number of components, in place of the estimator's.
    random_state : int, RandomState or None, default=None
        Source of randomness of an estimator that has no `random_state` of its own.
    n_jobs : int, optional
        Number of threads of the training if `estimator` is None; -1 for all cores, None for the
        engine in use (`speakergmm.engine.use`).

    Attributes
    ----------
    estimator_ : GaussianMixture or BayesianGaussianMixture
        The fitted clone.
    """

    _parameter_types: ClassVar[Types] = {
        "estimator": {
            "type": Literal["GaussianMixture", "BayesianGaussianMixture"],
            **parameter_types(GaussianMixture),
            **parameter_types(BayesianGaussianMixture),
        }
    }

    _nested_kind = GaussianMixture
    _nested_role = "mixture"

    estimator: BaseMixtureEstimator | None = None
    _: KW_ONLY
    n_components: int | None = None
    random_state: Any = None
    n_jobs: int | None = None
    estimator_: BaseMixtureEstimator = field(init=False)

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters of this estimator, or of the mixture, as in ``estimator__max_iter=50``.

        Parameters
        ----------
        **parameters
            Parameters by name. If `estimator` is None and one of its parameters is named, it
            becomes ``GaussianMixture()`` first.

        Returns
        -------
        self
        """
        is_nested = any(name.startswith("estimator__") for name in parameters)
        if is_nested and parameters.get("estimator", self.estimator) is None:
            parameters["estimator"] = GaussianMixture()
        changed: Self = super().set_params(**parameters)
        return changed

    @property
    def converged_(self) -> bool:
        """True if the training of the mixture converged."""
        return self.estimator_.converged_

    @property
    def n_iter_(self) -> int:
        """Number of iterations of the training of the mixture."""
        return self.estimator_.n_iter_

    def _clone_estimator(self, random_state: Any) -> BaseMixtureEstimator:
        """Return the estimator to be fitted, whose randomness is `random_state` if it has none."""
        if self.estimator is None:
            copy: BaseMixtureEstimator = GaussianMixture(n_jobs=self.n_jobs)
        elif isinstance(self.estimator, BaseMixtureEstimator):
            copy = clone(self.estimator)
        else:
            wanted = "a mixture estimator, such as GaussianMixture(n_components=2)"
            raise wrong_estimator(self, wanted, library="sklearn.mixture")
        if self.n_components is not None:
            copy.n_components = self.n_components
        if copy.random_state is None:
            copy.random_state = random_state
        return copy

    def record_parts(self) -> dict[str, Any]:
        """Return the parts of an estimator, with the parameters of the one that it fits."""
        parts = super().record_parts()
        kind = type(self.estimator_).__name__
        if type(self.estimator_) is not _KINDS.get(kind):
            raise refused(f"the estimator of a stored {self.file_kind}", " or ".join(_KINDS), kind)
        if isinstance(self.estimator, BaseMixtureEstimator) and "estimator" in parts["parameters"]:
            kind = type(self.estimator).__name__
            parts["parameters"]["estimator"] = {"type": kind, **parameters_of(self.estimator)}
        return parts

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build the fitted estimator from its parts."""
        of_estimator = parts["parameters"].get("estimator")
        if of_estimator is not None:
            kind = _KINDS[of_estimator.pop("type")]
            parts["parameters"]["estimator"] = kind(**of_estimator)
        return super().of_record(**parts)
