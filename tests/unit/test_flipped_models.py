"""One flipped bit in a file that holds a model or statistics: refused, or the same as before."""

import numpy as np
import pytest
from oracles.arrays import arrays_of

from speakergmm.errors import SpeakerGmmError
from speakergmm.estimators import GaussianMixture
from speakergmm.features import FeatureConfig
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics
from speakergmm.speakers import BackgroundModel

RNG = np.random.default_rng(0)


def background():
    features = FeatureConfig.preset("speaker")
    means = RNG.normal(size=(2, 60))
    return BackgroundModel(DiagonalMixture(np.full(2, 0.5), means, np.ones((2, 60))), features)


def statistics():
    return MixtureStatistics(np.ones(3), RNG.normal(size=(3, 4)), None, -5.0, 3.0)


def estimator():
    return GaussianMixture(2, random_state=0).fit(RNG.normal(size=(60, 3)))


@pytest.mark.parametrize(
    ("make", "load", "content"),
    [
        (
            background,
            BackgroundModel.load,
            lambda model: (model.digest, model.features, model.provenance),
        ),
        (
            statistics,
            MixtureStatistics.load,
            lambda found: {name: value.tobytes() for name, value in arrays_of(found).items()},
        ),
        (
            estimator,
            GaussianMixture.load,
            lambda found: (found.means_.tobytes(), found.weights_.tobytes(), found.get_params()),
        ),
    ],
)
def test_flipped_bits_are_refused_or_harmless(tmp_path, make, load, content):
    path = tmp_path / "whole"
    made = make()
    made.save(path)
    packed, expected = path.read_bytes(), content(load(path))
    length = 8 + int.from_bytes(packed[:8], "little")
    rng = np.random.default_rng(1)
    # Half of them in the header, whatever the size of the data.
    places = [*rng.integers(0, length, 100), *rng.integers(length, len(packed), 100)]
    refused = 0
    for place in places:
        damaged = bytearray(packed)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert content(load(path)) == expected, place
        except SpeakerGmmError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
    assert refused > 180
