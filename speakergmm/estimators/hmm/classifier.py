"""Classification of sequences, such as isolated words, by one hidden Markov model per class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.estimator_records import Storable, parameter_types, parameters_of
from speakergmm.estimators.hmm.gaussian_mixture_hmm import GaussianMixtureHMM
from speakergmm.estimators.parameter_checks import NestingEstimator, engine_of, wrong_estimator
from speakergmm.gaussians.frame_sources import refuse_path
from speakergmm.hmm.inference.sequences import (
    ImpossibleSequenceError,
    Sequences,
    as_sequences,
    check_sequence_weights,
)
from speakergmm.ranges import refused
from speakergmm.records import Types

# Frames per state if the number of states follows the length of sequences of a class. For spoken
# digits with frames every 10 ms, 4 or 5 (of 3 to 8) were best on recordings held out from their
# training part.
_FRAMES_PER_STATE = 5


@dataclass(eq=False, repr=False)
class HMMClassifier(NestingEstimator, Storable, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier of sequences by the most probable of several hidden Markov models, one per class.

    Parameters
    ----------
    estimator : GaussianMixtureHMM, optional
        Model of which a clone is fitted to the sequences of each class. By default it has five
        left-right states of two Gaussians with diagonal covariances, whose variances are at least
        a hundredth of those of all frames of the class.
    n_components : int, "auto" or callable, optional
        Number of states, in place of the estimator's. "auto": one state per 5 frames of the median
        length of the class's sequences, but not more than the shortest sequence has frames. A
        callable receives the lengths of the class's sequences, an array of int, and returns the
        number.
    priors : {"empirical", "uniform"} or array, shape (C,), default="empirical"
        Prior probabilities of the classes, in the order of `classes_`: their shares of the training
        sequences (by weight), equal ones, or the given numbers.
    scale : float or "frames", default=1.0
        Factor of log-likelihoods before log priors are added. Neighbouring frames are far from
        independent: with a factor of 1, nearly all posterior probabilities are 0 or 1. "frames"
        divides by the number of frames of the sequence.
    n_jobs : int, optional
        Number of threads, which fit and score the models of different classes; -1 for all cores,
        None for the engine in use (`speakergmm.engine.use`). Results do not depend on it.

    Attributes
    ----------
    classes_ : array, shape (C,)
        Labels, sorted.
    models_ : list of GaussianMixtureHMM
        Fitted model of each class.
    class_log_prior_ : array, shape (C,)
        Logarithms of the prior probabilities.
    n_features_in_ : int
        Number of features, D.

    Notes
    -----
    The sequences `X` are a list of arrays (T_r, D), an array (R, T, D), or, as in hmmlearn, an
    array (T, D) with `lengths`. An array (R, D) without lengths contains R sequences of one frame,
    as scikit-learn's samples; a single sequence is given as a list, ``predict([sequence])``.

    Examples
    --------
    >>> rising = [np.arange(9.0)[:, None] + start for start in (0.0, 0.5, 1.0)]
    >>> falling = [sequence[::-1] for sequence in rising]
    >>> labels = ["up"] * 3 + ["down"] * 3
    >>> model = HMMClassifier(GaussianMixtureHMM(3, topology="left-right", random_state=0))
    >>> model.fit(rising + falling, labels).predict([np.arange(9.0)[:, None] + 0.2])
    array(['up'], dtype='<U4')
    """

    file_kind = "HMM classifier"
    _parameter_types: ClassVar[Types] = {"estimator": parameter_types(GaussianMixtureHMM)}

    _nested_kind = GaussianMixtureHMM
    _nested_role = "models"

    estimator: GaussianMixtureHMM | None = None
    _: KW_ONLY
    n_components: int | str | Callable[[NDArray[np.intp]], int] | None = None
    priors: Any = "empirical"
    scale: float | str = 1.0
    n_jobs: int | None = None
    _extra_types: ClassVar[dict[str, Any]] = {
        "labels": list[bool | int | float | str],
        "label_type": str,
    }
    models_: list[GaussianMixtureHMM] = field(init=False)
    class_log_prior_: NDArray[np.float64] = field(init=False)

    def fit(self, X: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Self:
        """Fit a model to the sequences of each class.

        Parameters
        ----------
        X : list of arrays, shape (T_r, D), or array
            R sequences; see the notes of the class.
        y : array, shape (R,)
            Class label of each sequence.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence, if `X` is one array of all frames.
        sample_weight : array, shape (R,), optional
            Weight of each sequence, finite and >= 0; each class needs a weight above zero.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, or sequences, labels or weights are invalid.
        ImpossibleSequenceError
            If a sequence has fewer frames than a path through its model needs; the message names
            it.
        """
        engine = engine_of(self)
        self._check_scale()
        if y is None:
            raise InvalidInputError("requires y to be passed, but the target y is None")
        sequences = self._sequences(X, lengths, reset=True)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        if len(labels) != len(sequences):
            raise refused("labels", f"one for each of {len(sequences)} sequences", len(labels))
        weights = check_sequence_weights(sample_weight, len(sequences))
        # Priors of the classes, from the total weight of their sequences.
        self.classes_, codes = np.unique(labels, return_inverse=True)
        totals = np.bincount(codes, weights=weights).astype(np.float64)
        if (totals == 0).any():
            lost = self.classes_.tolist()[int(totals.argmin())]
            raise InvalidInputError(f"all sequences of class {lost!r} have weight zero")
        self.class_log_prior_ = self._log_priors(totals)
        template = self._template()

        # One model per class, from the sequences of the class and their weights. An error names a
        # sequence by its number among those of all classes.
        def fit_class(code: int) -> GaussianMixtureHMM:
            numbers = np.flatnonzero(codes == code)
            model: GaussianMixtureHMM = clone(template)
            of_class = [sequences[int(number)] for number in numbers]
            counted = [len(frames) for frames in of_class]
            model.set_params(n_components=self._count_states(model, np.array(counted)), n_jobs=None)
            try:
                return model.fit(np.concatenate(of_class), counted, sample_weight=weights[numbers])
            except ImpossibleSequenceError as error:
                raise ImpossibleSequenceError(
                    int(numbers[error.sequence]),
                    f"(of class {self.classes_.tolist()[code]!r}) {error.reason}",
                ) from None

        codes_of_classes = range(len(self.classes_))
        self.models_ = list(engine.map_threads(fit_class, codes_of_classes))
        return self

    def record_parts(self) -> dict[str, Any]:
        """Return the parameters, those of the template, the models and their labels."""
        parts = super().record_parts()
        labels = self.classes_.tolist()
        if not all(isinstance(label, (str, int, float)) for label in labels):
            raise refused(
                "labels of a stored classifier", "text or numbers", type(labels[0]).__name__
            )
        if self.estimator is not None:
            parts["parameters"]["estimator"] = parameters_of(self.estimator)
        return parts | {"labels": labels, "label_type": self.classes_.dtype.str}

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build the fitted classifier from its parts."""
        parameters = parts["parameters"]
        if parameters["estimator"] is not None:
            parameters["estimator"] = GaussianMixtureHMM(**parameters["estimator"])
        return super().of_record(**parts)

    def _restored(self, parts: Types) -> None:
        self.classes_ = np.array(parts["labels"], dtype=parts["label_type"])
        shape = (len(self.models_),)
        if self.classes_.shape != shape or self.class_log_prior_.shape != shape:
            raise ValueError(f"labels and priors of {shape[0]} models differ in number")
        sizes = {model.n_features for model in self.models_}
        if len(sizes) != 1:
            raise ValueError(f"models of {sorted(sizes)} features")
        (self.n_features_in_,) = sizes

    def log_likelihoods(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Return the log-likelihood of each sequence under the model of each class, shape (R, C).

        It is minus infinity if a sequence is too short for a model.
        """
        check_is_fitted(self, "models_")
        return self._log_likelihoods(self._sequences(X, lengths))

    def decision_function(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Return scaled log-likelihoods plus log priors.

        Parameters
        ----------
        X : list of arrays, shape (T_r, D), or array
            Sequences, as in `fit`.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence, if `X` is one array of all frames.

        Returns
        -------
        array, shape (R, C)
            With two classes, as in scikit-learn, the second minus the first, shape (R,).
        """
        joint = self._joint(X, lengths)
        if len(self.classes_) == 2:
            return np.asarray(joint[:, 1] - joint[:, 0])
        return joint

    def predict_log_proba(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Return the log posterior probability of each class per sequence, shape (R, C)."""
        joint = self._joint(X, lengths)
        highest = joint.max(axis=1, keepdims=True)
        sums = np.exp(joint - highest).sum(axis=1, keepdims=True)
        return np.asarray(joint - highest - np.log(sums))

    def predict_proba(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Return the posterior probability of each class per sequence, shape (R, C).

        For a sequence that is too short for all models, these are the priors.
        """
        return np.exp(self.predict_log_proba(X, lengths))

    def predict(self, X: Any, lengths: Any = None) -> NDArray[Any]:
        """Return the most probable class of each sequence, shape (R,); of equal ones the first."""
        best = self._joint(X, lengths).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> float:
        """Return the share of the sequences (by weight) that are classified correctly."""
        from sklearn.metrics import accuracy_score

        return float(accuracy_score(y, self.predict(X, lengths), sample_weight=sample_weight))

    def _joint(self, X: Any, lengths: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "models_")
        self._check_scale()
        sequences = self._sequences(X, lengths)
        found = self._log_likelihoods(sequences)
        lost = np.isneginf(found).all(axis=1)
        found[lost] = 0.0
        if isinstance(self.scale, str):
            found /= sequences.lengths[:, None]
        else:
            found *= self.scale
        return found + self.class_log_prior_

    def _log_likelihoods(self, sequences: Sequences) -> NDArray[np.float64]:
        def score(model: GaussianMixtureHMM) -> NDArray[np.float64]:
            return model.score_sequences(sequences.frames, sequences.lengths)

        return np.stack(list(engine_of(self).map_threads(score, self.models_)), axis=1)

    def _sequences(self, X: Any, lengths: Any, *, reset: bool = False) -> Sequences:
        n_features = None if reset else self.n_features_in_
        refuse_path(X, name="X")
        if isinstance(X, np.ndarray) and X.ndim == 3:
            X = list(X)
        is_list = isinstance(X, (list, tuple)) and len(X) > 0 and np.ndim(X[0]) == 2
        if is_list or lengths is not None:
            sequences = as_sequences(X, lengths, n_features=n_features)
            self.n_features_in_ = sequences.n_features
            return sequences
        # scikit-learn's check also sets the number and names of the features.
        frames = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        return as_sequences(frames, np.ones(len(frames), np.intp))

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters of this classifier, or of the model, as in ``estimator__n_mix=3``.

        Parameters
        ----------
        **parameters
            Parameters by name. If `estimator` is None and one of its parameters is named, it
            becomes the default model first.

        Returns
        -------
        self
        """
        is_nested = any(name.startswith("estimator__") for name in parameters)
        if is_nested and parameters.get("estimator", self.estimator) is None:
            parameters["estimator"] = _default_model()
        changed: Self = super().set_params(**parameters)
        return changed

    def _template(self) -> GaussianMixtureHMM:
        if self.estimator is None:
            return _default_model()
        if not isinstance(self.estimator, GaussianMixtureHMM):
            raise wrong_estimator(self, "a GaussianMixtureHMM", library="hmmlearn")
        return self.estimator

    def _count_states(self, model: GaussianMixtureHMM, lengths: NDArray[np.intp]) -> int:
        if self.n_components is None:
            return int(model.n_components)
        if callable(self.n_components):
            return int(self.n_components(lengths))
        if isinstance(self.n_components, str):
            if self.n_components != "auto":
                raise refused("n_components", "a number, 'auto' or a callable", self.n_components)
            wanted = round(float(np.median(lengths)) / _FRAMES_PER_STATE)
            return int(np.clip(wanted, 1, lengths.min()))
        return int(self.n_components)

    def _log_priors(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(self.priors, str):
            if self.priors == "empirical":
                return np.asarray(np.log(totals / totals.sum()))
            if self.priors == "uniform":
                return np.full(len(totals), -np.log(len(totals)))
            raise refused("priors", "'empirical', 'uniform' or numbers", self.priors)
        priors = np.asarray(self.priors, np.float64)
        if priors.shape != totals.shape or not (priors > 0).all() or abs(priors.sum() - 1) > 1e-6:
            raise refused("priors", f"{len(totals)} positive numbers that sum to 1", priors)
        return np.asarray(np.log(priors))

    def _check_scale(self) -> None:
        if self.scale == "frames":
            return
        if isinstance(self.scale, str) or not 0 < self.scale < np.inf:
            raise refused("scale", "a finite number > 0 or 'frames'", self.scale)


def _default_model() -> GaussianMixtureHMM:
    return GaussianMixtureHMM(
        5,
        2,
        topology="left-right",
        n_iter=20,
        variance_floor=0.01,
        min_covar=1e-9,
        implementation="scaling",
        random_state=0,
    )
