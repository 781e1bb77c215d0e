"""Storage of what a Dirichlet-process sampler found: all that scores and diagnostics need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.estimators.mixture_storage import StorableMixture
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.mixtures.gibbs import GammaPrior, NormalInverseWishart
from speakergmm.mixtures.gibbs.samples import DirichletProcessSamples

Arrays = Mapping[str, NDArray[Any]]


class StorableSamples(StorableMixture):
    """Adds `save` and `load` to an estimator that holds `samples_`, `labels_` and `mixture_`.

    The frames of the fit are in the file, as in `samples_`: the predictive density needs them.
    """

    samples_: DirichletProcessSamples
    labels_: NDArray[np.int64]
    concentration: float | tuple[float, float] | GammaPrior
    prior: NormalInverseWishart | None
    _dtype: np.dtype[Any]

    def _set_samples(self, samples: DirichletProcessSamples) -> None:
        fitted: Any = self
        fitted.samples_ = samples
        fitted.n_components_ = self.mixture_.n_components
        fitted.n_clusters_posterior_ = samples.n_clusters_posterior()
        fitted.n_iter_ = samples.n_sweeps

    def _state_arrays(self) -> dict[str, NDArray[Any]]:
        given = {} if self.prior is None else pack_prior(self.prior, "given_prior.")
        samples = pack_samples(self.samples_)
        return {**super()._state_arrays(), **samples, **given, "labels": self.labels_}

    def _restore_state(self, arrays: Arrays) -> None:
        super()._restore_state(arrays)
        samples = unpack_samples(arrays)
        labels = _integers(arrays, "labels", np.int64)
        mixture = self.mixture_
        if mixture.n_features != samples.prior.n_features:
            raise ValueError("mixture and samples of different numbers of features")
        if labels.shape != samples.best_labels.shape:
            raise ValueError(f"labels of shape {labels.shape}")
        if not (labels.min() >= 0 and labels.max() < mixture.n_components):
            raise ValueError("labels of components that are not there")
        self.labels_ = labels
        self._set_samples(samples)
        if "given_prior.mean" in arrays:
            self.prior = unpack_prior(arrays, "given_prior.")

    def _fit_metadata(self) -> dict[str, Any]:
        concentration = self.concentration
        stored: Any
        if isinstance(concentration, GammaPrior):
            stored = {"shape": concentration.shape, "rate": concentration.rate}
        elif isinstance(concentration, tuple | list):
            stored = [float(number) for number in concentration]
        else:
            stored = float(concentration)
        return {
            **super()._fit_metadata(),
            "dtype": self._dtype.name,
            "concentration": stored,
        }

    def _restore_fit(self, stored: Mapping[str, Any]) -> None:
        super()._restore_fit(stored)
        self._dtype = np.dtype(stored["dtype"])
        concentration = stored["concentration"]
        if isinstance(concentration, dict):
            self.concentration = GammaPrior(**concentration)
        elif isinstance(concentration, list):
            shape, rate = concentration
            self.concentration = (shape, rate)
        else:
            self.concentration = concentration


def pack_prior(prior: NormalInverseWishart, prefix: str) -> dict[str, NDArray[Any]]:
    """Give the parameters of a prior by name, each name with `prefix` in front."""
    return {
        f"{prefix}mean": prior.mean,
        f"{prefix}numbers": np.array([prior.mean_precision, prior.degrees_of_freedom]),
        f"{prefix}scale": prior.scale,
    }


def unpack_prior(arrays: Arrays, prefix: str) -> NormalInverseWishart:
    """Build the prior of what `pack_prior` gave.

    Raises
    ------
    KeyError, ValueError
        If an array is missing, or they are no prior.
    """
    mean_precision, degrees_of_freedom = arrays[f"{prefix}numbers"]
    return NormalInverseWishart(
        arrays[f"{prefix}mean"],
        float(mean_precision),
        float(degrees_of_freedom),
        arrays[f"{prefix}scale"],
    )


def pack_samples(samples: DirichletProcessSamples) -> dict[str, NDArray[Any]]:
    """Give what chains found as arrays by name, in the types and units that they have."""
    return {
        "n_clusters": samples.n_clusters,
        "concentration": samples.concentration,
        "log_probability": samples.log_probability,
        "burn_in": np.array(samples.burn_in),
        "partitions": samples.labels,
        "kept_sweeps": samples.kept_sweeps,
        "best_labels": samples.best_labels,
        "frames": samples.frames,
        "centre": samples.standardisation.centre,
        "scale": samples.standardisation.scale,
        **pack_prior(samples.prior, "prior."),
    }


def unpack_samples(arrays: Arrays) -> DirichletProcessSamples:
    """Build the samples of what `pack_samples` gave.

    Raises
    ------
    KeyError, ValueError
        If an array is missing, or shapes and numbers don't fit one another.
    """
    samples = DirichletProcessSamples(
        n_clusters=_integers(arrays, "n_clusters", np.int64),
        concentration=np.asarray(arrays["concentration"], dtype=np.float64),
        log_probability=np.asarray(arrays["log_probability"], dtype=np.float64),
        burn_in=int(_integers(arrays, "burn_in", np.int64)),
        labels=_integers(arrays, "partitions", np.int32),
        kept_sweeps=_integers(arrays, "kept_sweeps", np.int64),
        best_labels=_integers(arrays, "best_labels", np.int64),
        prior=unpack_prior(arrays, "prior."),
        frames=np.asarray(arrays["frames"], dtype=np.float64),
        standardisation=Standardisation(arrays["centre"], arrays["scale"]),
    )
    n_frames, n_features = samples.frames.shape
    n_chains, n_sweeps = samples.n_clusters.shape
    shapes = {
        "concentration": (n_chains, n_sweeps),
        "log_probability": (n_chains, n_sweeps),
        "partitions": (n_chains, len(samples.kept_sweeps), n_frames),
        "best_labels": (n_frames,),
        "centre": (n_features,),
        "scale": (n_features,),
        "prior.mean": (n_features,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"'{name}' has shape {arrays[name].shape}, expected {shape}")
    if min(samples.labels.size, samples.best_labels.size) == 0:
        raise ValueError("no partitions")
    if not 0 <= samples.burn_in < n_sweeps:
        raise ValueError(f"burn-in of {samples.burn_in} of {n_sweeps} sweeps")
    if samples.kept_sweeps.min() < 0 or samples.kept_sweeps.max() >= n_sweeps:
        raise ValueError(f"partitions of sweeps that are not among the {n_sweeps}")
    for labels in (samples.labels, samples.best_labels):
        if not 0 <= labels.min() <= labels.max() < n_frames:
            raise ValueError(f"cluster numbers beyond those of {n_frames} frames")
    if min(samples.concentration.min(), samples.standardisation.scale.min()) <= 0:
        raise ValueError("a concentration or scale that is not > 0")
    return samples


def _integers(arrays: Arrays, name: str, dtype: type[np.int32] | type[np.int64]) -> NDArray[Any]:
    array = arrays[name]
    if array.dtype.kind not in "iu":
        raise ValueError(f"'{name}' holds {array.dtype}, integers expected")
    return array.astype(dtype)
