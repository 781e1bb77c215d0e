"""Terms in a byte each, and cohorts that hold them."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureConfig
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics
from speakergmm.speakers import (
    BackgroundModel,
    Cohort,
    NormalisationOptions,
    PackedTerms,
    SpeakerSystem,
)

TERMS = np.random.default_rng(3).normal(size=(9, 40)).astype(np.float32)


def test_numbers_are_off_by_half_a_step():
    largest = np.abs(TERMS).max(axis=0)
    error = np.abs(PackedTerms.of(TERMS).values - TERMS)
    assert (error <= largest / 254 * (1 + 1e-5)).all()
    assert error.max() > 0


def test_a_column_of_zeros_remains_one():
    assert not PackedTerms.of(np.zeros((2, 3), np.float32)).values.any()


def test_packing_twice_changes_nothing():
    once = PackedTerms.of(TERMS)
    np.testing.assert_array_equal(PackedTerms.of(once.values).codes, once.codes)


def test_steps_must_not_be_negative():
    with pytest.raises(InvalidInputError, match="steps of packed terms"):
        PackedTerms(np.zeros((1, 1), np.int8), np.full(1, -1.0, np.float32))


def _system():
    rng = np.random.default_rng(0)
    config = FeatureConfig.preset("speaker-same-session")
    means = rng.normal(size=(4, 60))
    background = BackgroundModel(DiagonalMixture(np.full(4, 0.25), means, np.ones((4, 60))), config)
    backend = SpeakerSystem(background).backend
    counts = np.full(4, 50.0)
    models = [
        backend.enroll(
            [MixtureStatistics(counts, 50 * (means + rng.normal(size=(4, 60))), None, 0.0, 200)],
            name="x",
        )
        for _ in range(5)
    ]
    cohort = Cohort(
        background.digest,
        "gmm-ubm",
        backend.digest,
        tuple("abcde"),
        np.stack([np.concatenate([part.ravel() for part in each]) for each in models]),
        np.empty((0, 60), np.float32),
        np.empty(0, np.float32),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
    )
    return SpeakerSystem(
        background, normalisation=NormalisationOptions(normalisation="t"), cohort=cohort
    )


def test_a_system_with_a_packed_cohort_is_smaller_and_scores_nearly_alike(tmp_path):
    system = _system()
    packed = system.replace(cohort=system.cohort.packed())
    packed.save(tmp_path / "packed")
    loaded = SpeakerSystem.load(tmp_path / "packed")
    assert loaded.digest == packed.digest != system.digest
    one, other = (each.cohort.terms(each.backend) for each in (loaded, system))
    assert [each.shape for each in one] == [(5, 4, 60), (5, 4)]
    np.testing.assert_allclose(one[0], other[0], atol=np.abs(other[0]).max() / 200)
    system.cohort.save(tmp_path / "whole")
    packed.cohort.save(tmp_path / "small")
    whole, small = ((tmp_path / name).stat().st_size for name in ("whole", "small"))
    assert whole - small > 0.7 * system.cohort.models.nbytes - packed.cohort.models.steps.nbytes
