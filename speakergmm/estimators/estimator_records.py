"""What a fitted estimator declares as its record, and how it comes back of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_type_hints

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from speakergmm import records
from speakergmm.estimators.history import FitHistory
from speakergmm.gaussians.covariances import Precision
from speakergmm.gaussians.em import Convergence
from speakergmm.records import Given, Types

# They say how a fit is watched, or where it is kept meanwhile.
_NOT_STORED = frozenset(["callback", "checkpoint"])
_STORED = (bool, int, float, str, list, tuple, np.generic, np.ndarray)


class _Fitted:
    # What a fit sets that is no part of a record.
    n_features_in_: int


@dataclass(eq=False, repr=False)
class Storable(_Fitted, records.Filed):
    """Adds `save` and `load` to an estimator, whose record is its parameters and what it fitted.

    A subclass is a dataclass whose fields of ``init=False`` are what a fit sets. It declares in
    `_parameter_types` the types of parameters that are neither text nor numbers, and in `_beside`
    those of what is no attribute and has a name without a last underscore: the subclass adds it to
    `record_parts`, and is given it back in `_restored`, where it also checks that the parts belong
    together.

    Functions, the path of a `checkpoint`, and a random state that is a generator and not a number,
    are not stored. An estimator that is not fitted is refused, and so is what can't be stored.
    """

    _beside: ClassVar[dict[str, Any]] = {}
    _parameter_types: ClassVar[Types] = {}

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the parameters and of what a fit sets."""
        # What a user's subclass annotates is no field, and may be known to no one here.
        declaring = next(base for base in cls.__mro__ if "__dataclass_fields__" in vars(base))
        hints = get_type_hints(declaring, include_extras=True)
        return {
            "parameters": parameter_types(cls),
            "feature_names": list[str] | None,
            "dtype": Literal["float32", "float64"] | None,
            **{field.name: hints[field.name] for field in fields(cls) if not field.init},
            **cls._beside,
        }

    def record_parts(self) -> dict[str, Any]:
        """Return the parameters and what a fit has set."""
        types = records.record_types(type(self))
        fitted = [name for name in types if name.endswith("_")]
        check_is_fitted(self, [name for name in fitted if not records.is_optional(types[name])])
        parts = {name: getattr(self, name) for name in fitted if hasattr(self, name)}
        names, dtype = getattr(self, "feature_names_in_", None), getattr(self, "_dtype", None)
        return parts | {
            "parameters": parameters_of(self),
            "feature_names": None if names is None else list(names),
            "dtype": None if dtype is None else dtype.name,
        }

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build the fitted estimator of its parts."""
        estimator = cls(**parts.pop("parameters"))
        feature_names, dtype = parts.pop("feature_names", None), parts.pop("dtype", None)
        for name in [name for name in parts if name.endswith("_")]:
            setattr(estimator, name, parts.pop(name))
        if dtype is not None:
            estimator._dtype = np.dtype(dtype)  # type: ignore[attr-defined]
        estimator._restored(parts)
        if feature_names is not None:
            if len(feature_names) != estimator.n_features_in_:
                raise ValueError(
                    f"{len(feature_names)} names for {estimator.n_features_in_} features"
                )
            estimator.feature_names_in_ = np.array(feature_names, dtype=object)  # type: ignore[attr-defined]
        return estimator

    def _restored(self, parts: Types) -> None:
        """Set what follows from the parts, and refuse parts that don't belong together."""
        fitted: Any = self
        fitted.n_features_in_ = fitted.mixture_.n_features


@dataclass(eq=False, repr=False)
class StorableFit(Storable):
    """Adds `save` and `load` to an estimator with a history: the course of the fit is kept."""

    _beside: ClassVar[dict[str, Any]] = {"bound_of": str | None}
    history_: FitHistory = field(init=False)
    convergence_: Convergence = field(init=False)
    lower_bound_: float = field(init=False)
    precision_: Precision = field(init=False)

    def record_parts(self) -> dict[str, Any]:
        """Return the parts of an estimator, and what its bound is a bound of."""
        fitted: Any = self
        return super().record_parts() | {"bound_of": fitted._objective_of_last_fit()}

    def _restored(self, parts: Types) -> None:
        super()._restored(parts)
        fitted: Any = self
        fitted.converged_ = fitted.convergence_ == "converged"
        fitted.n_iter_ = len(fitted.history_)
        fitted.lower_bounds_ = list(fitted.history_.bounds)
        fitted._bound_of = fitted.mixture_, parts.get("bound_of")


def parameter_types(cls: type[BaseEstimator]) -> dict[str, Any]:
    """Return the types of an estimator's parameters, but for those that are not stored."""
    declared: Mapping[str, Any] = getattr(cls, "_parameter_types", {})
    return {
        name: declared.get(name, Given)
        for name in cls._get_param_names()
        if name not in _NOT_STORED
    }


def parameters_of(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the parameters of an estimator that can be stored."""
    types = parameter_types(type(estimator))
    return {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name in types
        and (types[name] is not Given or value is None or isinstance(value, _STORED))
    }
