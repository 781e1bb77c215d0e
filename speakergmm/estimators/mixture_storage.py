"""Storage of estimators that are a mixture and some numbers of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from speakergmm.estimators.storage import Storable
from speakergmm.gaussians.kinds import mixture_kind
from speakergmm.gaussians.parameters import Mixture


class StorableMixture(Storable):
    """Adds `save` and `load` to an estimator whose fit has no history.

    A subclass extends `_state_arrays` and `_restore_state` by its arrays, and `_fit_metadata` and
    `_restore_fit` by its numbers.
    """

    def _state_arrays(self) -> dict[str, NDArray[Any]]:
        return pack_mixture(self.mixture_)

    def _restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.mixture_ = unpack_mixture(arrays)

    def _fit_metadata(self) -> dict[str, Any]:
        fitted: Any = self
        names = getattr(self, "feature_names_in_", None)
        return {
            "n_features": int(fitted.n_features_in_),
            "feature_names": None if names is None else [str(name) for name in names],
        }

    def _restore_fit(self, stored: Mapping[str, Any]) -> None:
        fitted: Any = self
        n_features, names = int(stored["n_features"]), stored["feature_names"]
        if not 1 <= n_features <= self.mixture_.n_features:
            raise ValueError(f"{n_features} features of a mixture of {self.mixture_.n_features}")
        fitted.n_features_in_ = n_features
        if names is not None:
            if len(names) != n_features:
                raise ValueError(f"{len(names)} names for {n_features} features")
            fitted.feature_names_in_ = np.array(names, dtype=object)


class StorableDetector(StorableMixture):
    """Adds `save` and `load` to a detector: its threshold, and how certain that is."""

    offset_: float
    threshold_interval_: tuple[float, float]
    target_: float
    false_alarm_rate_: float
    false_alarm_interval_: tuple[float, float]
    n_validation_: int
    validation_indices_: NDArray[np.intp] | None
    converged_: bool
    n_iter_: int

    def _state_arrays(self) -> dict[str, NDArray[Any]]:
        check_is_fitted(self, "offset_")
        arrays = super()._state_arrays()
        if self.validation_indices_ is not None:
            arrays["validation_indices"] = self.validation_indices_
        return arrays

    def _restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super()._restore_state(arrays)
        chosen = arrays.get("validation_indices")
        self.validation_indices_ = None if chosen is None else chosen.astype(np.intp)

    def _fit_metadata(self) -> dict[str, Any]:
        # No infinity in JSON: an end of the interval that is open is None.
        ends = [end if math.isfinite(end) else None for end in self.threshold_interval_]
        return {
            **super()._fit_metadata(),
            "converged": bool(self.converged_),
            "n_iter": int(self.n_iter_),
            "target": self.target_,
            "threshold": self.offset_,
            "threshold_interval": ends,
            "false_alarm_rate": self.false_alarm_rate_,
            "false_alarm_interval": list(self.false_alarm_interval_),
            "n_validation": self.n_validation_,
        }

    def _restore_fit(self, stored: Mapping[str, Any]) -> None:
        super()._restore_fit(stored)
        if stored["n_features"] != self.mixture_.n_features:
            raise ValueError(f"{stored['n_features']} features of another mixture")
        self.converged_ = bool(stored["converged"])
        self.n_iter_ = int(stored["n_iter"])
        self.target_ = float(stored["target"])
        self.offset_ = float(stored["threshold"])
        lower, upper = stored["threshold_interval"]
        self.threshold_interval_ = (
            -math.inf if lower is None else float(lower),
            math.inf if upper is None else float(upper),
        )
        self.false_alarm_rate_ = float(stored["false_alarm_rate"])
        least, most = stored["false_alarm_interval"]
        self.false_alarm_interval_ = (float(least), float(most))
        self.n_validation_ = int(stored["n_validation"])


class StorableRegressor(StorableMixture):
    """Adds `save` and `load` to a regressor: which features of its mixture are outputs."""

    n_features_in_: int
    n_outputs_: int
    converged_: bool
    n_iter_: int
    _is_single: bool

    def _fit_metadata(self) -> dict[str, Any]:
        return {
            **super()._fit_metadata(),
            "n_outputs": int(self.n_outputs_),
            "is_single": bool(self._is_single),
            "converged": bool(self.converged_),
            "n_iter": int(self.n_iter_),
        }

    def _restore_fit(self, stored: Mapping[str, Any]) -> None:
        super()._restore_fit(stored)
        n_outputs, is_single = int(stored["n_outputs"]), bool(stored["is_single"])
        if n_outputs < 1 or n_outputs + self.n_features_in_ != self.mixture_.n_features:
            raise ValueError(
                f"{self.n_features_in_} inputs and {n_outputs} outputs of a mixture of "
                f"{self.mixture_.n_features}"
            )
        if is_single and n_outputs != 1:
            raise ValueError(f"{n_outputs} outputs as one column")
        self.n_outputs_, self._is_single = n_outputs, is_single
        self.converged_ = bool(stored["converged"])
        self.n_iter_ = int(stored["n_iter"])


def pack_mixture(mixture: Mixture) -> dict[str, NDArray[Any]]:
    """Give a mixture's arrays under names that say its kind.

    The estimator's `covariance_type` does not: it may have been set anew since the fit.
    """
    kind = mixture.covariance_type
    return {f"mixture.{kind}.{name}": array for name, array in mixture.to_arrays().items()}


def unpack_mixture(arrays: Mapping[str, NDArray[Any]]) -> Mixture:
    """Build the mixture of what `pack_mixture` gave; other arrays are left alone.

    Raises
    ------
    KeyError, ValueError
        If there are not the arrays of one mixture.
    """
    found = {
        tuple(name.split(".")[1:]): array
        for name, array in arrays.items()
        if name.startswith("mixture.")
    }
    kinds = sorted({key[0] for key in found})
    if len(kinds) != 1:
        raise ValueError(f"arrays of one mixture expected, found {kinds}")
    return mixture_kind(kinds[0]).from_arrays({".".join(k[1:]): a for k, a in found.items()})
