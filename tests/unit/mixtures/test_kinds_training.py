"""Training of every kind: scikit-learn step by step, and data that break other programs."""

import warnings

import numpy as np
import pytest
from oracles import mixtures as oracle
from oracles.arrays import arrays_of
from oracles.mixtures import KINDS
from sklearn.mixture import GaussianMixture

from speakergmm.errors import CollapsedComponentError, InvalidInputError
from speakergmm.gaussians import (
    LARGEST_ROUNDING_IN_TRAINING,
    FramesPass,
    Standardisation,
    TrainingSteps,
    frame_moments,
    prepare_gaussians,
)
from speakergmm.mixtures import (
    MaximumLikelihoodOptions,
    UpdateReport,
    accumulate,
    make_mixture,
    prepare_mixture,
    train_from,
    update_maximum_likelihood,
)

N_FEATURES = 4


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=["float64", "float32"])
def precision(request):
    return request.param


def cloud(seed=0, n=100):
    """Four clusters of correlated features, (4 n, 4)."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.normal(m, 1.0, (n, N_FEATURES)) @ rng.normal(size=(N_FEATURES, N_FEATURES))
            for m in (-4, 0, 4, 8)
        ]
    )


def start_for(kind, X, n_components=5, *, narrow=1.0):
    """Means at frames, covariances those of the data's features."""
    moments = frame_moments(np.asarray(X))
    variance = np.where(moments.variance > 0, moments.variance, 1.0) * narrow
    covariances = {
        "spherical": np.full(n_components, variance.mean()),
        "diag": np.tile(variance, (n_components, 1)),
        "tied": np.diag(variance),
        "full": np.tile(np.diag(variance), (n_components, 1, 1)),
    }[kind]
    means = np.asarray(X, float)[np.linspace(0, len(X) - 1, n_components).astype(int)]
    return make_mixture(kind, np.full(n_components, 1 / n_components), means, covariances)


def parameter_error(found, expected):
    """Largest difference of any array, relative to the size of that array."""
    return max(
        np.abs(arrays_of(found)[name] - value).max() / np.abs(value).max()
        for name, value in arrays_of(expected).items()
    )


# Beside scikit-learn


@pytest.mark.parametrize("reg_covar", [0.0, 1e-6, 0.5])
def test_each_step_is_that_of_scikit_learn(kind, precision, reg_covar):
    X = cloud() + 7.0
    rng = np.random.default_rng(1)
    weights, means = rng.dirichlet(np.full(3, 5.0)), X[[10, 150, 330]]
    covariance = np.cov(X.T)
    covariances = {
        "spherical": np.array([4.0, 20.0, 9.0]),
        "diag": np.diag(covariance) * rng.uniform(0.5, 1.0, (3, 1)),
        "tied": covariance,
        "full": np.stack([covariance * f for f in (1.0, 0.7, 0.5)]),
    }[kind]
    invert = np.linalg.inv if kind in ("tied", "full") else np.reciprocal
    rtol = 1e-9 if precision == "float64" else 2e-4
    for n_steps in range(1, 7):
        peer = GaussianMixture(
            3,
            covariance_type=kind,
            weights_init=weights,
            means_init=means,
            precisions_init=invert(covariances),
            reg_covar=reg_covar,
            max_iter=n_steps,
            tol=1e-30,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer.fit(X)
        result = train_from(
            X,
            make_mixture(kind, weights, means, covariances),
            max_iter=n_steps,
            tol=1e-30,
            precision=precision,
            update=MaximumLikelihoodOptions(
                variance_floor=0.0, min_occupancy=0.0, reg_covar=reg_covar
            ),
        )
        if precision == "float64":
            assert len(result.history) == n_steps
        np.testing.assert_allclose(
            result.objectives, peer.lower_bounds_[: len(result.history)], rtol=rtol
        )
        for found, value in (
            (result.model.weights, peer.weights_),
            (result.model.means, peer.means_),
            (result.model.covariances, peer.covariances_),
            (result.model.log_likelihood(X, precision=precision), peer.score_samples(X)),
        ):
            size = np.abs(value).max()
            np.testing.assert_allclose(found, value, rtol=rtol, atol=rtol * size)
        np.testing.assert_allclose(
            result.model.posteriors(X, precision=precision), peer.predict_proba(X), atol=10 * rtol
        )


def test_regularisation_that_lowers_the_likelihood_is_no_alarm(kind):
    X = cloud()
    result = train_from(
        X,
        start_for(kind, X, 3),
        max_iter=60,
        tol=0.0,
        precision="float64",
        update=MaximumLikelihoodOptions(variance_floor=0.0, reg_covar=2.0),
    )
    assert result.convergence != "decreased"
    assert all(not it.report.is_plain for it in result.history)


# Data that break programs


def hard_data():
    rng = np.random.default_rng(5)
    base = cloud()
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    constant = base.copy()
    constant[:, 2] = 12.3
    collinear = base.copy()
    collinear[:, 3] = 2 * base[:, 0] - base[:, 1]
    equal = base.copy()
    equal[:, 3] = base[:, 0]
    correlated = rng.normal(size=(400, 4)) @ np.diag([1, 1e-1, 1e-3, 1e-4]) @ rotation
    far = np.concatenate([rng.normal(c, 1, (100, 4)) for c in (0, 1e4, -3e4, 1e5)])
    outlier = base.copy()
    outlier[7] = 1e15 * np.array([1.0, -1.0, 1.0, 1.0])
    units = np.array([1e-6, 1.0, 1e6, 1e3])
    return {
        "plain": base,
        "constant column": constant,
        "all the same": np.full((400, 4), 3.3),
        "all zero": np.zeros((400, 4)),
        "eight points": np.repeat(base[:8], 50, axis=0),
        "N = K": base[::80],
        "offset 1e6": base + 1e6,
        "offset 1e6, float32": (base + 1e6).astype(np.float32),
        "unit 1e-6": base * 1e-6,
        "unit 1e6": base * 1e6,
        "mixed units": base * units,
        "mixed units and offsets, float32": (base * units + [1, 1e6, 0, -1e5]).astype(np.float32),
        "float32": base.astype(np.float32),
        "correlated, condition 1e8": correlated,
        "correlated, offset": correlated + 1e3,
        "collinear": collinear,
        "equal columns": equal,
        "collinear and constant": np.column_stack([collinear[:, [0, 1, 3]], np.ones(400)]),
        "1e4 deviations apart": far,
        "1e4 deviations apart, float32": far.astype(np.float32),
        "four far points": np.repeat(far[::100], 50, axis=0),
        "outlier of 1e15": outlier,
        "integers": np.round(base),
        "one feature": base[:, :1],
        "unit 1e-150": base * 1e-150,
        "unit 1e100": base * 1e100,
    }


HARD = hard_data()


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", HARD)
def test_hard_data_give_a_good_mixture(name, kind, precision):
    X = HARD[name]
    starts = ((1e-3, 1e-4), (1e-10, 1.0), (0.0, 1.0))
    # In float64, which rounds off less, one of them for each of the data and kinds.
    place = (list(HARD).index(name) + list(KINDS).index(kind)) % 3
    for floor, narrow in starts if precision == "float32" else (starts[place],):
        result = train_from(
            X,
            start_for(kind, X, narrow=narrow),
            max_iter=8,
            tol=0.0,
            precision=precision,
            update=MaximumLikelihoodOptions(variance_floor=floor, min_occupancy=1e-3),
        )
        model = result.model
        for array in arrays_of(model).values():
            assert np.isfinite(array).all()
        np.linalg.cholesky(model.full_covariances())
        assert np.isfinite(model.log_likelihood(X, precision=precision)).all()
        assert result.convergence in ("converged", "iteration_limit")
        objectives = np.array(result.objectives)
        plain = [it.report is not None and it.report.is_plain for it in result.history[:-1]]
        falls = -np.diff(objectives)[plain]
        # What the core expects of float32, and the same of float64; far components have
        # variances that are differences of squares 1e9 times as large.
        rounding = prepare_mixture(model).rounding.max()
        if precision == "float64" or rounding > 1e-2:
            rounding *= 2.0**-29
        allowed = max(1e-12, rounding, 1e-6 * (precision == "float32"))
        assert falls.max(initial=0.0) <= allowed * max(1.0, np.abs(objectives).max())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_far_components_have_their_variances_in_float32(dtype, kind):
    # Deviations of 1 in data of deviation 1e5: squares of which float32 leaves nothing. The start
    # is wide enough for float32, and only its update is not.
    rng = np.random.default_rng(3)
    centres = (0.0, 1e5, -1e5, 2e5)
    X = np.concatenate([rng.normal(c, 1, (100, 4)) for c in centres]).astype(dtype)
    start = start_for(kind, X, 4, narrow=1e-2)
    start = make_mixture(kind, start.weights, X[[0, 100, 200, 300]], start.covariances)
    assert prepare_mixture(start).rounding.max() < 1e-2
    # Far as they are, one step tells whose frames are whose.
    result = train_from(X, start, max_iter=1, update=MaximumLikelihoodOptions(variance_floor=0.0))
    parts = [X[i : i + 100].astype(float) for i in (0, 100, 200, 300)]
    matrices = np.stack([np.cov(part.T, bias=True) for part in parts])
    expected = {
        "spherical": np.trace(matrices, axis1=1, axis2=2) / 4,
        "diag": np.einsum("kdd->kd", matrices),
        "tied": matrices.mean(axis=0),
        "full": matrices,
    }[kind]
    np.testing.assert_allclose(result.model.covariances, expected, rtol=1e-3, atol=1e-3)
    means = [part.mean(axis=0) for part in parts]
    np.testing.assert_allclose(result.model.means, means, rtol=1e-9, atol=1e-6)


def test_float32_frames_that_gave_scikit_learn_negative_variances(kind):
    # scikit-learn's issue 30382: features of a small spread far from zero, in float32.
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(2000, 3)) * [0.01, 0.02, 0.05] + [10.0, 100.0, 300.0]).astype(np.float32)
    result = train_from(
        X,
        start_for(kind, X, 2),
        max_iter=20,
        update=MaximumLikelihoodOptions(variance_floor=1e-6),
    )
    assert np.linalg.eigvalsh(result.model.full_covariances()).min() > 0
    _, variance = result.model.global_moments()
    exact = X.astype(float).var(axis=0)
    if kind == "spherical":
        variance, exact = variance.mean(), exact.mean()
    np.testing.assert_allclose(variance, exact, rtol=1e-4)


@pytest.mark.parametrize("offset", [1e3, 1e4, 1e5])
def test_an_offset_does_not_make_a_variance_of_304(kind, offset):
    rng = np.random.default_rng(2)
    X = np.concatenate([rng.normal(-4, 1, (1500, 2)), rng.normal(4, 1, (1500, 2))])
    shifted = (X + offset).astype(np.float32)
    means = np.array([[-4.0, -4.0], [4.0, 4.0]]) + offset
    ones = {"spherical": np.ones(2), "diag": np.ones((2, 2)), "tied": np.eye(2)}
    start = make_mixture(kind, [0.5, 0.5], means, ones.get(kind, np.stack([np.eye(2)] * 2)))
    result = train_from(shifted, start, max_iter=20)
    found = np.einsum("kdd->kd", result.model.full_covariances())
    np.testing.assert_allclose(found, 1.0, atol=0.1)
    exact = train_from(shifted.astype(float), start, max_iter=20, precision="float64")
    assert parameter_error(result.model, exact.model) < 1e-4


def test_convergence_says_how_it_ended(kind, precision):
    X = cloud()
    options = {"precision": precision, "final_update": False}
    ended = train_from(X, start_for(kind, X, 2), max_iter=500, tol=1e-4, **options)
    assert ended.convergence == "converged"
    last = ended.model.log_likelihood(X, precision="float64").mean()
    np.testing.assert_allclose(ended.objectives[-1], last, rtol=1e-5)
    cut = train_from(X, start_for(kind, X, 2), max_iter=2, tol=0.0, **options)
    assert (cut.convergence, len(cut.history)) == ("iteration_limit", 2)


def test_blocks_and_threads_change_no_bit(kind, precision):
    X = np.concatenate([cloud(seed) for seed in range(8)])
    blocks = np.split(X, [3, 700, 701, 1900])
    weights = np.random.default_rng(0).gamma(1.0, 1.0, len(X))
    for sample_weight in (None, weights):
        options = {"max_iter": 3, "sample_weight": sample_weight, "precision": precision}
        whole = train_from(X, start_for(kind, X), **options)
        for source, engine in ((blocks, 1), (lambda: iter(blocks), 2), (X, 3)):
            found = train_from(source, start_for(kind, X), engine=engine, **options)
            np.testing.assert_equal(arrays_of(found.model), arrays_of(whole.model))
            assert found.objectives == whole.objectives


def test_bad_frames_in_a_stream_are_named(kind):
    X = cloud()
    blocks = [X[:100], X[100:200], X[200:300], X[300:].copy()]
    blocks[3][5, 2] = np.nan
    with pytest.raises(InvalidInputError, match=r"block 3: .* nan at row 305, column 2") as caught:
        train_from(blocks, start_for(kind, X))
    assert "\n" not in str(caught.value)
    blocks[3] = X[300:, :3]
    with pytest.raises(InvalidInputError, match=r"block 3: .* 4 features, found 3"):
        train_from(lambda: iter(blocks), start_for(kind, X))
    with pytest.raises(InvalidInputError, match=r"4 features .* found 3"):
        train_from(X[:, :3], start_for(kind, X))


# Floors, revival, refusal


def test_floors_hold_and_are_counted(kind, precision):
    X = HARD["collinear"]
    result = train_from(
        X,
        start_for(kind, X, 3),
        max_iter=8,
        tol=0.0,
        precision=precision,
        update=MaximumLikelihoodOptions(variance_floor=0.01),
    )
    unit = np.sqrt(0.01 * X.var(axis=0))
    white = result.model.full_covariances() / np.outer(unit, unit)
    if kind in ("tied", "full"):
        assert np.linalg.eigvalsh(white).min() > 1.0 - 1e-6
        # One direction is empty: one eigenvalue of each matrix at least.
        least = 1 if kind == "tied" else 3
        assert all(it.report.n_floored >= least for it in result.history)
    elif kind == "diag":
        assert np.einsum("kdd->kd", white).min() > 1.0 - 1e-9
    else:
        assert (result.model.covariances >= 0.01 * X.var(axis=0).mean() * (1 - 1e-9)).all()


def test_dead_components_come_back(kind, precision):
    X = HARD["correlated, offset"] if kind in ("tied", "full") else cloud()
    start = start_for(kind, X, 3)
    means = start.means.copy()
    means[1] = means[1] + 1e6
    lost = make_mixture(kind, start.weights, means, start.covariances)
    result = train_from(X, lost, max_iter=15, tol=0.0, precision=precision)
    assert result.history[0].report.revived == (1,)
    assert all(it.report is None or it.report.revived == () for it in result.history[1:])
    assert result.model.weights.min() > 0.02
    assert result.objectives[-1] > result.objectives[1]


def test_collapse_is_refused_if_asked_for(kind, precision):
    options = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0, refuse_collapse=True)
    points = np.repeat(cloud()[::80], 20, axis=0)
    with pytest.raises(CollapsedComponentError):
        train_from(
            points, start_for(kind, points, 5, narrow=1e-4), update=options, precision=precision
        )
    # Narrow and far apart is no collapse, whatever float32 makes of it.
    X = HARD["1e4 deviations apart"]
    start = make_mixture(kind, [0.25] * 4, X[[0, 100, 200, 300]], start_for(kind, X, 4).covariances)
    result = train_from(X, start, update=options, precision=precision)
    assert np.linalg.eigvalsh(result.model.full_covariances()).min() > 0.1


# Float32 beside float64


def ill_conditioned(rng, kind, narrow):
    """A mixture with components up to 10^(narrow / 2) times narrower than the data."""
    parameters = oracle.random_parameters(rng, kind, 8, 6, spread=1.0, narrow=narrow)
    return make_mixture(kind, *parameters)


@pytest.mark.parametrize("narrow", [0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0])
def test_worst_error_of_float32(kind, narrow):
    # The figures are those that `prepare` states; narrow components are evaluated exactly.
    rng = np.random.default_rng(int(narrow))
    for _ in range(3):
        model = ill_conditioned(rng, kind, narrow)
        units = np.full(6, 10.0 ** rng.uniform(-6, 6))
        if kind != "spherical":
            units = 10.0 ** rng.uniform(-6, 6, 6)
        model = model.rescaled(units, units * rng.normal(0.0, 1e3, 6))
        X = model.sample(700, rng)
        errors = model.log_likelihood(X) - model.log_likelihood(X, precision="float64")
        prepared = prepare_mixture(model)
        dtype, exact = prepared.plan("float32")
        rounding = np.delete(prepared.rounding, exact).max(initial=0.0)
        assert rounding <= 5e-2 or dtype == np.float64
        assert np.abs(errors).max() <= (2 * rounding + 1e-4 if dtype == np.float32 else 0.0)
        assert abs(errors.mean()) < 5e-3
        a, b = (
            train_from(
                X,
                model,
                max_iter=1,
                update=MaximumLikelihoodOptions(variance_floor=1e-12),
                precision=precision,
            ).model
            for precision in ("float64", "float32")
        )
        unit = np.sqrt(np.einsum("kdd->kd", a.full_covariances()))
        matrices = np.abs(a.full_covariances() - b.full_covariances())
        assert (np.abs(a.means - b.means) / unit).max() < 2e-2
        assert (matrices / (unit[:, :, None] * unit[:, None, :])).max() < 2e-2
        assert (np.abs(a.weights - b.weights) / a.weights).max() < 2e-2


def test_mixtures_too_narrow_for_float32_are_evaluated_in_float64(kind, rng):
    model = ill_conditioned(rng, kind, 9.0)
    X = model.sample(100, rng)
    means = model.means.copy()
    means[0] += 1e5
    far = make_mixture(kind, model.weights, means, model.covariances)
    assert prepare_mixture(far).rounding.max() > 5e-2
    np.testing.assert_array_equal(far.log_likelihood(X), far.log_likelihood(X, precision="float64"))
    assert far.log_density(X).dtype == np.float32


def test_statistics_in_float32_serve_an_update(kind, rng):
    model = ill_conditioned(rng, kind, 2.0)
    X = model.sample(3000, rng)
    options = MaximumLikelihoodOptions(variance_floor=0.0)
    a, b = (
        update_maximum_likelihood(accumulate(model, X, precision=p), model, options=options)[0]
        for p in ("float64", "float32")
    )
    assert parameter_error(b, a) < 1e-4


def test_steps_know_the_rounding_of_what_they_found(kind, rng):
    # Densities whose terms are 1e4 times as large as they: the mean of a few frames wavers by
    # more than 1e-6 of itself, and the loop is told.
    for precision, expected in (("float32", 1.0), ("float64", 2.0**-29)):
        model = ill_conditioned(rng, kind, 3.0)
        moments = frame_moments(model.sample(500, rng))
        standardisation = Standardisation.from_moments(
            moments.mean, moments.variance, isotropic=kind == "spherical"
        )
        standard = standardisation.model_to_standard(model)
        frames = FramesPass(model.sample(500, rng), precision=precision)
        steps = TrainingSteps(
            frames,
            lambda statistics, model: (model, UpdateReport(n_floored=int(statistics.n_frames))),
            standardisation=standardisation,
        )
        statistics = steps.accumulate(standard)
        rounding = prepare_gaussians(
            *standard.weighted()[:2], standardisation, weights=standard.weights
        ).rounding.max()
        assert 1e-6 < rounding < 1e-2
        assert steps.rounding() == pytest.approx(max(1e-6, expected * rounding))
        # Whatever was found on the way is used for these statistics and no others.
        assert steps.update(statistics, standard)[1].n_floored == 500
        assert steps.update(statistics.scale(2.0), standard)[1].n_floored == 1000


def test_steps_go_over_frames_as_strictly_as_training_needs(rng):
    class Watched(FramesPass):
        def accumulate(self, prepared, likelihoods=None):
            limits.append(self.largest_rounding)
            return FramesPass.accumulate(self, prepared, likelihoods)

    model = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    frames = Watched(rng.normal(size=(50, 1)))
    # Of one pass, and of one for each model, as hidden Markov models have it.
    for given in (frames, lambda _: frames):
        limits = []
        steps = TrainingSteps(
            given,
            lambda statistics, model: (model, UpdateReport()),
            standardisation=Standardisation(np.zeros(1), np.ones(1)),
        )
        steps.accumulate(model)
        assert limits == [LARGEST_ROUNDING_IN_TRAINING]
        assert frames.largest_rounding > LARGEST_ROUNDING_IN_TRAINING
