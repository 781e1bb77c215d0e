"""Splitting of components in two, by which mixtures grow and dead components are revived."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.mixture import AnyMixture, mixture_of

# Distance of the halves from the mean, in deviations per (whitened) feature.
_PERTURBATION = 0.1


def split_component(
    model: AnyMixture,
    component: int,
    *,
    into: int | None = None,
    reach: NDArray[np.float64] | None = None,
) -> AnyMixture:
    """Replace a component by two halves, moved apart in a direction fixed by their numbers.

    Parameters
    ----------
    model : Mixture
        A mixture of K components, of any kind.
    component : int
        Number of the component to split.
    into : int, optional
        The component that the second half replaces, whose weight goes to the halves; by default
        the mixture grows by one.
    reach : array, shape (D,), optional
        Largest distance that a half may move in each feature: no farther than the data vary.

    Returns
    -------
    Mixture
        A mixture of K components, or K + 1.
    """
    model = mixture_of(model)
    weights, means, covariances = model.weights, model.means, model.covariances
    per_component = not model.gaussians.kind.is_shared
    if into is None:
        into = model.n_components
        weights = np.append(weights, 0.0)
        means = np.concatenate([means, means[component : component + 1]])
        if per_component:
            covariances = np.concatenate([covariances, covariances[component : component + 1]])
    weights, means, covariances = weights.copy(), means.copy(), covariances.copy()
    # Halves that move apart along random signs part sooner than along one axis. The
    # generator is keyed by the place, so that the same model is always split the same way.
    signs = np.random.default_rng([component, into]).choice([-1.0, 1.0], model.n_features)
    offset = _PERTURBATION * model.colour(signs[None], np.array([component]))[0]
    if reach is not None:
        offset = np.clip(offset, -reach, reach)
    means[into] = means[component] - offset
    means[component] += offset
    if per_component:
        covariances[into] = covariances[component]
    weights[[component, into]] = (weights[component] + weights[into]) / 2
    return type(model)(weights, means, covariances)


def grow(model: AnyMixture, n_components: int) -> AnyMixture:
    """Split the heaviest component again and again until there are `n_components`."""
    model = mixture_of(model)
    while model.n_components < n_components:
        model = split_component(model, int(model.weights.argmax()))
    return model
