"""Joint factor analysis and session variability: against the joint normal distribution."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.factors import (
    draw_speaker,
    full_covariances,
    joint,
    log_likelihood,
    maximised,
    normal_log_density,
    posterior,
)

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.mixtures import adapt_means, make_mixture
from speakergmm.run_context import RunContext
from speakergmm.speakers import linear_scores
from speakergmm.subspace import (
    Factors,
    JointFactors,
    TotalVariability,
    fit_joint_factors,
    fit_session_variability,
    fit_total_variability,
    mixture_digest,
)

KINDS = ("spherical", "diag", "tied", "full")
PARTS = {
    "V": {"session_dimension": 0, "with_residual": False},
    "U": {"speaker_dimension": 0, "with_residual": False},
    "D": {"speaker_dimension": 0, "session_dimension": 0},
    "V U": {"with_residual": False},
    "V D": {"session_dimension": 0},
    "U D": {"speaker_dimension": 0},
    "V U D": {},
    "V U fixed D": {"update_residual": False},
}


def make_factors(kind="diag", *, seed=0, n_components=3, n_speaker=2, n_session=1, residual=0.4):
    """A model of two features, with a residual that differs among features if it is an array."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(n_components, 2, 2))
    matrices = roots @ roots.swapaxes(1, 2) + np.eye(2)
    covariances = {
        "spherical": matrices[:, 0, 0],
        "diag": np.einsum("kii->ki", matrices),
        "tied": matrices[0],
        "full": matrices,
    }[kind]
    deviations = None
    if residual is not None:
        deviations = np.broadcast_to(residual, (n_components, 2)) * np.ones((n_components, 2))
    return Factors(
        kind,
        rng.normal(size=(n_components, 2)),
        covariances,
        rng.normal(size=(n_components, 2, n_speaker + n_session)),
        n_speaker,
        deviations,
    )


UNEVEN = np.array([[0.2, 0.5], [0.9, 0.3], [0.0, 0.4]])


def background(factors):
    weights = np.full(len(factors.means), 1 / len(factors.means))
    return make_mixture(factors.covariance_type, weights, factors.means, factors.covariances)


def draw(factors, sizes=(3, 1, 2, 4, 2, 3), *, seed=1, length=15):
    """Sessions of speakers, as many as `sizes` says."""
    rng = np.random.default_rng(seed)
    return [
        draw_speaker(factors, rng, rng.integers(length // 2, 2 * length, size=size))
        for size in sizes
    ]


def statistics(sessions, n_components=3):
    occupancy, first_order = zip(*(each.statistics(n_components) for each in sessions), strict=True)
    return np.array(occupancy), np.array(first_order)


def training(factors, speakers):
    """Arguments of a training, with the sessions of speakers mixed."""
    names = np.repeat([f"speaker {n}" for n in range(len(speakers))], [len(s) for s in speakers])
    given = statistics(
        [session for sessions in speakers for session in sessions], len(factors.means)
    )
    order = np.random.default_rng(0).permutation(len(names))
    return background(factors), *(each[order] for each in given), names[order]


def model_of(factors):
    return JointFactors(mixture_digest(background(factors)), factors)


def expected_offset(factors, sessions):
    """Offset of the speaker from all factors' posterior means."""
    mean, _ = posterior(factors, sessions)
    n_speaker = factors.n_speaker
    offset = factors.speaker_loadings @ mean[:n_speaker]
    if factors.residual is not None:
        z = mean[n_speaker + len(sessions) * factors.n_session :].reshape(factors.means.shape)
        roots = np.linalg.cholesky(full_covariances(factors))
        offset += np.einsum("kij,kj->ki", roots, factors.residual * z)
    return offset


@pytest.mark.parametrize("residual", [None, 0.4, UNEVEN], ids=["none", "even", "uneven"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_speaker_is_enrolled_by_the_posterior_of_the_joint_normal_distribution(kind, residual):
    factors = make_factors(kind, residual=residual)
    for sessions in draw(factors, (1, 3)):
        offset = model_of(factors).enroll(*statistics(sessions))
        expected = expected_offset(factors, sessions)
        np.testing.assert_allclose(offset, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n_speaker", [0, 2])
def test_without_some_factors_the_others_are_enrolled(n_speaker):
    for n_session in (0, 1):
        factors = make_factors(n_speaker=n_speaker, n_session=n_session, residual=UNEVEN)
        (sessions,) = draw(factors, (3,))
        offset = model_of(factors).enroll(*statistics(sessions))
        np.testing.assert_allclose(offset, expected_offset(factors, sessions), rtol=1e-9)


def test_session_variability_without_factors_is_relevance_map():
    factors = make_factors("full")
    mixture, *given = training(factors, draw(factors))
    model = fit_session_variability(mixture, *given, dimension=0, relevance_factor=8.0).model
    occupancy, first_order = given[0][:2], given[1][:2]
    adapted = adapt_means(
        occupancy.sum(axis=0), first_order.sum(axis=0), mixture.means, relevance_factor=8.0
    )
    offset = model.enroll(occupancy, first_order)
    np.testing.assert_allclose(mixture.means + offset, adapted, rtol=1e-12)
    np.testing.assert_allclose(model.compensate(occupancy, first_order), first_order)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("diag", name) for name in PARTS] + [(kind, "V U D") for kind in KINDS if kind != "diag"],
)
def test_each_update_raises_the_likelihood_of_the_frames_as_it_is_reported(kind, name):
    truth = make_factors(kind)
    speakers = draw(truth)
    given = training(truth, speakers)
    options = {"speaker_dimension": 2, "session_dimension": 1, **PARTS[name]}
    n_frames = sum(len(each.frames) for sessions in speakers for each in sessions)

    def of_frames(factors):
        return sum(log_likelihood(factors, sessions) for sessions in speakers) / n_frames

    none = Factors(kind, truth.means, truth.covariances, np.zeros((3, 2, 0)), 0)
    whole = fit_joint_factors(*given, max_iter=3, **options)
    found = []
    for iterations in (1, 2):
        result = fit_joint_factors(*given, max_iter=iterations, **options)
        assert result.objectives == whole.objectives[:iterations]
        found.append(of_frames(result.model.factors) - of_frames(none))
    np.testing.assert_allclose(whole.objectives[1:], found, rtol=1e-9, atol=1e-10)
    assert np.all(np.diff(whole.objectives) > 0)


@pytest.mark.parametrize("update_residual", [False, True])
def test_an_update_is_the_regression_on_the_moments_of_the_joint_distribution(update_residual):
    truth = make_factors()
    speakers = draw(truth)
    given = training(truth, speakers)
    options = {
        "speaker_dimension": 2,
        "session_dimension": 1,
        "minimum_divergence": False,
        "update_residual": update_residual,
    }
    first = fit_joint_factors(*given, max_iter=1, **options).model.factors
    second = fit_joint_factors(*given, max_iter=2, **options).model.factors
    loadings, residual = maximised(first, speakers, residual=update_residual)
    np.testing.assert_allclose(second.loadings, loadings, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(second.residual, residual, rtol=1e-8, atol=1e-9)


def test_minimum_divergence_is_neutral_to_the_likelihood():
    truth = make_factors()
    speakers = draw(truth)
    given = training(truth, speakers)
    options = {"speaker_dimension": 2, "session_dimension": 1, "max_iter": 1}
    plain = fit_joint_factors(*given, minimum_divergence=False, **options).model.factors
    standard = fit_joint_factors(*given, **options).model.factors
    ratios = standard.residual / plain.residual
    # The covariances that loadings of standard normal factors stand for.
    changes = [
        np.linalg.lstsq(old.reshape(6, -1), new.reshape(6, -1), rcond=None)[0]
        for old, new in (
            (plain.speaker_loadings, standard.speaker_loadings),
            (plain.session_loadings, standard.session_loadings),
        )
    ]
    for sessions in speakers:
        observed, base, matrix, _, noise = joint(plain, sessions)
        n_low = 2 + len(sessions)
        prior = np.eye(matrix.shape[1])
        prior[:2, :2] = changes[0] @ changes[0].T
        prior[2:n_low, 2:n_low] = np.kron(np.eye(len(sessions)), changes[1] @ changes[1].T)
        prior[n_low:, n_low:] = np.diag(ratios.ravel() ** 2)
        expected = normal_log_density(observed, base, matrix @ prior @ matrix.T + noise)
        np.testing.assert_allclose(log_likelihood(standard, sessions), expected, rtol=1e-10)


def test_factors_of_sessions_alone_are_total_variability():
    truth = make_factors("full")
    mixture, occupancy, first_order, names = training(truth, draw(truth))
    options = {"max_iter": 3, "seed": 4}
    alone = fit_joint_factors(
        mixture, occupancy, first_order, names,
        speaker_dimension=0, session_dimension=3, with_residual=False, **options,
    )  # fmt: skip
    total = fit_total_variability(mixture, occupancy, first_order, dimension=3, **options)
    np.testing.assert_allclose(
        alone.model.factors.loadings, total.model.factors.loadings, rtol=1e-9, atol=1e-11
    )
    np.testing.assert_allclose(alone.objectives, total.objectives, rtol=1e-9)


def test_factors_of_speakers_alone_are_total_variability_of_their_summed_sessions():
    truth = make_factors()
    mixture, occupancy, first_order, names = training(truth, draw(truth, (2, 3, 1, 2, 4)))
    voices = fit_joint_factors(
        mixture, occupancy, first_order, names,
        speaker_dimension=2, session_dimension=0, with_residual=False, max_iter=3,
    )  # fmt: skip
    rows = [names == name for name in np.unique(names)]
    summed = (np.stack([each[r].sum(axis=0) for r in rows]) for each in (occupancy, first_order))
    total = fit_total_variability(mixture, *summed, dimension=2, max_iter=3)
    np.testing.assert_allclose(
        voices.model.factors.loadings, total.model.factors.loadings, rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(voices.objectives, total.objectives, rtol=1e-10)


def subspace_cosine(one, two):
    """Smallest cosine of the principal angles between two subspaces of supervectors."""
    bases = [np.linalg.qr(each.reshape(each.shape[0] * 2, -1))[0] for each in (one, two)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).min()


@pytest.mark.slow
def test_known_subspaces_are_recovered():
    truth = make_factors(n_components=4, residual=None)
    speakers = draw(truth, (3,) * 50, length=25)
    given = training(truth, speakers)
    options = {"speaker_dimension": 2, "session_dimension": 1, "with_residual": False}
    result = fit_joint_factors(*given, **options)
    found = result.model.factors
    assert subspace_cosine(found.speaker_loadings, truth.speaker_loadings) > 0.9
    assert subspace_cosine(found.session_loadings, truth.session_loadings) > 0.999
    # The model explains the sessions better than the one that they are drawn from.
    none = replace(truth, loadings=truth.loadings[:, :, :0], n_speaker=0)
    gain = sum(log_likelihood(truth, each) - log_likelihood(none, each) for each in speakers)
    assert result.objectives[-1] * given[1].sum() > gain


@pytest.mark.slow
def test_a_known_residual_is_recovered():
    truth = make_factors(n_components=4, n_speaker=0, residual=np.array([0.3, 0.6]))
    given = training(truth, draw(truth, (3,) * 60, length=60))
    options = {"speaker_dimension": 0, "session_dimension": 1, "relevance_factor": 4.0}
    found = fit_joint_factors(*given, **options).model.factors
    np.testing.assert_allclose(np.sqrt((found.residual**2).mean(axis=0)), [0.3, 0.6], rtol=0.15)
    assert subspace_cosine(found.session_loadings, truth.session_loadings) > 0.99


def test_the_session_of_a_test_is_removed():
    factors = make_factors("full", n_session=2)
    ((session,),) = draw(factors, (1,))
    occupancy, first_order = statistics([session])
    alone = replace(factors, loadings=factors.session_loadings, n_speaker=0, residual=None)
    mean, _ = posterior(alone, [session])
    expected = first_order[0] - occupancy[0][:, None] * (factors.session_loadings @ mean)
    compensated = model_of(factors).compensate(occupancy, first_order)
    np.testing.assert_allclose(compensated[0], expected, rtol=1e-9, atol=1e-10)


def test_scores_are_linear_scores_of_compensated_statistics():
    factors = make_factors(residual=UNEVEN)
    speakers = draw(factors)
    model = model_of(factors)
    offsets = np.array([model.enroll(*statistics(sessions)) for sessions in speakers])
    tests = statistics([sessions[0] for sessions in draw(factors, seed=8)])
    scores = model.scores(offsets, *tests)
    slopes = offsets / factors.covariances
    expected = linear_scores(slopes, tests[0], model.compensate(*tests), background(factors))
    np.testing.assert_allclose(scores, expected, rtol=1e-10)
    assert scores.shape == (6, 6)


@pytest.mark.slow
def test_speakers_are_told_apart_better_with_factors_of_sessions():
    truth = make_factors(n_session=2, residual=0.5)
    truth = replace(truth, loadings=truth.loadings * [0.5, 0.5, 1.5, 1.5])
    mixture, *given = training(truth, draw(truth, (4,) * 40, length=40))
    accuracies = []
    for dimension in (0, 2):
        model = fit_session_variability(mixture, *given, dimension=dimension).model
        voices = draw(truth, (6,) * 30, seed=9, length=40)
        offsets = [model.enroll(*statistics(sessions[:4])) for sessions in voices]
        tests = statistics([sessions[5] for sessions in voices])
        scores = model.scores(np.array(offsets), *tests)
        own = np.diag(scores)
        accuracies.append(np.mean(scores < own))
    assert accuracies[1] > accuracies[0] + 0.03


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_engine():
    factors = make_factors()
    rng = np.random.default_rng(3)
    occupancy = rng.uniform(1, 20, size=(300, 3))  # several shards
    first_order = occupancy[:, :, None] * rng.normal(size=(300, 3, 2))
    names = rng.integers(60, size=300)
    options = {"speaker_dimension": 2, "session_dimension": 1, "max_iter": 2}
    one, two, eight = (
        fit_joint_factors(
            background(factors), occupancy, first_order, names, engine=engine, **options
        )
        for engine in (1, 2, 8)
    )
    assert one.model.digest == two.model.digest == eight.model.digest
    assert one.objectives == two.objectives == eight.objectives


class Interrupted(Exception):
    pass


def test_a_training_that_was_interrupted_resumes_to_the_same_result(tmp_path):
    truth = make_factors()
    given = training(truth, draw(truth))
    options = {"speaker_dimension": 2, "session_dimension": 1, "max_iter": 4}

    def interrupt(number, _):
        if number == 1:
            raise Interrupted

    path = tmp_path / "checkpoint"
    run = RunContext(checkpoint=path, checkpoint_seconds=0, callback=interrupt)
    swapped = *given[:3], given[3][::-1]
    with pytest.raises(Interrupted):
        fit_joint_factors(*given, run=run, **options)
    with pytest.raises(IncompatibleModelError, match="sessions"):
        fit_joint_factors(*swapped, run=RunContext(checkpoint=path), **options)
    resumed = fit_joint_factors(*given, run=RunContext(checkpoint=path), **options)
    assert resumed.model.digest == fit_joint_factors(*given, **options).model.digest


def test_a_model_is_saved_and_loaded(tmp_path):
    model = model_of(make_factors("tied", residual=UNEVEN))
    model.save(tmp_path / "model")
    loaded = JointFactors.load(tmp_path / "model")
    assert loaded.digest == model.digest
    (sessions,) = draw(model.factors, (2,))
    np.testing.assert_array_equal(
        loaded.enroll(*statistics(sessions)), model.enroll(*statistics(sessions))
    )


def test_wrong_input_is_refused_in_one_line():
    factors = make_factors()
    mixture, occupancy, first_order, names = training(factors, draw(factors, (2, 2, 1)))

    def fit(names=names, **options):
        fit_joint_factors(mixture, occupancy, first_order, names, **options)

    with pytest.raises(InsufficientDataError, match="3 factors of speakers need more speakers"):
        fit(speaker_dimension=3, session_dimension=1)
    with pytest.raises(InsufficientDataError, match="3 factors of sessions need as many sessions"):
        fit(speaker_dimension=1, session_dimension=3)
    with pytest.raises(InvalidInputError, match="session_dimension must be at most 6"):
        fit(speaker_dimension=1, session_dimension=7)
    with pytest.raises(InvalidInputError, match="needs factors"):
        fit(speaker_dimension=0, session_dimension=0, with_residual=False)
    with pytest.raises(InvalidInputError, match="each session needs the name of its speaker"):
        fit(names=names[:4], speaker_dimension=1, session_dimension=1)
    with pytest.raises(IncompatibleModelError, match="trained with the background mixture"):
        model_of(factors).check_background(background(make_factors(seed=3)))
    with pytest.raises(IncompatibleModelError, match=r"offsets must be of shape \(M, 3, 2\)"):
        model_of(factors).scores(np.zeros((2, 2)), occupancy, first_order)
    with pytest.raises(InvalidInputError, match="no factors of sessions and no residual"):
        TotalVariability("0" * 64, factors)
