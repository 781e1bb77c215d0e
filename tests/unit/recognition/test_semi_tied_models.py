"""MLLT of phone models against sums over single frames and their Gaussians."""

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import InsufficientDataError
from speakergmm.hmm import Lexicon, Topology, compile_transcript, viterbi
from speakergmm.hmm.models import TranscriptTexts
from speakergmm.recognition import semi_tied_models

TOPOLOGIES = {"A": Topology.left_right(1), "B": Topology.left_right(2), "SIL": Topology.silence(3)}
LEXICON = Lexicon.from_dict({"ab": ["A B"], "ba": ["B A"], "b": ["B"]})


@pytest.fixture(scope="module")
def material():
    """Models of three features, and frames that covary where the models say that they do not."""
    rng = np.random.default_rng(0)
    models = oracle.random_models(rng, TOPOLOGIES, sizes=(2, 1), n_features=3, spread=4.0)
    mixing = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, -0.3], [0.2, 0.0, 1.0]])
    said = [tuple(np.array(list(LEXICON))[rng.integers(3, size=3)]) for _ in range(25)]
    frames = [np.asarray(oracle.sample(rng, models, words, LEXICON)) @ mixing.T for words in said]
    return models, TranscriptTexts.of(said, LEXICON), frames


def pairs(material):
    """Each frame with each Gaussian of its pdf on the best path: deviation, variance, posterior."""
    models, texts, frames = material
    bank = models.bank
    for words, X in zip(texts.transcripts, frames, strict=True):
        graph = compile_transcript(words, LEXICON, models)
        emissions = models.log_emissions(X, graph.pdfs)
        states = viterbi(graph.graph(models.transitions), emissions).states
        densities = oracle.gaussian_log_densities(bank, X)
        for t, pdf in enumerate(graph.pdfs[graph.skeleton.pdf[states]].tolist()):
            own = range(bank.offsets[pdf], bank.offsets[pdf + 1])
            logs = densities[t, own]
            shares = np.exp(logs - np.logaddexp.reduce(logs))
            for g, share in zip(own, shares, strict=True):
                yield X[t] - bank.gaussians.means[g], bank.gaussians.covariances[g], share


def objective(matrix, found):
    """The auxiliary function that MLLT maximises, per frame."""
    total, n = 0.0, 0.0
    for deviation, variance, share in found:
        total -= 0.5 * share * np.sum((matrix @ deviation) ** 2 / variance)
        n += share
    return np.linalg.slogdet(matrix)[1] + total / n


def test_the_matrix_is_the_best_one(material):
    models, texts, frames = material
    after, matrix = semi_tied_models(models, texts, frames)
    found = list(pairs(material))
    best = objective(matrix, found)
    assert best > objective(np.eye(3), found) + 0.01
    # No small change of a row, in any direction, is better.
    for place in np.ndindex(3, 3):
        for step in (1e-3, -1e-3):
            other = matrix.copy()
            other[place] += step
            assert objective(other, found) < best
    np.testing.assert_allclose(
        after.bank.gaussians.means, models.bank.gaussians.means @ matrix.T, rtol=1e-12
    )
    np.testing.assert_array_equal(
        after.bank.gaussians.covariances, models.bank.gaussians.covariances
    )


def test_engines_do_not_change_a_bit(material):
    models, texts, frames = material
    np.testing.assert_array_equal(
        semi_tied_models(models, texts, frames)[1],
        semi_tied_models(models, texts, frames, engine=2)[1],
    )


def test_what_cannot_be_aligned_is_refused(material):
    models, texts, frames = material
    with pytest.raises(InsufficientDataError, match="no utterance can be aligned"):
        semi_tied_models(models, texts, [X[:1] for X in frames])
