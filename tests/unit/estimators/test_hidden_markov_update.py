"""The M-step against the auxiliary function: no neighbour of its result is better."""

import itertools

import numpy as np
import pytest
from oracles.hidden_markov import Auxiliary
from scipy.linalg import expm, logm

from speakergmm.estimators import GaussianMixtureHMM

KINDS = ("spherical", "diag", "tied", "full")
N_STATES, N_MIX, N_FEATURES = 2, 2, 2


def random_model(kind, rng, **options):
    """Return a model whose parameters were set."""
    model = GaussianMixtureHMM(
        N_STATES,
        N_MIX,
        covariance_type=kind,
        n_iter=1,
        init_params="",
        precision="float64",
        **{"min_covar": 0.0} | options,
    )
    model.startprob_ = rng.dirichlet([3] * N_STATES)
    model.transmat_ = rng.dirichlet([3] * N_STATES, size=N_STATES)
    model.weights_ = rng.dirichlet([3] * N_MIX, size=N_STATES)
    model.means_ = rng.normal(size=(N_STATES, N_MIX, N_FEATURES))
    factors = rng.normal(size=(N_STATES, N_MIX, N_FEATURES, N_FEATURES))
    full = factors @ factors.swapaxes(-1, -2) + np.eye(N_FEATURES)
    model.covars_ = {
        "spherical": full[..., 0, 0],
        "diag": np.einsum("smdd->smd", full),
        "tied": full[:, 0],
        "full": full,
    }[kind]
    return model


def random_sequences(rng, n=8):
    return [rng.normal(size=(length, N_FEATURES)) * [1, 3] for length in rng.integers(3, 7, n)]


def fitted(model):
    return model.startprob_, model.transmat_, model.weights_, model.means_, model.covars_


PRIORS = {
    "none": {},
    "dirichlet": {"startprob_prior": 2.0, "transmat_prior": 1.5, "weights_prior": 3.0},
    "gamma": {
        "means_prior": 0.7,
        "means_weight": 2.0,
        "covars_prior": 3.0,
        "covars_weight": 1.5,
    },
    "wishart": {
        "means_prior": 0.7,
        "means_weight": 2.0,
        "covars_prior": [[2.0, 0.5], [0.5, 1.0]],
        "covars_weight": 5.0,
    },
}


def moved(kind, point, rng, step):
    """Return a valid neighbour of probabilities, means or covariances."""
    startprob, transmat, weights, means, covars = point
    shares = []
    for values in (startprob, transmat, weights):
        raised = values * np.exp(step * rng.normal(size=values.shape))
        shares.append(raised / raised.sum(axis=-1, keepdims=True))
    means = means + step * rng.normal(size=means.shape)
    if is_matrix(kind):
        matrices = covars.reshape(-1, N_FEATURES, N_FEATURES).copy()
        for matrix in matrices:
            turn = rng.normal(size=matrix.shape) * step
            matrix[:] = expm(np.real(logm(matrix)) + turn + turn.T)
        covars = matrices.reshape(covars.shape)
    else:
        covars = covars * np.exp(step * rng.normal(size=covars.shape))
    return (*shares, means, covars)


def is_matrix(kind):
    return kind in ("tied", "full")


@pytest.mark.slow
@pytest.mark.parametrize("final", ["any", "last"])
@pytest.mark.parametrize("prior", ["none", "dirichlet", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_auxiliary_function_is_zero(kind, prior, final):
    rng = np.random.default_rng(1)
    if prior == "conjugate":
        prior = "wishart" if is_matrix(kind) else "gamma"
    model = random_model(kind, rng, final=final, **PRIORS[prior])
    sequences = random_sequences(rng)
    weights = rng.uniform(0.5, 2.0, len(sequences))
    auxiliary = Auxiliary(model, sequences, weights, final=final)
    model.fit(sequences, sample_weight=weights)
    best = fitted(model)
    # A central difference along any direction is zero to second order.
    step = 1e-4
    for _ in range(10):
        seed = rng.integers(2**31)
        forth = auxiliary.value(*moved(kind, best, np.random.default_rng(seed), step))
        back = auxiliary.value(*moved(kind, best, np.random.default_rng(seed), -step))
        at = auxiliary.value(*best)
        assert abs(forth - back) / (2 * step) < 1e-4
        # And it is a maximum.
        assert forth + back - 2 * at < 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_parameter_alone_is_at_its_maximum(kind):
    """A wrong mean in the variance shows, however small the weight of the component is."""
    rng = np.random.default_rng(2)
    model = random_model(kind, rng)
    sequences = random_sequences(rng)
    auxiliary = Auxiliary(model, sequences)
    best = fitted(model.fit(sequences))
    step = 1e-4
    for place, index in itertools.chain(
        ((3, index) for index in np.ndindex(best[3].shape)),
        ((4, index) for index in np.ndindex(best[4].shape)),
    ):
        values = []
        for sign in (1, -1):
            changed = [array.copy() for array in best]
            changed[place][index] += sign * step
            if is_matrix(kind) and place == 4 and index[-1] != index[-2]:
                changed[place][(*index[:-2], index[-1], index[-2])] += sign * step
            values.append(auxiliary.value(*changed))
        assert abs(values[0] - values[1]) / (2 * step) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_min_covar_is_a_constraint_and_the_update_the_best_under_it(kind):
    rng = np.random.default_rng(3)
    floor = 4.0 if kind == "spherical" else 1.5
    model = random_model(kind, rng, min_covar=floor)
    sequences = random_sequences(rng, 12)
    auxiliary = Auxiliary(model, sequences)
    best = fitted(model.fit(sequences))
    smallest = np.linalg.eigvalsh(best[4]) if is_matrix(kind) else best[4]
    assert smallest.min() == pytest.approx(floor)
    assert model.history_[0].n_floored == np.count_nonzero(smallest < floor * (1 + 1e-9))
    at = auxiliary.value(*best)
    for step in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            neighbour = list(moved(kind, best, rng, step))
            if is_matrix(kind):
                values, vectors = np.linalg.eigh(neighbour[4])
                raised = np.maximum(values, floor)
                neighbour[4] = (vectors * raised[..., None, :]) @ vectors.swapaxes(-1, -2)
            else:
                neighbour[4] = np.maximum(neighbour[4], floor)
            assert auxiliary.value(*neighbour) < at


@pytest.mark.parametrize("kind", KINDS)
def test_log_likelihood_is_that_of_all_paths(kind):
    rng = np.random.default_rng(4)
    model = random_model(kind, rng, final="last")
    sequences = random_sequences(rng)
    auxiliary = Auxiliary(model, sequences, final="last")
    assert model.score(sequences) == pytest.approx(auxiliary.log_likelihood, rel=1e-12)
    model.fit(sequences)
    assert model.history_[0].log_likelihood == pytest.approx(auxiliary.log_likelihood, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_objective_includes_the_priors(kind):
    rng = np.random.default_rng(5)
    prior = PRIORS["wishart" if is_matrix(kind) else "gamma"] | PRIORS["dirichlet"]
    model = random_model(kind, rng, **prior).set_params(n_iter=2, tol=-np.inf)
    sequences = random_sequences(rng)
    before = Auxiliary(model, sequences)
    priors = [before.log_prior(*fitted(model))]
    once = random_model(kind, np.random.default_rng(5), **prior).fit(sequences)
    priors.append(before.log_prior(*fitted(once)))
    model.fit(sequences)
    found = [step.objective - step.log_likelihood for step in model.history_]
    # Densities are without their constants.
    assert found[1] - found[0] == pytest.approx(priors[1] - priors[0], rel=1e-9)


@pytest.mark.parametrize("letter", list("stmcw"))
def test_only_what_params_names_changes(letter):
    rng = np.random.default_rng(6)
    model = random_model("diag", rng, params=letter)
    sequences = random_sequences(rng)
    auxiliary = Auxiliary(model, sequences)
    before = fitted(model)
    after = fitted(model.fit(sequences))
    changed = [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert changed == [name == letter for name in "stwmc"]
    # With the others as they were, this is at its maximum.
    place = "stwmc".index(letter)
    at = auxiliary.value(*after)
    for _ in range(20):
        neighbour = moved("diag", after, rng, 1e-3)
        alone = [*after[:place], neighbour[place], *after[place + 1 :]]
        assert auxiliary.value(*alone) < at


def test_zeros_stay_and_rows_without_data_keep_their_values():
    rng = np.random.default_rng(7)
    model = random_model("diag", rng)
    model.startprob_, model.transmat_ = np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.3, 0.7]])
    before = model.means_[1], model.covars_[1], model.weights_[1]
    model.fit(random_sequences(rng))
    np.testing.assert_array_equal(model.transmat_, [[1.0, 0.0], [0.3, 0.7]])
    np.testing.assert_array_equal(model.startprob_, [1.0, 0.0])
    for old, new in zip(
        before, (model.means_[1], model.covars_[1], model.weights_[1]), strict=True
    ):
        np.testing.assert_allclose(new, old, rtol=1e-14)
    assert model.history_[0].empty == ((1, 0), (1, 1))
