"""Hidden Markov models from and to hmmlearn's objects."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import conversion
from speakergmm.estimators.parameter_checks import all_parameters
from speakergmm.hmm.models.dense import HiddenMarkovParameters

# Constructor parameters that a GaussianHMM has too, in the same meaning.
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
    """Adds `from_hmmlearn` and `to_hmmlearn` to a hidden Markov model."""

    @classmethod
    def from_hmmlearn(cls, model: Any) -> Self:
        """Take over a model of hmmlearn.

        Parameters
        ----------
        model : hmmlearn.hmm.GMMHMM or hmmlearn.hmm.GaussianHMM
            Fitted, or with parameters that were set.

        Returns
        -------
        GaussianMixtureHMM
            With the model's parameters and, of a GMMHMM, all constructor parameters; of a
            GaussianHMM those that mean the same, and not its priors of means and covariances.
            ``init_params`` is empty: training goes on from what was taken over. The covariance
            that all states of a tied GaussianHMM share becomes one for each state, and training
            parts them.

        Raises
        ------
        InvalidInputError
            If it is no such model or has no parameters yet.

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
        given = model.get_params(deep=False)
        if hasattr(model, "n_mix"):
            if _has_default_prior(model):
                given |= {"covars_prior": None, "covars_weight": None}
        else:
            given = {name: given[name] for name in _SHARED}
        first = states[0]
        given |= {
            "n_components": len(states),
            "n_mix": first.n_components,
            "covariance_type": first.covariance_type,
            "init_params": "",
        }
        found: Any = cls(**given)
        found.startprob_ = np.array(model.startprob_, np.float64)
        found.transmat_ = np.array(model.transmat_, np.float64)
        found.weights_ = np.stack([state.weights for state in states])
        found.means_ = np.stack([state.means for state in states])
        found.covars_ = np.stack([state.covariances for state in states])
        found._check()
        taken: Self = found
        return taken

    def to_hmmlearn(self) -> Any:
        """Make a GMMHMM of hmmlearn.

        Returns
        -------
        hmmlearn.hmm.GMMHMM
            With this model's parameters, and those of its constructor that hmmlearn has;
            ``init_params`` is empty: training goes on from them.

        Raises
        ------
        InvalidInputError
            If sequences must end in the last state, which hmmlearn can't express.
        """
        ours: Any = self
        if ours.final != "any":
            raise InvalidInputError(
                "a model of hmmlearn may end in any state; this one must end in the last "
                "(set final='any' first)"
            )
        model: HiddenMarkovParameters = ours._parameters()
        theirs = conversion.to_hmmlearn(
            [ours.state_mixture(state) for state in range(model.n_states)],
            startprob=model.startprob,
            transmat=model.transmat,
        )
        known = set(theirs.get_params(deep=False)) - {"init_params"}
        given = all_parameters(ours)
        theirs.set_params(**{name: given[name] for name in sorted(known)})
        theirs.monitor_.tol, theirs.monitor_.n_iter = ours.tol, ours.n_iter
        theirs.monitor_.verbose = ours.verbose
        return theirs


def _has_default_prior(model: Any) -> bool:
    """Tell whether hmmlearn has set the prior of spherical covariances by itself.

    It means none, but is one unless there are as many components as features.
    """
    if model.covariance_type != "spherical" or model.covars_prior is None:
        return False
    default = -(model.n_mix + 2.0) / 2.0
    return bool(np.all(model.covars_prior == default) and not np.any(model.covars_weight))
