"""Stepwise EM by `partial_fit` of an estimator."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles.arrays import arrays_of
from sklearn.base import clone

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.estimators import GaussianMixture
from speakergmm.mixtures import MaximumLikelihoodOptions
from speakergmm.mixtures.stepwise import StepwiseState, update_stepwise

KINDS = ["full", "tied", "diag", "spherical"]
ATTRIBUTES = [
    "weights_",
    "means_",
    "covariances_",
    "precisions_",
    "precisions_cholesky_",
    "converged_",
    "convergence_",
    "n_iter_",
    "lower_bound_",
    "lower_bounds_",
    "history_",
    "precision_",
    "n_features_in_",
]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def draw(rng, n_frames, *, weights=(0.5, 0.3, 0.2)):
    centres = np.array([[0.0, 0.0], [7.0, 2.0], [-6.0, 5.0]])
    components = rng.choice(3, size=n_frames, p=weights)
    return centres[components] + rng.normal(size=(n_frames, 2)) * [1.0, 1.5]


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def assert_same_state(a, b):
    for name in ("weights_", "means_", "covariances_"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    assert a.n_steps_ == b.n_steps_
    assert a.lower_bound_ == b.lower_bound_


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_over_a_stream_comes_near_to_a_fit_of_all_frames(kind, rng):
    X, held_out = draw(rng, 12_000), draw(rng, 4_000)
    stream = GaussianMixture(3, covariance_type=kind, random_state=0)
    for block in np.split(X, 48):
        stream.partial_fit(block)
    whole = GaussianMixture(3, covariance_type=kind, random_state=0, tol=1e-6).fit(X)
    # Within 0.005 nats per frame, on others.
    assert stream.score(held_out) > whole.score(held_out) - 0.005
    assert stream.n_steps_ == stream.n_iter_ == 48
    assert all(hasattr(stream, name) for name in ATTRIBUTES)


def test_the_steps_are_those_of_the_core(rng):
    blocks = [draw(rng, n) for n in (300, 200, 50)]
    parameters = {
        "reg_covar": 1e-3,
        "variance_floor": 0.01,
        "min_occupancy": 0.5,
        "step_exponent": 0.6,
        "step_offset": 5.0,
    }
    estimator = GaussianMixture(3, random_state=1, **parameters)
    start = GaussianMixture(3, random_state=1, max_iter=0, **parameters).fit(blocks[0]).mixture_
    state = StepwiseState.begin(start)
    options = MaximumLikelihoodOptions(reg_covar=1e-3, variance_floor=0.01, min_occupancy=0.5)
    for block in blocks:
        weights = rng.uniform(0.0, 2.0, len(block))
        if state.n_steps == 0:
            # The start is that of the same weights.
            start = GaussianMixture(3, random_state=1, max_iter=0, **parameters)
            state = StepwiseState.begin(start.fit(block, sample_weight=weights).mixture_)
        estimator.partial_fit(block, sample_weight=weights)
        state = update_stepwise(
            state,
            block,
            sample_weight=weights,
            step_exponent=0.6,
            step_offset=5.0,
            update=options,
            precision="float64",
        )
        for name, value in arrays_of(state.model).items():
            assert arrays_of(estimator.mixture_)[name].tobytes() == value.tobytes(), name
        assert estimator.lower_bound_ == state.log_likelihood
        (record,) = estimator.history_.iterations
        assert (record.iteration, record.bound) == (state.n_steps, state.log_likelihood)


def test_the_first_block_begins_as_a_fit_does(rng):
    X = draw(rng, 400)
    for parameters in (
        {"init_params": "kmeans"},
        {"init_params": "random_from_data"},
        {"means_init": X[:3], "weights_init": [0.2, 0.3, 0.5]},
    ):
        one = GaussianMixture(3, random_state=4, **parameters).partial_fit(X)
        other = GaussianMixture(3, random_state=4, max_iter=1, **parameters).fit(X)
        assert_allclose(one.means_, other.means_, rtol=1e-12)
        assert_allclose(one.covariances_, other.covariances_, rtol=1e-10)
        assert one.lower_bound_ == other.lower_bound_


def test_a_first_block_of_too_few_frames_is_refused_and_later_ones_may_be_short(rng):
    estimator = GaussianMixture(5, random_state=0)
    with pytest.raises(InvalidInputError, match="n_components = 5, n_samples = 4"):
        estimator.partial_fit(draw(rng, 4))
    assert not hasattr(estimator, "mixture_")
    estimator.partial_fit(draw(rng, 50)).partial_fit(draw(rng, 1)).partial_fit(draw(rng, 3))
    assert estimator.n_steps_ == 3
    assert np.isfinite(estimator.means_).all()


def test_single_frames_move_little(rng):
    # A block counts by its weight: a short last block does not outweigh thousands of frames.
    estimator = GaussianMixture(3, random_state=0).partial_fit(draw(rng, 3000))
    before = estimator.means_
    for _ in range(5):
        estimator.partial_fit(draw(rng, 1))
    assert 0 < np.abs(estimator.means_ - before).max() < 0.02


@pytest.mark.parametrize("bad", ["nan", "width", "weights", "zero weights", "empty"])
def test_a_block_that_is_refused_changes_nothing(bad, rng):
    estimator = GaussianMixture(3, random_state=0).partial_fit(draw(rng, 200))
    block, weights = draw(rng, 50), None
    if bad == "nan":
        block[31, 1] = np.nan
    elif bad == "width":
        block = block[:, :1]
    elif bad == "weights":
        weights = np.ones(49)
    elif bad == "zero weights":
        weights = np.zeros(50)
    else:
        block = block[:0]
    words = {
        "nan": "found nan at row 31, column 1",
        "width": "1 features, but GaussianMixture is expecting 2",
        "weights": "one entry per frame",
        "zero weights": "zero for all",
        "empty": r"0 sample\(s\)",
    }[bad]
    before = pickle.dumps(estimator)
    with pytest.raises(ValueError, match=words):
        estimator.partial_fit(block, sample_weight=weights)
    assert pickle.dumps(estimator) == before


def test_the_stream_goes_on_through_pickles_and_copies(rng):
    blocks = [draw(rng, 100) for _ in range(6)]
    estimator = GaussianMixture(3, random_state=0)
    for block in blocks[:3]:
        estimator.partial_fit(block)
    others = [pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)]
    for block in blocks[3:]:
        estimator.partial_fit(block)
        for other in others:
            other.partial_fit(block)
    for other in others:
        assert_same_state(other, estimator)
    assert not hasattr(clone(estimator), "mixture_")


@pytest.mark.parametrize("sample_weight", [None, 1.0, 0.25])
def test_a_fit_counts_as_the_weight_it_was_fitted_on(sample_weight, rng):
    X, block = draw(rng, 3000), draw(rng, 300, weights=(0.0, 0.0, 1.0))
    fitted = GaussianMixture(3, random_state=0, tol=1e-6).fit(X, sample_weight=sample_weight)
    rare = int(fitted.weights_.argmin())
    before = fitted.weights_
    fitted.partial_fit(block)
    assert fitted.n_steps_ == 2
    # A second block of a tenth of the first one's weight (or of four tenths).
    eta = 3.0**-0.7
    ratio = 300 / (3000 * (sample_weight or 1.0))
    eta = eta * ratio / (1 - eta + eta * ratio)
    expected = (1 - eta) * before + eta * (np.arange(3) == rare)
    assert_allclose(fitted.weights_, expected, atol=2e-3)


def test_a_few_frames_hardly_move_what_many_were_fitted_on(rng):
    centres = np.array([[10.0], [0.0]])
    X = centres[rng.integers(0, 2, 100_000)] + rng.normal(size=(100_000, 1))
    fitted = GaussianMixture(2, random_state=0).fit(X)
    weights, means, covariances = fitted.weights_, fitted.means_, fitted.covariances_
    fitted.partial_fit(rng.normal(15.0, 1.0, (20, 1)))
    # 20 frames of 100,020, each some 5 from the nearer mean, of a variance of 1.
    assert 0 < np.abs(fitted.weights_ - weights).max() < 20 / 100_020
    assert 0 < np.abs(fitted.means_ - means).max() < 5 * 40 / 100_020 * 1.5
    assert np.abs(fitted.covariances_ - covariances).max() < 25 * 40 / 100_020 * 1.5


def test_a_fit_and_more_of_the_same_is_a_fit_of_all(rng):
    # With steps of 1/t nothing is forgotten, and one component has no responsibilities to differ.
    X = draw(rng, 1000)
    for reg_covar in (0.0, 2.0):
        parameters = {"reg_covar": reg_covar, "step_exponent": 1.0, "step_offset": 1.0}
        parts = GaussianMixture(1, **parameters).fit(X[:700])
        parts.partial_fit(X[700:950]).partial_fit(X[950:])
        whole = GaussianMixture(1, **parameters).fit(X)
        assert_allclose(parts.means_, whole.means_, rtol=1e-10)
        # The regularisation is added once, not once more for each kind of fitting.
        assert_allclose(parts.covariances_, whole.covariances_, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_the_fit_leave_it_as_it_was(kind, rng):
    X = draw(rng, 600)
    parameters = {"covariance_type": kind, "reg_covar": 0.5, "tol": 1e-12, "max_iter": 2000}
    fitted = GaussianMixture(3, random_state=0, **parameters).fit(X)
    assert fitted.converged_
    means, covariances = fitted.means_, fitted.covariances_
    fitted.partial_fit(X)
    assert_allclose(fitted.means_, means, rtol=1e-4, atol=1e-4)
    assert_allclose(fitted.covariances_, covariances, rtol=1e-4, atol=1e-4)


def test_a_fit_between_two_blocks_begins_the_stream_anew(rng):
    X, block = draw(rng, 1000), draw(rng, 300)
    fitted = GaussianMixture(3, random_state=0).fit(X)
    again = GaussianMixture(3, random_state=0).partial_fit(block).fit(X)
    assert not hasattr(again, "n_steps_")
    assert_same_state(again.partial_fit(block), fitted.partial_fit(block))
    assert fitted.n_steps_ == 2


def test_a_given_mixture_counts_as_much_as_the_first_block(rng):
    X, block = draw(rng, 3000), draw(rng, 300, weights=(0.0, 0.0, 1.0))
    fitted = GaussianMixture(3, random_state=0, tol=1e-6).fit(X)
    given = GaussianMixture.from_mixture(fitted.mixture_).partial_fit(block)
    assert given.n_steps_ == 2
    eta = 3.0**-0.7
    rare = fitted.weights_.argmin()
    expected = (1 - eta) * fitted.weights_ + eta * (np.arange(3) == rare)
    assert_allclose(given.weights_, expected, atol=2e-3)


def test_a_mixture_that_took_the_place_of_the_stream_s_is_gone_on_with(rng):
    X, block = draw(rng, 1000), draw(rng, 300)
    other = GaussianMixture(3, random_state=1).fit(X).mixture_
    stream = GaussianMixture(3, random_state=0).partial_fit(block)
    stream.mixture_ = other
    expected = GaussianMixture.from_mixture(other).partial_fit(block)
    assert_same_state(stream.partial_fit(block), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begun", ["fit", "stream", "fit and stream"])
def test_a_loaded_estimator_goes_on_as_the_saved_one(kind, begun, rng, tmp_path):
    # Blocks that wander off take the coordinates along.
    blocks = [draw(rng, 200 + 10 * n) + 20.0 * n for n in range(8)]
    kept = GaussianMixture(3, covariance_type=kind, random_state=0)
    if begun != "stream":
        kept.fit(draw(rng, 500), sample_weight=rng.uniform(0.1, 2.0, 500))
    for block in blocks[: 0 if begun == "fit" else 4]:
        kept.partial_fit(block)
    kept.save(tmp_path / "m")
    loaded = GaussianMixture.load(tmp_path / "m")
    for name in ("n_iter_", "n_steps_", "lower_bound_", "lower_bounds_", "history_"):
        assert getattr(loaded, name, None) == getattr(kept, name, None), name
    for block in blocks[4:]:
        weights = rng.uniform(0.0, 2.0, len(block))
        kept.partial_fit(block, sample_weight=weights)
        loaded.partial_fit(block, sample_weight=weights)
        assert_same_state(loaded, kept)
        # Saved, loaded and saved once more on the way.
        loaded.save(tmp_path / "again")
        loaded = GaussianMixture.load(tmp_path / "again")


def test_a_new_fit_is_not_saved_with_an_old_stream(rng, tmp_path):
    X, block = draw(rng, 1000), draw(rng, 300)
    estimator = GaussianMixture(3, random_state=0).partial_fit(block).fit(X)
    estimator.save(tmp_path / "m")
    loaded = GaussianMixture.load(tmp_path / "m")
    assert not hasattr(loaded, "n_steps_")
    assert_same_state(loaded.partial_fit(block), estimator.partial_fit(block))


def test_files_that_do_not_say_what_was_learnt_from_can_be_gone_on_with(rng, tmp_path):
    block = draw(rng, 300)
    fitted = GaussianMixture(3, random_state=0).fit(draw(rng, 1000))
    fitted.save(tmp_path / "m")
    arrays, metadata = load_arrays(tmp_path / "m", kind="gaussian mixture")
    del metadata["learnt_weight"]
    save_arrays(tmp_path / "m", arrays, kind="gaussian mixture", metadata=metadata)
    loaded = GaussianMixture.load(tmp_path / "m").partial_fit(block)
    assert loaded.n_steps_ == 2
    given = GaussianMixture.from_mixture(fitted.mixture_).partial_fit(block)
    assert_same_state(loaded, given)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("stream.mean", lambda array: array[:1]),
        ("stream.variance", lambda array: -array),
        ("stream.standardisation.scale", lambda array: 0.0 * array),
        ("stream.standardisation.centre", lambda array: array[None]),
        ("n_steps", 0),
        ("weight", -5.0),
        ("weight", "inf"),
        ("weight", None),
        ("log_likelihood", "nan"),
        ("stream.statistics.second_order", lambda array: array[:1]),
        ("stream.statistics.counts", lambda array: None),
        ("stream.standard.weights", lambda array: 2.0 * array),
        ("stream.mean", lambda array: None),
        ("learnt_weight", -1.0),
    ],
)
def test_a_damaged_stream_is_refused(name, change, rng, tmp_path):
    estimator = GaussianMixture(3, random_state=0)
    if name == "learnt_weight":
        estimator.fit(draw(rng, 300))
    else:
        estimator.partial_fit(draw(rng, 300))
    estimator.save(tmp_path / "m")
    arrays, metadata = load_arrays(tmp_path / "m", kind="gaussian mixture")
    if not callable(change):
        (metadata if name in metadata else metadata["stream"])[name] = change
    else:
        changed = change(arrays.pop(name))
        if changed is not None:
            arrays[name] = changed
    save_arrays(tmp_path / "m", arrays, kind="gaussian mixture", metadata=metadata)
    with pytest.raises(ModelFormatError, match="damaged gaussian mixture") as caught:
        GaussianMixture.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_blocks_and_callbacks(dtype, rng):
    X = draw(rng, 600).astype(dtype)
    seen = []
    estimator = GaussianMixture(3, random_state=0, callback=seen.append)
    estimator.partial_fit(X[:300]).partial_fit([X[300:310], X[310:]])
    other = GaussianMixture(3, random_state=0, n_jobs=2)
    other.partial_fit(X[:300]).partial_fit(lambda: iter([X[300:]]))
    assert_same_state(estimator, other)
    assert estimator.means_.dtype == dtype
    assert [iteration.iteration for iteration in seen] == [1, 2]
    assert [iteration.bound for iteration in seen][1] == estimator.lower_bound_


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("step_exponent", 0.5, "finite, > 0.5 and <= 1"),
        ("step_exponent", 1.1, "finite, > 0.5 and <= 1"),
        ("step_exponent", "x", "finite, > 0.5 and <= 1"),
        ("step_offset", -1.0, "finite and >= 0"),
    ],
)
def test_parameters_out_of_range_are_refused(name, value, allowed, rng):
    estimator = GaussianMixture(2, **{name: value})
    message = f"{name} must be {allowed}, found {value!r}"
    with pytest.raises(ValueError, match=message):
        estimator.partial_fit(draw(rng, 50))


def test_other_numbers_of_components_than_the_stream_s_are_refused(rng):
    estimator = GaussianMixture(3, random_state=0).partial_fit(draw(rng, 100))
    with pytest.raises(InvalidInputError, match="3 full components of 2 features, found 4 full"):
        estimator.set_params(n_components=4).partial_fit(draw(rng, 100))
    with pytest.raises(InvalidInputError, match="found 3 diag"):
        estimator.set_params(n_components=3, covariance_type="diag").partial_fit(draw(rng, 100))


def test_frames_with_names(rng):
    pandas = pytest.importorskip("pandas")
    frames = pandas.DataFrame(draw(rng, 100), columns=["energy", "pitch"])
    estimator = GaussianMixture(2, random_state=0).partial_fit(frames).partial_fit(frames)
    assert estimator.feature_names_in_.tolist() == ["energy", "pitch"]
    with pytest.raises(ValueError, match="feature names"):
        estimator.partial_fit(frames[["pitch", "energy"]])
