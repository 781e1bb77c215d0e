"""On real speech: top-C scoring is close to exact scoring, and speakers are identified."""

import numpy as np
import pytest

from speakergmm.corpora import Corpus, Protocol, Split, read_protocol
from speakergmm.features import FeatureExtractor
from speakergmm.metrics import equal_error_rate
from speakergmm.speakers import BackgroundModel, SpeakerScorer, enroll_models, run_protocol

TOP_5_RMS, TOP_5_WORST = 0.07, 0.5
"""Between exact and top-5 average log-likelihood ratios, as the documentation states them."""


@pytest.fixture(scope="module")
def part(data_dir):
    """Six models of a set, and a part of its background recordings."""
    whole = read_protocol(data_dir / "protocols" / "dspspeech20", data_dir=data_dir)
    background = Corpus(whole.background.utterances[::7][:80], source="part of dspspeech20")
    split = whole.splits["dev"]
    models = split.models[:6]
    trials = [trial for trial in split.trials if trial.model in models][::9]
    enrolment = {model: split.enrolment[model] for model in models}
    return Protocol(background, {"dev": Split(enrolment, tuple(trials))}, source="part")


@pytest.fixture(scope="module")
def background(part):
    return BackgroundModel.train(part.background, n_components=32, max_iter=6, augmentation="none")


@pytest.mark.slow
def test_shortlists_keep_the_scores(part, background):
    split = part.splits["dev"]
    models = enroll_models(split, background)
    single = SpeakerScorer(background.mixture, models)
    double = SpeakerScorer(background.mixture, models, precision="float64")
    extractor = FeatureExtractor(background.features)
    differences, scores = [], []
    for path in split.test_paths()[:25]:
        frames = extractor.extract(path).speech_values
        exact = double.score(frames, top_c=None)
        np.testing.assert_allclose(single.score(frames, top_c=None), exact, rtol=0, atol=1e-4)
        all_components = double.score(frames, top_c=32)
        np.testing.assert_allclose(all_components, exact, rtol=0, atol=1e-12)
        differences.append(single.score(frames, top_c=5) - exact)
        scores.append(exact)
    assert np.sqrt(np.mean(np.square(differences))) < TOP_5_RMS
    assert np.abs(differences).max() < TOP_5_WORST
    shortlisted = np.add(scores, differences)
    assert np.corrcoef(np.ravel(scores), np.ravel(shortlisted))[0, 1] > 0.999


@pytest.mark.slow
def test_real_speakers_are_told_apart(part, background):
    scores = run_protocol(part, background, split="dev")
    assert len(scores.target) > 5
    assert equal_error_rate(scores.target, scores.nontarget).value < 0.2
