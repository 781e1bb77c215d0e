"""Classifiers of sequences as safetensors files: the models of all classes in one."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.estimators.hmm.gaussian_mixture_hmm import GaussianMixtureHMM
from speakergmm.estimators.hmm.storage import pack_model, pack_parameters, unpack_model
from speakergmm.serialization import load_arrays, save_arrays

_OWN = "own."
_TEMPLATE = "estimator."


class StorableClassifier:
    """Adds `save` and `load` to a classifier of sequences."""

    file_kind: ClassVar[str]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted classifier to a safetensors file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to; a file that is there is replaced.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        InvalidInputError
            If labels are neither text nor numbers.
        SpeakerGmmError
            If the file can't be written.

        Notes
        -----
        A callable `n_components` and a random state that is a generator are not stored.
        """
        check_is_fitted(self, "models_")
        fitted: Any = self
        labels = fitted.classes_.tolist()
        if not all(isinstance(label, (str, int, float)) for label in labels):
            raise InvalidInputError(
                f"labels of a stored classifier must be text or numbers, found "
                f"{type(labels[0]).__name__}"
            )
        parameters, own = pack_parameters(fitted.get_params(deep=False))
        arrays = {_OWN + name: array for name, array in own.items()}
        template = None
        if fitted.estimator is not None:
            template, given = pack_parameters(fitted.estimator.get_params(deep=False))
            arrays |= {_TEMPLATE + name: array for name, array in given.items()}
        models = []
        for number, model in enumerate(fitted.models_):
            of_model, metadata = pack_model(model)
            arrays |= {f"{number}.{name}": array for name, array in of_model.items()}
            models.append(metadata)
        arrays["class_log_prior_"] = fitted.class_log_prior_
        names = getattr(self, "feature_names_in_", None)
        save_arrays(
            path,
            arrays,
            kind=self.file_kind,
            metadata={
                "parameters": parameters,
                "estimator": template,
                "models": models,
                "labels": labels,
                "label_type": fitted.classes_.dtype.str,
                "feature_names": None if names is None else [str(name) for name in names],
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        classifier
            Fitted; its scores are those of the stored one, bit by bit.

        Raises
        ------
        ModelFormatError
            If the file is missing, something else, damaged, or of another kind.
        """
        arrays, metadata = load_arrays(path, kind=cls.file_kind)
        try:
            return cls._restore(arrays, metadata)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise ModelFormatError(
                f"{os.fspath(path)}: damaged {cls.file_kind} ({reason})"
            ) from None

    @classmethod
    def _restore(cls, arrays: dict[str, NDArray[Any]], metadata: dict[str, Any]) -> Self:
        parameters = {**metadata["parameters"], **_part(arrays, _OWN)}
        if metadata["estimator"] is not None:
            given = metadata["estimator"] | _part(arrays, _TEMPLATE)
            parameters["estimator"] = GaussianMixtureHMM(**given)
        classifier: Any = cls(**parameters)
        classifier.classes_ = np.array(metadata["labels"], dtype=metadata["label_type"])
        classifier.class_log_prior_ = arrays["class_log_prior_"]
        classifier.models_ = [
            unpack_model(GaussianMixtureHMM, _part(arrays, f"{number}."), of_model)
            for number, of_model in enumerate(metadata["models"])
        ]
        n_classes = len(classifier.models_)
        if classifier.classes_.shape != (n_classes,) or (
            classifier.class_log_prior_.shape != (n_classes,)
        ):
            raise ValueError(f"labels and priors of {n_classes} models differ in number")
        sizes = {model.n_features for model in classifier.models_}
        if len(sizes) != 1:
            raise ValueError(f"models of {sorted(sizes)} features")
        classifier.n_features_in_ = sizes.pop()
        if metadata["feature_names"] is not None:
            classifier.feature_names_in_ = np.array(metadata["feature_names"], dtype=object)
        restored: Self = classifier
        return restored


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
