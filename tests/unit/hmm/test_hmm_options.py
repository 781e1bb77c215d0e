"""Options of hidden Markov models: declared in light files, given whole or by keyword."""

import subprocess
import sys

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.hmm import (
    DecodingOptions,
    Lexicon,
    PhoneModels,
    Topology,
    TrainingSchedule,
    compile_transcript,
    decode,
    train_ngram,
    train_phone_models,
    word_graph,
)
from speakergmm.hmm.training import DenseTrainingOptions

LEXICON = Lexicon.from_dict({"ab": ["A B"], "b": ["B"]})
TOPOLOGIES = {unit: Topology.left_right(1) for unit in ("A", "B", "SIL")}


def material():
    models = oracle.random_models(np.random.default_rng(0), TOPOLOGIES, sizes=(1,))
    rng = np.random.default_rng(1)
    graphs = [compile_transcript([word], LEXICON, models) for word in ("ab", "b", "ab")]
    return models, graphs, [rng.normal(size=(12, models.n_features)) for _ in graphs]


def test_command_lines_can_read_options_without_numpy():
    program = (
        "import sys\n"
        "import speakergmm.hmm.training.schedule, speakergmm.hmm.training.dense_options\n"
        "import speakergmm.hmm.training.tree_options\n"
        "import speakergmm.hmm.decoding.decoding_options, speakergmm.hmm.language.ngram_options\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_single_options_of_training_stand_for_those_of_the_schedule():
    found = train_phone_models(*material(), max_iter=2, n_gaussians=3, min_occupancy=0.0)
    schedule = TrainingSchedule(max_iter=2, n_gaussians=3, min_occupancy=0.0)
    expected = train_phone_models(*material(), schedule)
    assert found.history == expected.history
    assert len(found.history) == 2
    changed = train_phone_models(*material(), schedule, max_iter=1)
    assert len(changed.history) == 1


def test_single_options_of_decoding_stand_for_those_of_the_search():
    models = PhoneModels.flat(TOPOLOGIES, mean=[0.0], variance=[1.0])
    graph, X = word_graph(models, LEXICON, word_penalty=-1.0), np.zeros((6, 1))
    options = DecodingOptions(lattice_beam=5.0, n_best=2)
    found = decode(models, graph, X, lattice_beam=5.0, n_best=2)
    expected = decode(models, graph, X, options)
    assert [h.words for h in found.hypotheses] == [h.words for h in expected.hypotheses]
    assert graph.word_penalty == -1.0
    with pytest.raises(InvalidInputError, match="lattice_beam"):
        decode(models, graph, X, n_best=2)


def test_unknown_options_are_refused_with_the_nearest_one():
    with pytest.raises(InvalidTypeError, match="did you mean 'max_iter'"):
        train_phone_models(*material(), max_itr=3)
    with pytest.raises(InvalidTypeError, match=r"run=RunContext\(callback=\.\.\.\)"):
        train_phone_models(*material(), callback=print)
    with pytest.raises(InvalidTypeError, match="did you mean 'order'"):
        train_ngram(["a b"], oder=3)


@pytest.mark.parametrize(("max_iter", "last"), [(40, 30), (8, 6), (1, 0)])
def test_gaussians_grow_in_three_quarters_of_the_iterations(max_iter, last):
    schedule = TrainingSchedule(max_iter=max_iter, n_gaussians=100)
    numbers = [schedule.gaussians_after(i, 10) for i in range(max_iter)]
    assert numbers.index(100) == last


@pytest.mark.parametrize(
    "options", [{"max_iter": -1}, {"final": "first"}, {"variance_floor": 1.0}, {"min_covar": -1.0}]
)
def test_dense_training_checks_its_options(options):
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        DenseTrainingOptions(**options)
