"""Fitted estimators as safetensors files: parameters, the mixture, and how the fit went."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import ModelFormatError
from speakergmm.estimators.history import FitHistory, FitIteration
from speakergmm.gaussians.kinds import mixture_kind
from speakergmm.gaussians.parameters import Mixture
from speakergmm.serialization import load_arrays, save_arrays

_PARAMETER = "parameter."
_STATE = "state."


class Storable:
    """Adds `save` and `load` to an estimator.

    A subclass whose state is more than `mixture_` overrides `_state_arrays` and `_restore_state`.
    """

    file_kind: ClassVar[str]
    mixture_: Mixture

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a safetensors file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to; a file that is there is replaced.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        SpeakerGmmError
            If the file can't be written.

        Notes
        -----
        A `callback`, the path of a `checkpoint`, and a random state that is a generator and not a
        number, are not stored.
        """
        check_is_fitted(self, "mixture_")
        arrays: dict[str, NDArray[Any]] = {}
        parameters: dict[str, Any] = {}
        for name, value in self.get_params(deep=False).items():  # type: ignore[attr-defined]
            if name == "checkpoint":
                continue
            if isinstance(value, (np.ndarray, list, tuple)):
                arrays[_PARAMETER + name] = np.asarray(value, dtype=np.float64)
            elif isinstance(value, np.generic):
                parameters[name] = value.item()
            elif value is None or isinstance(value, (bool, int, float, str)):
                parameters[name] = value
        arrays |= {_STATE + name: value for name, value in self._state_arrays().items()}
        save_arrays(
            path,
            arrays,
            kind=self.file_kind,
            metadata={"parameters": parameters, "fit": self._fit_metadata()},
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        estimator
            Fitted; its scores are those of the stored one, bit by bit.

        Raises
        ------
        ModelFormatError
            If the file is missing, something else, damaged, or of another kind.
        """
        arrays, metadata = load_arrays(path, kind=cls.file_kind)
        try:
            given = {
                name.removeprefix(_PARAMETER): array
                for name, array in arrays.items()
                if name.startswith(_PARAMETER)
            }
            estimator = cls(**metadata["parameters"], **given)
            state = {
                name.removeprefix(_STATE): array
                for name, array in arrays.items()
                if name.startswith(_STATE)
            }
            estimator._restore_state(state)
            estimator._restore_fit(metadata["fit"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise ModelFormatError(
                f"{os.fspath(path)}: damaged {cls.file_kind} ({reason})"
            ) from None
        return estimator

    def _state_arrays(self) -> dict[str, NDArray[Any]]:
        """Give what the fit found, by name."""
        return dict(self.mixture_.to_arrays())

    def _restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Set what `_state_arrays` gave."""
        kind = mixture_kind(self.covariance_type)  # type: ignore[attr-defined]
        self.mixture_ = kind.from_arrays(arrays)

    def _fit_metadata(self) -> dict[str, Any]:
        fitted: Any = self
        bound = float(fitted.lower_bound_)
        names = getattr(self, "feature_names_in_", None)
        return {
            "convergence": fitted.convergence_,
            # No infinity in JSON: a fit without iterations has no bound.
            "lower_bound": bound if np.isfinite(bound) else None,
            "bound_of": fitted._objective_of_last_fit(),
            "precision": fitted.precision_,
            "dtype": fitted._dtype.name,
            "feature_names": None if names is None else [str(name) for name in names],
            "iterations": [asdict(iteration) for iteration in fitted.history_.iterations],
            "restart_bounds": list(fitted.history_.restart_bounds),
        }

    def _restore_fit(self, stored: Mapping[str, Any]) -> None:
        fitted: Any = self
        iterations = tuple(FitIteration.from_json(entry) for entry in stored["iterations"])
        bound = stored["lower_bound"]
        fitted.n_features_in_ = fitted.mixture_.n_features
        if stored["feature_names"] is not None:
            fitted.feature_names_in_ = np.array(stored["feature_names"], dtype=object)
        fitted._dtype = np.dtype(stored["dtype"])
        fitted.precision_ = stored["precision"]
        fitted.convergence_ = stored["convergence"]
        fitted.converged_ = stored["convergence"] == "converged"
        fitted.n_iter_ = len(iterations)
        fitted.lower_bound_ = -np.inf if bound is None else bound
        # Files of earlier versions do not say of which frames the bound is.
        fitted._bound_of = fitted.mixture_, stored.get("bound_of")
        fitted.lower_bounds_ = [iteration.bound for iteration in iterations]
        fitted.history_ = FitHistory(iterations, tuple(stored["restart_bounds"]))
