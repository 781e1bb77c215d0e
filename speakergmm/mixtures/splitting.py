"""Splitting a component in two: how mixtures grow, and how dead components are revived."""

from __future__ import annotations

import numpy as np

from speakergmm.mixtures.diagonal import DiagonalMixture

# Distance of the halves from the mean, in deviations per feature.
_PERTURBATION = 0.1


def split_component(
    model: DiagonalMixture, component: int, *, into: int | None = None
) -> DiagonalMixture:
    """Replace a component by two halves, moved apart in a direction that the numbers fix.

    Parameters
    ----------
    model : DiagonalMixture
        Shape (K, D).
    component : int
        Which one to split.
    into : int, optional
        The component that the second half replaces, whose weight goes to the halves; by default
        the mixture grows by one.

    Returns
    -------
    DiagonalMixture
        Of K components, or K + 1.
    """
    weights, means, variances = model.weights, model.means, model.variances
    if into is None:
        into = model.n_components
        weights = np.append(weights, 0.0)
        means = np.concatenate([means, means[component : component + 1]])
        variances = np.concatenate([variances, variances[component : component + 1]])
    weights, means, variances = weights.copy(), means.copy(), variances.copy()
    # Halves that move apart along random signs part sooner than along one axis. The
    # generator is keyed by the place, so that the same model is always split the same way.
    signs = np.random.default_rng([component, into]).choice([-1.0, 1.0], model.n_features)
    offset = _PERTURBATION * signs * np.sqrt(variances[component])
    means[into] = means[component] - offset
    means[component] += offset
    variances[into] = variances[component]
    weights[[component, into]] = (weights[component] + weights[into]) / 2
    return DiagonalMixture(weights, means, variances)


def grow(model: DiagonalMixture, n_components: int) -> DiagonalMixture:
    """Split the heaviest component again and again until there are `n_components`."""
    while model.n_components < n_components:
        model = split_component(model, int(model.weights.argmax()))
    return model
