"""Models over transformed features: a change of coordinates changes no answer."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.spoken import spoken_world

from speakergmm.audio import read_audio
from speakergmm.features import FeatureTransform
from speakergmm.hmm.models import MixtureBank
from speakergmm.recognition import Decoder, adapt_acoustic_model, align_recordings


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


def moved(model, seed=0):
    """Return a model in other coordinates: features reordered, stretched and shifted."""
    bank, d = model.models.bank, model.models.n_features
    rng = np.random.default_rng(seed)
    order, scale, offset = rng.permutation(d), rng.uniform(0.5, 2, d), rng.normal(size=d)
    # Of three frames, the one in the middle.
    matrix = np.zeros((d, 3 * d))
    matrix[np.arange(d), d + order] = scale
    means = bank.gaussians.means[:, order] * scale + offset
    variances = bank.gaussians.covariances[:, order] * scale**2
    other = MixtureBank.from_parameters(bank.offsets, bank.weights, means, variances)
    models = model.models.with_parameters(bank=other)
    return replace(model, models=models, transform=FeatureTransform(matrix, offset, 1, 1))


def test_alignments_are_the_same(spoken):
    few = list(spoken.corpus)[:3]
    said = {utterance.id: spoken.transcripts[utterance.id] for utterance in few}
    plain, other = (
        list(align_recordings(model, few, said)) for model in (spoken.model, moved(spoken.model))
    )
    for one, two in zip(plain, other, strict=True):
        assert one.phone_labels() != []
        for a, b in zip(one.phone_labels(), two.phone_labels(), strict=True):
            assert a.label == b.label
            assert (b.start, b.end) == pytest.approx((a.start, a.end), abs=1e-5)


def test_isolated_words_are_the_same(spoken):
    samples, rate = read_audio(next(iter(spoken.corpus)).path)
    words = sorted(spoken.model.lexicon)[:8]
    plain, other = (
        Decoder.for_isolated_words(model, words).rank_words(samples[: 2 * rate], sample_rate=rate)
        for model in (spoken.model, moved(spoken.model))
    )
    assert [score.word for score in plain] == [score.word for score in other]


def test_adaptation_is_the_same_in_other_coordinates(spoken):
    few = list(spoken.corpus)[:2]
    said = {utterance.id: spoken.transcripts[utterance.id] for utterance in few}
    plain = adapt_acoustic_model(spoken.model, few, said)
    other = adapt_acoustic_model(moved(spoken.model), few, said)
    expected = moved(plain)
    assert other.transform is not None
    np.testing.assert_allclose(
        other.models.bank.gaussians.means, expected.models.bank.gaussians.means, atol=2e-3
    )
    change = other.models.bank.gaussians.means - moved(spoken.model).models.bank.gaussians.means
    assert np.abs(change).max() > 0.05
