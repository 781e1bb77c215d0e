"""Triphones as they start: their pdfs against the frames that were aligned with each leaf."""

import numpy as np
import pytest
from oracles import hmm_training as oracle
from oracles.context_models import TOPOLOGIES, UNITS

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm import Lexicon, compile_transcript, train_phone_models, viterbi
from speakergmm.hmm.models import PhoneQuestions
from speakergmm.hmm.training import triphone_models

LEXICON = Lexicon.from_dict({"ab": ["A B"], "ca": ["C A"], "b": ["B"], "acb": ["A C B"]})
OPTIONS = {"max_leaves": 24, "min_gain": 0.0, "merge": False}


@pytest.fixture(scope="module")
def material():
    """Models of phones, and utterances whose frames are drawn from them, shifted by neighbours."""
    rng = np.random.default_rng(0)
    models = oracle.random_models(rng, TOPOLOGIES, sizes=(2,), spread=6.0)
    frames, graphs = [], []
    for _ in range(60):
        words = [list(LEXICON)[n] for n in rng.integers(4, size=3)]
        X = oracle.sample(rng, models, words, LEXICON)
        frames.append(np.asarray(X) + rng.normal(0, 0.3, np.shape(X)))
        graphs.append(compile_transcript(words, LEXICON, models))
    return models, graphs, frames


@pytest.fixture(scope="module")
def started(material):
    models, graphs, frames = material
    return triphone_models(models, graphs, frames, without_context=["SIL", "sp"], **OPTIONS)


def aligned(material):
    """The unit before, unit, unit after and state of each frame, walked along the best paths."""
    models, graphs, frames = material
    for graph, X in zip(graphs, frames, strict=True):
        emissions = models.log_emissions(X, graph.pdfs)
        states = viterbi(graph.graph(models.transitions), emissions).states
        runs = []
        for state in states.tolist():
            place = int(graph.state_unit[state])
            if not runs or runs[-1] != place:
                runs.append(place)
        names = [UNITS.index(graph.units[place].unit) for place in runs]
        at, last = -1, None
        for state, x in zip(states.tolist(), X, strict=True):
            place = int(graph.state_unit[state])
            at, last = (at + 1, place) if place != last else (at, last)
            left = names[at - 1] if at else -1
            right = names[at + 1] if at + 1 < len(names) else -1
            yield (left, names[at], right, int(graph.state_position[state])), x


def test_each_pdf_has_the_moments_of_its_frames(material, started):
    by_pdf = {}
    for context, x in aligned(material):
        by_pdf.setdefault(int(started.tree.pdfs([context])[0]), []).append(x)
    everything = np.concatenate(material[2])
    floor = 0.01 * everything.var(axis=0)
    n_checked = 0
    for unit in ("A", "B", "C"):
        for pdf in started.pdfs(unit).tolist():
            heard = np.array(by_pdf.get(pdf, []))
            if len(heard) <= 2:
                continue
            mixture = started.bank.subset([pdf])
            assert mixture.n_gaussians == 1
            np.testing.assert_allclose(mixture.gaussians.means[0], heard.mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(
                mixture.gaussians.covariances[0], np.maximum(heard.var(axis=0), floor), rtol=1e-6
            )
            n_checked += 1
    assert n_checked > len(material[0].tying.pdf_id) - 4
    assert started.n_pdfs > material[0].n_pdfs


def test_silence_keeps_its_mixtures(material, started):
    models = material[0]
    for unit in ("SIL", "sp"):
        assert len(started.pdfs(unit)) == len(models.pdfs(unit))
        number = models.unit_number(unit)
        for state, pdf in enumerate(models.tying.pdfs(number).tolist()):
            (now,) = started.state_pdfs(number)[state]
            before, after = models.bank.subset([pdf]), started.bank.subset([now])
            np.testing.assert_array_equal(before.gaussians.means, after.gaussians.means)
            np.testing.assert_array_equal(before.weights, after.weights)


def test_engines_do_not_change_a_bit(material, started):
    models, graphs, frames = material
    again = triphone_models(
        models, graphs, frames, without_context=["SIL", "sp"], engine=2, **OPTIONS
    )
    assert again.structure_digest == started.structure_digest
    np.testing.assert_array_equal(again.bank.gaussians.means, started.bank.gaussians.means)


def test_training_goes_on_from_there(material, started):
    _, graphs, frames = material
    words = [graph.words for graph in graphs]
    expanded = [compile_transcript(said, LEXICON, started) for said in words]
    trained = train_phone_models(started, expanded, frames, flat=False, max_iter=6, n_gaussians=60)
    likelihoods = [step.log_likelihood for step in trained.history]
    assert likelihoods[-1] > likelihoods[0]
    assert trained.models.tree is started.tree
    assert trained.models.n_gaussians > started.n_gaussians


def test_questions_may_be_given(material):
    models, graphs, frames = material
    asked = PhoneQuestions.of_sets(UNITS, {"silent": ["SIL", "sp"]})
    found = triphone_models(
        models, graphs, frames, questions=asked, without_context=["SIL"], **OPTIONS
    )
    assert " silent (SIL sp)? gains " in found.tree.report()
    others = PhoneQuestions.of_sets(("A", "B"), {"A": ["A"]})
    with pytest.raises(InvalidInputError, match="about other units"):
        triphone_models(models, graphs, frames, questions=others)


def test_what_cannot_start_is_refused(material):
    models, graphs, frames = material
    with pytest.raises(InvalidInputError, match="there is no model of 'Z'"):
        triphone_models(models, graphs, frames, without_context=["Z"])
    with pytest.raises(InsufficientDataError, match="no utterance can be aligned"):
        triphone_models(models, graphs[:2], [x[:1] for x in frames[:2]])
