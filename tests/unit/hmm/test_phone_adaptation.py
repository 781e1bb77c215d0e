"""MAP adaptation of phone models: the printed equations on posteriors of enumerated paths."""

import numpy as np
import pytest
from oracles import hmm_training as oracle
from oracles import mixtures as by_the_book

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm import (
    Lexicon,
    MapOptions,
    Pronunciation,
    Topology,
    adapt_phone_models,
    compile_transcript,
)
from speakergmm.hmm.training import adapt_bank
from speakergmm.mixtures import MixtureStatistics
from speakergmm.run_context import RunContext

TOPOLOGIES = {
    "A": Topology.left_right(1),
    "B": Topology.left_right(2),
    "C": Topology.left_right(1),
    "SIL": Topology.silence(3),
}
LEXICON = Lexicon(
    {"a": (Pronunciation(("A",)),), "ab": (Pronunciation(("A", "B")), Pronunciation(("B",)))}
)
TRANSCRIPTS = [["ab"], ["a", "ab"], ["a"]]


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    return oracle.random_models(rng, TOPOLOGIES, sizes=(1, 2), spread=1.5)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(3)
    return [rng.normal(0.0, 1.5, (6 - i, 2)) for i in range(len(TRANSCRIPTS))]


def graphs_of(models):
    return [compile_transcript(words, LEXICON, models) for words in TRANSCRIPTS]


def silence_of(models):
    return models.tying.pdfs(models.unit_number("SIL"))


def enumerated(models, frames):
    """Posteriors (T, G) of all frames, by all paths through each transcript."""
    found = []
    for words, X in zip(TRANSCRIPTS, frames, strict=True):
        paths = oracle.all_paths(words, LEXICON, models, len(X))
        densities = oracle.log_emissions(models.bank, X)
        pdfs = oracle.expectations(paths, densities, models.transitions.n_arcs).pdf_posteriors
        found.append(oracle.gaussian_posteriors(models.bank, X, pdfs))
    return np.concatenate(found)


def printed(bank, gamma, X, *, relevance_factor, parameters):
    """Means and variances as Reynolds, Quatieri and Dunn (2000) print them."""
    return by_the_book.adapt(
        *(bank.weights, bank.gaussians.means, bank.gaussians.variances()),
        *(gamma.sum(axis=0), gamma.T @ X, gamma.T @ X**2),
        relevance_factor=relevance_factor,
        parameters=parameters,
    )[1:]


@pytest.mark.parametrize("adapt_variances", [False, True])
@pytest.mark.parametrize("n_passes", [1, 2])
def test_adaptation_is_the_book_s_on_posteriors_of_all_paths(
    models, frames, adapt_variances, n_passes
):
    options = MapOptions(
        relevance_factor=3.0,
        adapt_variances=adapt_variances,
        variance_relevance_factor=3.0,
        adapt_silence=True,
        variance_floor=0.0,
        n_passes=n_passes,
    )
    found = adapt_phone_models(models, graphs_of(models), frames, options).models
    expected = models
    for _ in range(n_passes):
        gamma = enumerated(expected, frames)
        # The prior is the model before any data in each pass.
        means, variances = printed(
            models.bank,
            gamma,
            np.concatenate(frames),
            relevance_factor=3.0,
            parameters=options.parameters,
        )
        expected = oracle.with_numbers(
            models, models.transitions.probability, models.bank.weights, means, variances
        )
    np.testing.assert_allclose(
        found.bank.gaussians.means, expected.bank.gaussians.means, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        found.bank.gaussians.variances(), expected.bank.gaussians.variances(), rtol=1e-4
    )
    np.testing.assert_array_equal(found.bank.weights, models.bank.weights)
    np.testing.assert_array_equal(found.transitions.probability, models.transitions.probability)


def test_pdfs_without_frames_and_silence_stay_to_the_last_bit(models, frames):
    silence = silence_of(models)
    found = adapt_phone_models(models, graphs_of(models), frames, silence_pdfs=silence).models
    pdf_of = np.repeat(np.arange(models.n_pdfs), models.bank.sizes)
    unsaid = models.tying.pdfs(models.unit_number("C"))
    stays = np.isin(pdf_of, [*silence, *unsaid])
    new, old = found.bank.gaussians, models.bank.gaussians
    np.testing.assert_array_equal(new.means[stays], old.means[stays])
    np.testing.assert_array_equal(new.variances(), old.variances())
    assert (new.means[~stays] != old.means[~stays]).all()
    everything = adapt_phone_models(
        models, graphs_of(models), frames, silence_pdfs=silence, adapt_silence=True
    ).models
    of_silence = np.isin(pdf_of, silence)
    moved = everything.bank.gaussians.means[of_silence] != old.means[of_silence]
    assert moved.any()
    # The bank of a pass keeps them, too: the next pass assigns frames by it.
    counts = np.full(models.n_gaussians, 5.0)
    data = MixtureStatistics(counts, 5 * old.means + 1, None, 0.0, int(counts.sum()))
    bank, _ = adapt_bank(models.bank, data, MapOptions(), fixed_pdfs=silence)
    same = (bank.gaussians.means == old.means).all(axis=1)
    np.testing.assert_array_equal(same, of_silence)


def test_without_data_or_with_an_infinite_weight_of_the_prior_nothing_moves(models, frames):
    bank = models.bank
    nothing = MixtureStatistics.zeros(bank.n_gaussians, bank.n_features)
    found, report = adapt_bank(bank, nothing, MapOptions(adapt_variances=True))
    np.testing.assert_array_equal(found.gaussians.means, bank.gaussians.means)
    np.testing.assert_array_equal(found.gaussians.variances(), bank.gaussians.variances())
    assert report.n_kept == bank.n_pdfs
    stiff = adapt_phone_models(models, graphs_of(models), frames, relevance_factor=1e15).models
    np.testing.assert_allclose(stiff.bank.gaussians.means, bank.gaussians.means, atol=1e-12)


def test_variances_are_floored_at_a_part_of_the_prior_s(models):
    bank = models.bank
    # A thousand frames that all lie at the mean of their Gaussian.
    means, n = bank.gaussians.means, 1000.0
    counts = np.full(bank.n_gaussians, n)
    data = MixtureStatistics(counts, n * means, n * means**2, 0.0, int(counts.sum()))
    found, report = adapt_bank(bank, data, MapOptions(adapt_variances=True, variance_floor=0.1))
    # Without the floor they would be 16 / 1016 of the prior's.
    np.testing.assert_allclose(found.gaussians.variances(), 0.1 * bank.gaussians.variances())
    assert report.n_floored == bank.gaussians.means.size


def test_variances_have_a_weight_of_the_prior_of_their_own(models):
    """One frame of mass n at x, number by number."""
    bank, n, r, v = models.bank, 5.0, 3.0, 20.0
    means, variances = bank.gaussians.means, bank.gaussians.variances()
    x = means + 2.0
    counts = np.full(bank.n_gaussians, n)
    data = MixtureStatistics(counts, n * x, n * x**2, 0.0, int(counts.sum()))
    options = MapOptions(relevance_factor=r, adapt_variances=True, variance_relevance_factor=v)
    found, _ = adapt_bank(bank, data, options)
    for g in range(bank.n_gaussians):
        for d in range(bank.n_features):
            mean = (n * x[g, d] + r * means[g, d]) / (n + r)
            square = n * (x[g, d] - mean) ** 2 + r * (mean - means[g, d]) ** 2
            assert found.gaussians.means[g, d] == pytest.approx(mean)
            variance = (square + v * variances[g, d]) / (n + v)
            assert found.gaussians.variances()[g, d] == pytest.approx(variance)


def test_adaptation_resumes_to_the_same_bits(models, frames, tmp_path):
    class Stopped(Exception):
        pass

    def stop(state):
        raise Stopped

    whole = adapt_phone_models(models, graphs_of(models), frames, n_passes=3).models
    path = tmp_path / "checkpoint"
    run = RunContext(checkpoint=path, checkpoint_seconds=0, callback=stop)
    with pytest.raises(Stopped):
        adapt_phone_models(models, graphs_of(models), frames, n_passes=3, run=run)
    again = RunContext(checkpoint=path)
    resumed = adapt_phone_models(models, graphs_of(models), frames, n_passes=3, run=again)
    assert len(resumed.history) == 3
    assert resumed.models.bank.gaussians.means.tobytes() == whole.bank.gaussians.means.tobytes()


def test_wrong_options_and_utterances_are_refused(models, frames):
    with pytest.raises(InvalidInputError, match="relevance_factor must be"):
        MapOptions(relevance_factor=0.0)
    with pytest.raises(InsufficientDataError, match="no utterance can be used"):
        adapt_phone_models(models, graphs_of(models)[1:2], [frames[0][:2]])
    other = MixtureStatistics.zeros(3, models.n_features)
    with pytest.raises(InvalidInputError, match=r"statistics of shape \(3, 2\)"):
        adapt_bank(models.bank, other, MapOptions())
