"""Conversion of hidden Markov models from and to objects of hmmlearn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import conversion
from speakergmm.estimators.parameter_checks import all_parameters
from speakergmm.hmm.models.dense import HiddenMarkovParameters

# Constructor parameters that a GaussianHMM has, too, with the same meaning.
_SHARED = (
    "algorithm",
    "random_state",
    "n_iter",
    "tol",
    "verbose",
    "implementation",
    "startprob_prior",
    "transmat_prior",
)


class HmmlearnConversion:
    """Base that adds `from_hmmlearn` and `to_hmmlearn` to a hidden Markov model."""

    @classmethod
    def from_hmmlearn(cls, model: Any) -> Self:
        """Convert a model of hmmlearn.

        Parameters
        ----------
        model : hmmlearn.hmm.GMMHMM or hmmlearn.hmm.GaussianHMM
            Model that is fitted, or whose parameters were set.

        Returns
        -------
        GaussianMixtureHMM
            Model with the same parameters and the same constructor parameters; of a GaussianHMM,
            without its priors of means and covariances, which have another meaning.
            ``init_params`` is empty, so that training continues from these parameters. The
            covariance that all states of a tied GaussianHMM share is copied to each state, and
            training changes the copies separately.

        Raises
        ------
        InvalidInputError
            If `model` is another object or has no parameters yet.

        Examples
        --------
        >>> from hmmlearn.hmm import GMMHMM
        >>> from speakergmm.estimators import GaussianMixtureHMM
        >>> X = np.array([[0.0], [0.1], [5.0], [5.1], [0.2], [5.2]])
        >>> theirs = GMMHMM(2, random_state=0, min_covar=0.1, n_iter=2).fit(X)
        >>> ours = GaussianMixtureHMM.from_hmmlearn(theirs)
        >>> bool(np.isclose(ours.score(X), theirs.score(X)))
        True
        """
        states = conversion.from_hmmlearn(model)
        missing = [name for name in ("startprob_", "transmat_") if not hasattr(model, name)]
        if missing:
            raise InvalidInputError(
                f"expected a {type(model).__name__} with parameters, found one without "
                f"{', '.join(missing)}"
            )
        parameters = model.get_params(deep=False)
        if hasattr(model, "n_mix"):
            if _has_default_prior(model):
                parameters |= {"covars_prior": None, "covars_weight": None}
        else:
            parameters = {name: parameters[name] for name in _SHARED}
        first = states[0]
        parameters |= {
            "n_components": len(states),
            "n_mix": first.n_components,
            "covariance_type": first.covariance_type,
            "init_params": "",
        }
        found: Any = cls(**parameters)
        found.startprob_ = np.array(model.startprob_, np.float64)
        found.transmat_ = np.array(model.transmat_, np.float64)
        found.weights_ = np.stack([state.weights for state in states])
        found.means_ = np.stack([state.means for state in states])
        found.covars_ = np.stack([state.covariances for state in states])
        found._check()
        taken: Self = found
        return taken

    def to_hmmlearn(self) -> Any:
        """Convert the model to a GMMHMM of hmmlearn.

        Returns
        -------
        hmmlearn.hmm.GMMHMM
            Model with the same parameters, and those constructor parameters that hmmlearn has.
            ``init_params`` is empty, so that training continues from these parameters.

        Raises
        ------
        InvalidInputError
            If sequences must end in the last state, which hmmlearn cannot express.
        """
        ours: Any = self
        if ours.final != "any":
            raise InvalidInputError(
                "a model of hmmlearn may end in any state, this one must end in the last; "
                "set final='any' first"
            )
        model: HiddenMarkovParameters = ours._parameters()
        theirs = conversion.to_hmmlearn(
            [ours.state_mixture(state) for state in range(model.n_states)],
            startprob=model.startprob,
            transmat=model.transmat,
        )
        known = set(theirs.get_params(deep=False)) - {"init_params"}
        parameters = all_parameters(ours)
        theirs.set_params(**{name: parameters[name] for name in sorted(known)})
        theirs.monitor_.tol, theirs.monitor_.n_iter = ours.tol, ours.n_iter
        theirs.monitor_.verbose = ours.verbose
        return theirs


def _has_default_prior(model: Any) -> bool:
    """Return whether the prior of spherical covariances is hmmlearn's default.

    It is meant to have no effect, but has one unless there are as many components as features.
    """
    if model.covariance_type != "spherical" or model.covars_prior is None:
        return False
    default = -(model.n_mix + 2.0) / 2.0
    return bool(np.all(model.covars_prior == default) and not np.any(model.covars_weight))
