"""Records of fitted estimators: the parts that are stored, and their restoration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_type_hints

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from speakergmm import records
from speakergmm.estimators.history import FitHistory
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.em import Convergence
from speakergmm.records import Given, Types

# These have no meaning outside the process or the machine of the fit.
_NOT_STORED = frozenset(["callback", "checkpoint"])
_STORED = (bool, int, float, str, list, tuple, np.generic, np.ndarray)


class _Fitted:
    # Set by a fit; not part of a record, because it follows from other parts.
    n_features_in_: int


@dataclass(eq=False, repr=False)
class Storable(_Fitted, records.Filed):
    """Base that adds `save` and `load` to an estimator.

    The record of an estimator consists of its parameters and the attributes that a fit sets. A
    subclass is a dataclass whose fields with ``init=False`` are these attributes. It declares in
    `_parameter_types` the types of parameters that are neither text nor numbers, and in
    `_extra_types` the types of further parts, which are not attributes and whose names do not end
    in an underscore: the subclass adds them in `record_parts` and receives them in `_restored`,
    where it also checks that the parts belong together.

    Functions, the path of a `checkpoint`, and a random state that is a generator instead of a
    number, are not stored. Saving an estimator that is not fitted raises an error.
    """

    _extra_types: ClassVar[dict[str, Any]] = {}
    _parameter_types: ClassVar[Types] = {}

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the parameters and of the attributes that a fit sets."""
        # Annotations in a user's subclass are not fields, and may not even be resolvable.
        declaring = next(base for base in cls.__mro__ if "__dataclass_fields__" in vars(base))
        hints = get_type_hints(declaring, include_extras=True)
        return {
            "parameters": parameter_types(cls),
            "feature_names": list[str] | None,
            "dtype": Literal["float32", "float64"] | None,
            **{field.name: hints[field.name] for field in fields(cls) if not field.init},
            **cls._extra_types,
        }

    def record_parts(self) -> dict[str, Any]:
        """Return the parameters and the attributes that a fit has set."""
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
        """Build the fitted estimator from its parts."""
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
        """Set what follows from the parts; raise an error if these do not belong together."""
        fitted: Any = self
        fitted.n_features_in_ = fitted.mixture_.n_features


@dataclass(eq=False, repr=False)
class StorableFit(Storable):
    """Base that adds `save` and `load` to an estimator of a mixture, with its history."""

    _extra_types: ClassVar[dict[str, Any]] = {"bound_of": str | None}
    history_: FitHistory = field(init=False)
    convergence_: Convergence = field(init=False)
    lower_bound_: float = field(init=False)
    precision_: Precision = field(init=False)

    def record_parts(self) -> dict[str, Any]:
        """Return the parts of an estimator, and the digest of the objective of its bound."""
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
    """Return the types of those parameters of an estimator that are stored."""
    declared: Mapping[str, Any] = getattr(cls, "_parameter_types", {})
    return {
        name: declared.get(name, Given)
        for name in cls._get_param_names()
        if name not in _NOT_STORED
    }


def parameters_of(estimator: BaseEstimator) -> dict[str, Any]:
    """Return those parameters of an estimator that can be stored."""
    types = parameter_types(type(estimator))
    return {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name in types
        and (types[name] is not Given or value is None or isinstance(value, _STORED))
    }
