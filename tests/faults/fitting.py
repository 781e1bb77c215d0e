"""A program that fits an estimator with restarts and a checkpoint, as a notebook does."""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from speakergmm import BayesianGaussianMixture, GaussianMixture

KINDS = {kind.__name__: kind for kind in (GaussianMixture, BayesianGaussianMixture)}


def main(kind, output, checkpoint):
    rng = np.random.default_rng(0)
    X = rng.normal(0, 4, (6, 8))[rng.integers(6, size=20_000)] + rng.normal(0, 1, (20_000, 8))
    warnings.simplefilter("ignore", ConvergenceWarning)
    KINDS[kind](
        n_components=8,
        n_init=3,
        max_iter=15,
        tol=0.0,
        random_state=np.random.RandomState(5),
        checkpoint=checkpoint,
        checkpoint_seconds=0,
    ).fit(X).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
