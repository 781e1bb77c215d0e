"""Presets against numbers that independent programs gave once (see PROVENANCE.md)."""

from pathlib import Path

import numpy as np
import pytest

from speakergmm.features import FeatureExtractor

GOLDEN = Path(__file__).parents[2] / "references" / "features" / "golden.npz"


@pytest.mark.parametrize("preset", ["kaldi", "librosa"])
def test_presets_give_the_golden_numbers(preset):
    with np.load(GOLDEN) as golden:
        expected = golden[preset]
        extractor = FeatureExtractor(preset)
        rate = extractor.config.sample_rate
        found = extractor.extract(golden["pcm"], sample_rate=rate).values
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())
