"""Background models with full covariances: trained from diagonal ones, and used by i-vectors."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.mixtures import FullMixture
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    BackgroundModel,
    SpeakerStore,
    SpeakerSystem,
    collect_statistics,
    compare_recordings,
    enroll_into,
    train_backend,
)

N_COMPONENTS = 4
OPTIONS = {"n_components": N_COMPONENTS, "seed": 1, "augmentation": "none", "max_iter": 10}


@pytest.fixture(scope="module")
def diagonal(background_corpus):
    return BackgroundModel.train(background_corpus, **OPTIONS)


@pytest.fixture(scope="module")
def full(background_corpus):
    return BackgroundModel.train(background_corpus, covariance_type="full", **OPTIONS)


@pytest.fixture(scope="module")
def system(full, background_corpus):
    return train_backend(full, background_corpus, dimension=3, max_iter=2, n_discriminants=2)


def log_densities(mixture, frames):
    """Weighted log-densities (T, K) by SciPy."""
    return np.stack(
        [
            np.log(weight) + multivariate_normal(mean, covariance).logpdf(frames)
            for weight, mean, covariance in zip(
                mixture.weights, mixture.means, mixture.full_covariances(), strict=True
            )
        ],
        axis=1,
    )


def frames_of(background, path):
    return np.concatenate([block.values for block in background.speech([path], {})]).astype(float)


def test_training_goes_on_from_diagonal_covariances(full, diagonal, background_corpus):
    assert isinstance(full.mixture, FullMixture)
    frames = np.concatenate([frames_of(full, each.path) for each in background_corpus.utterances])

    def likelihood(mixture):
        return np.logaddexp.reduce(log_densities(mixture, frames), axis=1).mean()

    # The diagonal model is where it began: no iteration falls below that.
    history = full.provenance["history"]
    np.testing.assert_allclose(history[0], likelihood(diagonal.mixture), rtol=1e-4)
    assert (np.diff(history) > -1e-3).all()
    assert likelihood(full.mixture) > history[0] + 1
    assert full.provenance["training"]["covariance_type"] == "full"


def test_an_interrupted_training_goes_on(full, background_corpus, tmp_path):
    class Interrupted(Exception):
        pass

    heard = []

    def stop(number, iteration):
        heard.append(number)
        if heard.count(1) == 2:  # in the second loop, of full covariances
            raise Interrupted

    settings = {"checkpoint": tmp_path / "kept", "checkpoint_seconds": 0.0}
    options = {"covariance_type": "full", **OPTIONS}
    with pytest.raises(Interrupted):
        BackgroundModel.train(
            background_corpus, run=RunContext(callback=stop, **settings), **options
        )
    assert (tmp_path / "kept").exists()
    again = BackgroundModel.train(background_corpus, run=RunContext(**settings), **options)
    assert again.digest == full.digest
    assert not (tmp_path / "kept").exists()


def test_statistics_are_those_of_the_definition(full, voices):
    blocks = list(full.speech([voices(1, 0)], {}))
    frames = np.concatenate([block.values for block in blocks]).astype(float)
    weights = np.concatenate([block.weights for block in blocks])
    logs = log_densities(full.mixture, frames)
    posteriors = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
    posteriors *= weights[:, None]
    found = collect_statistics(full, voices(1, 0)).statistics
    np.testing.assert_allclose(found.counts, posteriors.sum(axis=0), rtol=1e-6, atol=1e-6)
    found = found.about_zero()
    np.testing.assert_allclose(found.first_order, posteriors.T @ frames, rtol=1e-5, atol=1e-5)


def test_files_keep_it(full, diagonal, tmp_path):
    for model in (full, diagonal):
        model.save(tmp_path / "ubm")
        found = BackgroundModel.load(tmp_path / "ubm")
        assert found.digest == model.digest
        assert type(found.mixture) is type(model.mixture)


def test_speakers_are_enrolled_and_verified_by_i_vectors(system, voices, tmp_path):
    path = tmp_path / "voices.db"
    enroll_into(path, "ana", [voices(1, 0), voices(1, 1)], background=system)
    with SpeakerStore.open(path) as store:
        own, other = (store.verify("ana", voices(voice, 2)).score for voice in (1, 2))
    sessions = [collect_statistics(system.background, voices(1, number)) for number in range(3)]
    occupancy = [each.statistics.counts for each in sessions]
    first_order = [each.statistics.about_zero().first_order for each in sessions]
    vectors = system.trained.extractor.transform(occupancy, first_order)
    enrolled = system.trained.analysis.enroll(vectors[:2], ["ana", "ana"])
    (expected,) = system.trained.analysis.score(enrolled, vectors[2:]).ravel()
    np.testing.assert_allclose(own, expected, rtol=1e-4)
    assert own > other
    assert np.isfinite(compare_recordings(voices(1, 0), voices(2, 0), system=system).answer.score)


def test_other_backends_refuse_it_in_one_line(full, background_corpus, voices, tmp_path):
    with pytest.raises(IncompatibleModelError, match="has full covariances, which only i-vectors"):
        enroll_into(tmp_path / "voices.db", "ana", voices(1, 0), background=full)
    assert not (tmp_path / "voices.db").exists()
    for name in ("gmm-ubm", "linear"):
        with pytest.raises(IncompatibleModelError, match="train a background model with diagonal"):
            SpeakerSystem(full, backend_name=name)
    for name in ("isv", "jfa", "svm"):
        with pytest.raises(IncompatibleModelError, match="full covariances"):
            train_backend(full, background_corpus, name)
    with pytest.raises(InvalidInputError, match="'none' with full covariances, found 'clean'"):
        BackgroundModel.train(background_corpus, covariance_type="full", feature_mapping="clean")
