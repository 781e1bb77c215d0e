"""Transcripts in place of graphs: the same graphs, compiled when they are needed."""

import pickle
import tracemalloc

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.hmm import (
    Lexicon,
    Topology,
    TrainingSchedule,
    TranscriptTexts,
    UnknownWordError,
    compile_transcript,
    train_phone_models,
)
from speakergmm.hmm.models import transcript_texts
from speakergmm.records import to_arrays
from speakergmm.run_context import RunContext

TOPOLOGIES = {"A": Topology.left_right(2), "B": Topology.left_right(1), "S": Topology.silence(3)}
LEXICON = Lexicon.from_dict({"ab": ["A B", "B"], "a": "A", "b": ["B"]})
SILENCES = {"silence": "S", "silence_probability": 0.3}
TRANSCRIPTS = [["ab", "a", "ab"], ["a"], ["b", "ab"], ["a"], ["ab"] * 4]


def make_models(seed=0, topologies=TOPOLOGIES):
    return oracle.random_models(np.random.default_rng(seed), topologies)


def arrays_of(graph):
    skeleton = graph.skeleton
    states = (graph.pdfs, graph.state_unit, graph.state_position, skeleton.pdf)
    arcs = (skeleton.source, skeleton.target, skeleton.entry_state, skeleton.exit_state)
    parts = [a for part in graph.parts for a in (part.fixed, part.owner, part.transition)]
    return [array.tolist() for array in (*states, *arcs, *parts)]


@pytest.fixture(autouse=True)
def no_graphs_of_others(monkeypatch):
    monkeypatch.setattr(transcript_texts, "_kept", transcript_texts._KeptGraphs())


def test_graphs_are_those_of_their_transcripts():
    models = make_models()
    texts = TranscriptTexts.of(TRANSCRIPTS, LEXICON, **SILENCES)
    part = pickle.loads(pickle.dumps(texts.part(1, 4)))
    assert (len(texts), len(part)) == (5, 3)
    assert set(part.pronunciations) == {"a", "b", "ab"}
    assert set(texts.part(1, 2).pronunciations) == {"a"}
    for place, words in enumerate(TRANSCRIPTS):
        expected = arrays_of(compile_transcript(words, LEXICON, models, **SILENCES))
        assert arrays_of(texts.compiled(place, models)) == expected
        if place in range(1, 4):
            assert arrays_of(part.compiled(place - 1, models)) == expected


def test_graphs_are_kept_and_shared_but_not_with_others():
    texts = TranscriptTexts.of(TRANSCRIPTS, LEXICON, **SILENCES)
    models = make_models()
    graph = texts.compiled(1, models)
    assert texts.compiled(3, models) is graph
    assert texts.part(1, 2).compiled(0, models) is graph
    # Other probabilities and densities make no other graph.
    assert texts.compiled(1, make_models(1)) is graph
    longer = make_models(topologies=TOPOLOGIES | {"A": Topology.left_right(3)})
    assert texts.compiled(1, longer).n_states == graph.n_states + 1
    without = TranscriptTexts.of(TRANSCRIPTS, LEXICON, silence=None)
    assert without.compiled(1, models).n_states == 2
    other = Lexicon.from_dict({"ab": ["A B", "B"], "a": "B A", "b": ["B"]})
    spoken = TranscriptTexts.of(TRANSCRIPTS, other, **SILENCES)
    assert spoken.compiled(1, models).n_states != graph.n_states
    assert texts.compiled(1, models) is not graph, "those of one owner are kept at a time"


def test_no_more_is_kept_than_the_bound(monkeypatch):
    texts = TranscriptTexts.of(TRANSCRIPTS, LEXICON, **SILENCES)
    models = make_models()
    first = texts.compiled(0, models)
    monkeypatch.setattr(transcript_texts, "_MOST_BYTES", first.nbytes + 10)
    later = texts.compiled(4, models)
    assert texts.compiled(0, models) is first
    assert texts.compiled(4, models) is not later
    assert transcript_texts._kept.n_bytes == first.nbytes


def test_the_size_of_a_graph_is_about_what_it_takes():
    models = make_models()
    compile_transcript(["ab"] * 60, LEXICON, models, **SILENCES)
    tracemalloc.start()
    graph = compile_transcript(["ab"] * 60, LEXICON, models, **SILENCES)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 0.7 < graph.nbytes / taken < 1.4


@pytest.mark.parametrize("algorithm", ["baum-welch", "viterbi"])
def test_training_on_transcripts_is_training_on_their_graphs(algorithm):
    models, truth = make_models(), make_models(5)
    rng = np.random.default_rng(1)
    frames = [oracle.sample(rng, truth, words, LEXICON, silence="S") for words in TRANSCRIPTS * 3]
    texts = TranscriptTexts.of(TRANSCRIPTS * 3, LEXICON, **SILENCES)
    graphs = [compile_transcript(w, LEXICON, models, **SILENCES) for w in TRANSCRIPTS * 3]
    schedule = TrainingSchedule(
        algorithm=algorithm, max_iter=4, n_gaussians=12, grow_until=2,
        min_frames_per_gaussian=1.0, min_occupancy=1.0,
    )  # fmt: skip
    one, other = (train_phone_models(models, each, frames, schedule) for each in (texts, graphs))
    for name, array in to_arrays(one.models)[0].items():
        assert array.tobytes() == to_arrays(other.models)[0][name].tobytes(), name
    assert [h.log_likelihood for h in one.history] == [h.log_likelihood for h in other.history]


def test_checkpoints_of_other_words_pronunciations_or_silences_are_refused_by_name(tmp_path):
    path, rng = tmp_path / "checkpoint", np.random.default_rng(0)
    frames = [rng.normal(size=(30, 2)) for _ in TRANSCRIPTS]

    def train(transcripts=TRANSCRIPTS, lexicon=LEXICON, callback=None, **silences):
        texts = TranscriptTexts.of(transcripts, lexicon, **SILENCES | silences)
        run = RunContext(checkpoint=path, checkpoint_seconds=0, callback=callback)
        train_phone_models(make_models(), texts, frames, max_iter=3, run=run)

    def interrupt(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(callback=interrupt)
    cases = [
        ({"transcripts": TRANSCRIPTS[::-1]}, "transcripts;"),
        ({"transcripts": [*TRANSCRIPTS[:-1], ["ab"] * 3]}, "transcripts;"),
        ({"lexicon": Lexicon.from_dict({"ab": "A B", "a": "A", "b": "B"})}, "pronunciations;"),
        ({"silence_probability": 0.31}, r"silence_probability \(0.3 there, 0.31 here\);"),
    ]
    for changes, name in cases:
        with pytest.raises(IncompatibleModelError, match=f"differs in {name}"):
            train(**changes)
    train()


def test_what_no_graph_can_be_made_of_is_refused_at_once():
    with pytest.raises(UnknownWordError, match="'z' is not in the lexicon"):
        TranscriptTexts.of([["a"], ["z"]], LEXICON)
    with pytest.raises(InvalidInputError, match="empty"):
        TranscriptTexts.of([["a"], []], LEXICON)
    with pytest.raises(InvalidInputError, match="probability of silence"):
        TranscriptTexts.of([["a"]], LEXICON, silence_probability=1.5)
    models = make_models(topologies={"A": Topology.left_right(1), "S": Topology.silence(3)})
    frames = [np.random.default_rng(0).normal(size=(9, 2))] * 2
    with pytest.raises(InvalidInputError, match="no model of 'B'"):
        train_phone_models(models, TranscriptTexts.of([["a"], ["b"]], LEXICON, **SILENCES), frames)
