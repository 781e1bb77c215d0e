"""The loop, on a toy whose objectives are given; and whole steps against scikit-learn."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures import (
    DiagonalMixture,
    MaximumLikelihoodOptions,
    UpdateReport,
    accumulate,
    expectation_maximisation,
    update_maximum_likelihood,
)


@dataclass
class Toy:
    log_likelihood: float
    n_frames: float = 10.0


def run(objectives, *, reports=None, **options):
    """Model i has the i-th objective; the update counts up."""
    return expectation_maximisation(
        0,
        lambda model: Toy(10.0 * objectives[model]),
        lambda _, model: (model + 1, reports[model] if reports else UpdateReport()),
        **({"max_iter": 10, "tol": 0.01} | options),
    )


def test_ends_when_little_is_gained():
    result = run([-5.0, -4.0, -3.5, -3.495, 0.0])
    assert result.convergence == "converged"
    assert result.model == 3
    assert result.objectives == (-5.0, -4.0, -3.5, -3.495)
    assert result.history[-1].report is None


def test_the_objective_is_that_of_the_model_that_is_kept():
    assert run([-5.0, -4.0, -3.995]).objective == -3.995
    assert run([-5.0, -4.0, -3.0, -2.0], max_iter=3).objective == -3.0
    fell = run([-5.0, -4.0, -4.5, 0.0])
    assert (fell.convergence, fell.model, fell.objective) == ("decreased", 1, -4.0)


def test_ends_at_the_limit():
    result = run([-5.0, -4.0, -3.0, -2.0], max_iter=3)
    assert (result.convergence, result.model, len(result.history)) == ("iteration_limit", 3, 3)
    assert all(iteration.seconds >= 0 for iteration in result.history)


def test_says_when_the_objective_fell_and_keeps_the_better_model():
    result = run([-5.0, -4.0, -4.5, 0.0])
    assert (result.convergence, result.model) == ("decreased", 1)
    assert result.objectives == (-5.0, -4.0, -4.5)


def test_a_fall_within_rounding_is_convergence():
    result = run([-5.0, -4.0, -4.0 - 1e-7], tol=0.0)
    assert result.convergence == "converged"
    assert run([-5.0, -4.0, -4.0 - 1e-5], tol=0.0).convergence == "decreased"


def test_a_fall_after_a_revival_is_no_alarm():
    reports = [UpdateReport(revived=(3,)), UpdateReport(), UpdateReport()]
    result = run([-5.0, -5.5, -4.0, -3.999, 0.0], reports=reports)
    assert (result.convergence, result.model) == ("converged", 3)


def test_callback_sees_every_iteration():
    seen = []
    result = run([-5.0, -4.0, -4.0], callback=lambda number, it: seen.append((number, it)))
    assert seen == list(enumerate(result.history))


@pytest.mark.parametrize("options", [{"max_iter": 0}, {"tol": -1.0}, {"tol": float("nan")}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidInputError):
        run([-1.0], **options)


def test_no_frames_are_refused():
    with pytest.raises(InsufficientDataError, match="found none"):
        expectation_maximisation(
            0, lambda _: Toy(0.0, 0.0), lambda _, m: (m, UpdateReport()), max_iter=1, tol=0.0
        )


@pytest.mark.parametrize(
    ("precision", "rtol"), [("float64", 1e-9), ("float32", 1e-4)], ids=["float64", "float32"]
)
def test_each_step_is_that_of_scikit_learn(mixture, rng, precision, rtol):
    X = mixture.sample(2000, rng)
    model = DiagonalMixture(
        np.full(6, 1 / 6), X[:6], np.broadcast_to(X.var(axis=0), mixture.means.shape)
    )
    options = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)
    for _ in range(6):
        peer = GaussianMixture(
            6,
            covariance_type="diag",
            weights_init=model.weights,
            means_init=model.means,
            precisions_init=1 / model.variances,
            reg_covar=0.0,
            max_iter=1,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer.fit(X)
        statistics = accumulate(model, X, precision=precision)
        np.testing.assert_allclose(statistics.log_likelihood / 2000, peer.lower_bound_, rtol=1e-6)
        model, report = update_maximum_likelihood(statistics, model, options=options)
        assert report == UpdateReport()
        np.testing.assert_allclose(model.weights, peer.weights_, rtol=rtol)
        np.testing.assert_allclose(model.means, peer.means_, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(model.variances, peer.covariances_, rtol=rtol)


# Final updates, bounds, warm starts, checkpoints


def test_a_final_update_is_taken_where_the_loop_converged():
    result = run([-5.0, -4.0, -3.995, 0.0], final_update=True)
    assert (result.convergence, result.model) == ("converged", 3)
    assert result.objectives == (-5.0, -4.0, -3.995)
    assert result.history[-1].report == UpdateReport()
    # At the limit there is nothing more to take.
    cut = run([-5.0, -4.0, -3.0, 0.0], final_update=True, max_iter=2)
    assert (cut.convergence, cut.model) == ("iteration_limit", 2)


def test_a_fall_keeps_the_better_model_with_a_final_update_too():
    result = run([-5.0, -4.0, -4.5, 0.0], final_update=True)
    assert (result.convergence, result.model) == ("decreased", 1)
    assert result.history[-1].report is None


def test_bounds_of_updates_are_the_objectives():
    # The update of model i reports the bound that it reached, that of model i + 1.
    bounds = [-50.0, -40.0, -39.95, 0.0]
    reports = [UpdateReport(bound=bound) for bound in bounds]
    result = run([-9.0] * 4, reports=reports, final_update=True)
    assert result.objectives == (-5.0, -4.0, -3.995)
    assert (result.convergence, result.model) == ("converged", 3)


def test_a_bound_that_fell_is_not_that_of_the_model_kept():
    reports = [UpdateReport(bound=bound) for bound in (-50.0, -40.0, -45.0, 0.0)]
    result = run([-9.0] * 4, reports=reports, final_update=True)
    # The third update went wrong; model 2 is the one of bound -40.
    assert (result.convergence, result.model) == ("decreased", 2)


def test_a_fall_after_an_update_that_is_not_exact_is_no_alarm():
    reports = [UpdateReport(is_exact=False)] * 4
    result = run([-5.0, -5.5, -4.0, -3.999, 0.0], reports=reports)
    assert (result.convergence, result.model) == ("converged", 3)
    assert not UpdateReport(is_exact=False).is_plain
    assert UpdateReport(bound=3.0).is_plain
    assert not UpdateReport(n_floored=1).is_plain
    assert not UpdateReport(revived=(0,)).is_plain


def test_a_fall_within_what_the_update_is_known_to_lose_is_no_alarm():
    def fall_to(objective):
        reports = [UpdateReport(is_exact=False, slack=0.5)] * 4
        return run([-5.0, objective, -4.0, -3.999, 0.0], reports=reports, rounding=0.01)

    # Rounding of 0.01 of 5 besides.
    for objective in (-5.4, -5.54):
        result = fall_to(objective)
        assert (result.convergence, result.model) == ("converged", 3)
    result = fall_to(-5.56)
    assert (result.convergence, result.model) == ("decreased", 0)


def test_slack_is_that_of_the_last_update_only():
    reports = [UpdateReport(is_exact=False, slack=2.0), UpdateReport(is_exact=False, slack=0.1)]
    result = run([-5.0, -6.0, -7.0], reports=[*reports, UpdateReport()])
    assert (result.convergence, result.model) == ("decreased", 1)


@pytest.mark.parametrize(
    ("previous", "convergence", "model", "length"),
    [
        (-5.001, "converged", 0, 1),
        (-6.0, "converged", 2, 3),
        (None, "converged", 2, 3),
        (float("nan"), "converged", 2, 3),
        (-4.0, "converged", 2, 3),
    ],
)
def test_the_first_objective_is_compared_with_what_went_before(
    previous, convergence, model, length
):
    result = run([-5.0, -4.0, -3.995, 0.0], previous=previous)
    assert (result.convergence, result.model, len(result.history)) == (convergence, model, length)


def test_an_interrupted_loop_ends_as_it_would_have():
    objectives = [-9.0, -7.0, -6.0, -5.5, -5.6, 0.0]
    for stop in (objectives, [*objectives[:4], -5.499, 0.0]):
        states = []
        whole = run(stop, final_update=True, record=states.append)
        # One for each update that another iteration follows; not for the end.
        assert [len(state.history) for state in states] == [1, 2, 3, 4]
        for state in states:
            seen = []
            again = run(
                stop,
                final_update=True,
                resume=state,
                callback=lambda number, _, seen=seen: seen.append(number),
            )
            assert (again.model, again.convergence) == (whole.model, whole.convergence)
            assert again.objectives == whole.objectives
            assert seen == list(range(len(state.history), len(whole.history)))


def test_no_checkpoint_where_the_limit_ends_the_loop():
    states = []
    run([-5.0, -4.0, -3.0, -2.0], max_iter=3, record=states.append)
    assert [state.model for state in states] == [1, 2]


def test_a_loop_that_has_gone_on_for_longer_than_allowed_ends_at_its_next_step():
    states = []
    objectives = [-9.0, -7.0, -6.0, -5.5, -5.0, -4.0]
    run(objectives, max_iter=6, record=states.append)
    again = run(objectives, max_iter=2, resume=states[3])
    assert (again.convergence, len(again.history)) == ("iteration_limit", 5)


def test_rounding_is_asked_for_where_the_objective_fell():
    asked = []

    def rounding():
        asked.append(1)
        return 0.2

    result = run([-5.0, -4.0, -4.5, 0.0], rounding=rounding)
    assert (result.convergence, len(asked)) == ("converged", 1)
    assert run([-5.0, -4.0, -4.5, 0.0], rounding=lambda: 0.1).convergence == "decreased"


def test_objectives_are_per_frame():
    result = expectation_maximisation(
        0, lambda _: Toy(-30.0, 6.0), lambda _, m: (m, UpdateReport()), max_iter=1, tol=0.0
    )
    assert result.objectives == (-5.0,)
