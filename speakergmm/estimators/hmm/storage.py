"""Hidden Markov models as safetensors files."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import ModelFormatError
from speakergmm.hmm.training.dense_training import HiddenMarkovIteration
from speakergmm.serialization import load_arrays, save_arrays

_PARAMETER = "parameter."
_STATE = "state."
FITTED = ("startprob_", "transmat_", "weights_", "means_", "covars_")


class StorableHiddenMarkov:
    """Adds `save` and `load` to a hidden Markov model."""

    file_kind: ClassVar[str]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a safetensors file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to; a file that is there is replaced.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        SpeakerGmmError
            If the file can't be written.

        Notes
        -----
        A random state that is a generator and not a number is not stored.
        """
        arrays, metadata = pack_model(self)
        save_arrays(path, arrays, kind=self.file_kind, metadata=metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        model
            Fitted; its scores are those of the stored one, bit by bit.

        Raises
        ------
        ModelFormatError
            If the file is missing, something else, damaged, or of another kind.
        """
        arrays, metadata = load_arrays(path, kind=cls.file_kind)
        try:
            model: Self = unpack_model(cls, arrays, metadata)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise ModelFormatError(
                f"{os.fspath(path)}: damaged {cls.file_kind} ({reason})"
            ) from None
        return model


def pack_model(model: Any) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Turn a fitted model into arrays and metadata."""
    model._check()
    parameters, arrays = pack_parameters(model.get_params(deep=False))
    arrays = {_PARAMETER + name: array for name, array in arrays.items()}
    arrays |= {_STATE + name: np.asarray(getattr(model, name), np.float64) for name in FITTED}
    metadata = {
        "parameters": parameters,
        "history": [asdict(iteration) for iteration in getattr(model, "history_", ())],
        "objectives": [float(value) for value in model.monitor_.history],
    }
    return arrays, metadata


def unpack_model(cls: Any, arrays: dict[str, NDArray[Any]], metadata: dict[str, Any]) -> Any:
    """Turn what `pack_model` gave into a model of a class, checked anew."""
    given = {
        name.removeprefix(_PARAMETER): array
        for name, array in arrays.items()
        if name.startswith(_PARAMETER)
    }
    model = cls(**metadata["parameters"], **given)
    for name in FITTED:
        setattr(model, name, np.array(arrays[_STATE + name]))
    model._check()
    model.history_ = tuple(
        HiddenMarkovIteration(
            **{**entry, "empty": tuple((int(s), int(m)) for s, m in entry["empty"])}
        )
        for entry in metadata["history"]
    )
    model.monitor_.history.extend(metadata["objectives"])
    model.monitor_.iter = len(metadata["objectives"])
    return model


def pack_parameters(
    given: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Divide constructor parameters into those that JSON holds and arrays; others are left out."""
    plain: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in given.items():
        if isinstance(value, (np.ndarray, list, tuple)):
            arrays[name] = np.asarray(value, dtype=np.float64)
        elif isinstance(value, np.generic):
            plain[name] = value.item()
        elif value is None or isinstance(value, (bool, int, float, str)):
            plain[name] = value
    return plain, arrays
