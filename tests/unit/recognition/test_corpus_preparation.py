import json
import re

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import Transcripts, read_corpus, read_transcripts
from speakergmm.errors import CorpusError, InvalidInputError, InvalidTypeError
from speakergmm.features import FeatureConfig
from speakergmm.hmm import (
    BackoffLanguageModel,
    Lexicon,
    PhoneModels,
    Pronunciation,
    Topology,
    TrainingSchedule,
    train_ngram,
)
from speakergmm.recognition import (
    NOISE_UNIT,
    UNKNOWN_WORD,
    AcousticModel,
    MeasureRecording,
    SilenceModel,
    TrainingOptions,
    align_recordings,
    prepare,
    shortest_frames,
)
from speakergmm.run_context import RunContext

RATE = 16000
LEXICON = Lexicon.from_dict({"go": "G OW", "up": "AH P", "the": ["DH AH", "DH IY"], "a": "AH"})


def burst(seconds, *, rate=RATE, level=0.1):
    """Noise between two silences of a twentieth of a second."""
    rng = np.random.default_rng(round(1000 * seconds))
    samples = 1e-4 * rng.standard_normal(round(seconds * rate))
    edge = round(0.05 * rate)
    samples[edge:-edge] += level * rng.standard_normal(len(samples) - 2 * edge)
    return samples


class Directory:
    """A Kaldi data directory that grows by utterances."""

    def __init__(self, folder):
        self.folder = folder
        self.text = []
        self.wavs = []

    def add(self, name, text, samples=None, *, rate=RATE):
        if samples is None:
            samples = burst(0.5, rate=rate)
        soundfile.write(self.folder / f"{name}.wav", samples, rate)
        self.wavs.append(name)
        if text is not None:
            self.text.append(f"{name} {text}".strip())
        return self

    def corpus(self):
        for name, lines in (
            ("wav.scp", [f"{u} {u}.wav" for u in self.wavs]),
            ("utt2spk", [f"{u} ana" for u in self.wavs]),
            ("text", self.text),
        ):
            (self.folder / name).write_text("".join(f"{line}\n" for line in lines))
        return read_corpus(self.folder)


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path).add("good1", "go up").add("good2", "the go")


def problems_of(*given, **named):
    return prepare(*given, **named).problems


def told(problems):
    return {
        (p.severity, p.kind, p.utterance or (p.path.name if p.path else None), p.line)
        for p in problems
    }


def model_of(units, *, silence="SIL", edge=0.5, states=3):
    topologies = {unit: Topology.left_right(states) for unit in units}
    if silence is not None:
        topologies[silence] = Topology.silence(5)
    config = FeatureConfig.preset("hmm")
    models = PhoneModels.flat(topologies, mean=np.zeros(39), variance=np.ones(39))
    lexicon = Lexicon.from_dict({unit.lower(): unit for unit in units})
    return AcousticModel(
        models, lexicon, config, silence=SilenceModel(silence, edge_probability=edge)
    )


def test_a_sound_corpus_has_no_problem(directory):
    corpus = directory.corpus()
    lm = train_ngram([["go", "up"], ["the", "a"]])
    assert problems_of(corpus, lexicon=LEXICON, language_model=lm) == ()
    assert problems_of(corpus, graphemes=True) == ()
    assert problems_of(corpus, listen=False, training=TrainingOptions()) == ()


def test_every_problem_is_found_at_once(directory, tmp_path):
    directory.add("empty", "")
    directory.add("untold", None)
    directory.add("odd", "go zebra up zebra yak")
    directory.add("long", "go up the go up the go up the", burst(0.2))
    directory.add("silent", "go", np.zeros(RATE // 2))
    directory.add("slow", "go", burst(0.5, rate=8000), rate=8000)
    directory.add("gone", "go")
    directory.text += ["nowhere up", "good2 up"]
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("go G OW\nup\nthe DH AH\n")
    arpa = tmp_path / "lm.arpa"
    train_ngram([["go", "up"]]).write_arpa(arpa)
    arpa.write_text(arpa.read_text().replace("ngram 2=3", "ngram 2=4"))
    corpus = directory.corpus()
    (tmp_path / "gone.wav").unlink()

    found = problems_of(corpus, lexicon=LEXICON, sample_rate=RATE)
    assert told(found) == {
        ("error", "empty_text", "empty", 3),
        ("error", "no_text", "untold", None),
        ("warning", "unknown_word", None, None),
        ("error", "unknown_word", "odd", 4),
        ("error", "too_short_for_text", "long", 5),
        ("error", "no_speech", "silent", None),
        ("error", "wrong_rate", "slow", None),
        ("error", "unreadable", "gone", None),
        ("error", "bad_text", "good2", 10),
        ("warning", "no_audio", "nowhere", 9),
    }
    by_kind = {(p.kind, p.utterance): p for p in found}
    assert by_kind["unknown_word", None].message == (
        "words not in the lexicon given: zebra (2), yak (1)"
    )
    assert by_kind["unknown_word", "odd"].message == (
        "utterance 'odd' has words not in the lexicon given: zebra yak"
    )
    long = by_kind["too_short_for_text", "long"]
    assert long.path == tmp_path / "text"
    assert re.search(r"9 words.* 54 frames.* 18 \(0\.20 s\)", long.message)
    assert [p.severity for p in found] == ["error"] * 8 + ["warning"] * 2
    assert all("\n" not in p.message for p in found)
    prepared = prepare(corpus, lexicon=LEXICON, sample_rate=RATE)
    assert prepared.problems == found
    assert {u.id for u in prepared.usable} == {"good1"}
    assert set(prepared.reasons) == {
        "empty", "untold", "odd", "long", "silent", "slow", "gone", "good2",
    }  # fmt: skip
    assert json.dumps([p.to_dict() for p in found])

    # Faults of the lexicon's and the model's files are told beside what they leave to be checked.
    found = problems_of(corpus, lexicon=lexicon, language_model=arpa)
    assert ("error", "bad_lexicon", "lexicon.txt", 2) in told(found)
    assert ("error", "bad_language_model", "lm.arpa", 4) in told(found)
    assert ("error", "too_short_for_text", "long", 5) in told(found)
    assert ("error", "empty_text", "empty", 3) in told(found)
    assert {p.kind for p in found} >= {"bad_text", "no_text", "no_speech", "unreadable"}


def test_a_text_without_a_file_that_can_be_read(directory, tmp_path):
    corpus = directory.corpus()
    (tmp_path / "text").write_bytes("good1 go\n".encode("utf-16"))
    assert told(problems_of(corpus)) == {
        ("error", "bad_text", "text", None),
        ("error", "no_text", "good1", None),
        ("error", "no_text", "good2", None),
    }
    (tmp_path / "text").unlink()
    with pytest.raises(CorpusError, match="has no file text"):
        problems_of(corpus)


def test_frames_that_a_text_needs_are_counted_exactly(directory):
    # 18 phones of 3 states need 54 frames: 0.025 + 53 * 0.010 s.
    words = "go up the " * 3
    directory.add("enough", words, burst(0.555)).add("short", words, burst(0.5549))
    corpus = directory.corpus()
    for listen in (True, False):
        found = problems_of(corpus, lexicon=LEXICON, listen=listen)
        assert told(found) == {("error", "too_short_for_text", "short", 4)}


def test_without_a_lexicon_letters_are_counted(directory):
    # 6 * (2 + 2 + 3) letters need 126 frames: 0.025 + 125 * 0.010 s.
    directory.add("enough", "go up the " * 6, burst(1.275)).add("short", "go up the " * 6)
    assert told(problems_of(directory.corpus())) == {("error", "too_short_for_text", "short", 4)}


def test_shortest_frames():
    assert shortest_frames(["go", "the"], LEXICON) == 12
    assert shortest_frames(["go", "zebra"], LEXICON) == 6
    assert shortest_frames(["go", "zebra"], LEXICON, unknown="a") == 9
    lexicon = Lexicon.from_dict({"often": ["AO F AH N", "AO F T AH N"]})
    assert shortest_frames(["often"], lexicon) == 12
    assert shortest_frames(["often"], lexicon, frames_of=lambda p: 1 if p == "N" else 2) == 7
    assert shortest_frames([], lexicon) == 0
    assert shortest_frames(["don't", "\u0645\u064e\u0627", "$"]) == 3 * (4 + 2 + 1)


def test_segments_are_measured_and_not_their_recordings(tmp_path):
    soundfile.write(tmp_path / "r.wav", np.concatenate([burst(1.0), np.zeros(RATE)]), RATE)
    (tmp_path / "wav.scp").write_text("r r.wav\n")
    (tmp_path / "utt2spk").write_text("a ana\nb ana\nc ana\n")
    (tmp_path / "segments").write_text("a r 0 1\nb r 0 0.1\nc r 1.1 2\n")
    (tmp_path / "text").write_text("a go up\nb go up\nc go up\n")
    found = problems_of(read_corpus(tmp_path), lexicon=LEXICON)
    assert told(found) == {
        ("error", "too_short_for_text", "b", 2),
        ("error", "no_speech", "c", None),
    }


def test_words_outside_the_lexicon_may_have_one_that_stands_for_them(directory):
    directory.add("odd", "go zebra")
    corpus = directory.corpus()
    found = problems_of(corpus, lexicon=LEXICON, unknown="a")
    assert told(found) == {
        ("warning", "unknown_word", None, None),
        ("warning", "unknown_word", "odd", 3),
    }
    assert prepare(corpus, lexicon=LEXICON, unknown="a").reasons == {}
    with pytest.raises(InvalidInputError, match="unknown word 'uh'"):
        problems_of(corpus, lexicon=LEXICON, unknown="uh")


def test_letter_case_on_request(directory, tmp_path):
    (tmp_path / "lexicon.txt").write_text("GO G OW\nUp AH P\nTHE DH AH\n")
    corpus = directory.corpus()
    assert problems_of(corpus, lexicon=tmp_path / "lexicon.txt", case="upper") == ()
    found = problems_of(corpus, lexicon=tmp_path / "lexicon.txt")
    assert {p.kind for p in found} == {"unknown_word"}


def test_words_that_cannot_be_spelled(directory):
    directory.add("number", "go 42")
    found = problems_of(directory.corpus(), graphemes=True)
    assert told(found) == {
        ("warning", "unknown_word", None, None),
        ("error", "unknown_word", "number", 3),
    }
    assert "(write numbers and signs as words): 42 (1)" in found[-1].message
    with pytest.raises(InvalidInputError, match="choose one"):
        problems_of(directory.corpus(), lexicon=LEXICON, graphemes=True)


def test_phones_topologies_and_rate_of_a_model_count(directory):
    directory.add("known", "go a a a", burst(0.4))
    directory.add("slow", "go", burst(0.5, rate=8000), rate=8000)
    corpus = directory.corpus()
    model = model_of(["G", "OW", "AH", "P"])
    found = problems_of(corpus, lexicon=LEXICON, model=model)
    assert told(found) == {
        ("warning", "missing_phones", None, None),
        ("error", "missing_phones", "good2", 2),
        ("warning", "wrong_rate", "slow", None),  # it can be aligned, and is upsampled
    }
    assert "phones without a model, with numbers of utterances: DH (1), IY (1)" in {
        problem.message for problem in found
    }
    usable = prepare(corpus, lexicon=LEXICON, model=model, listen=False).usable
    assert "slow" in {utterance.id for utterance in usable}
    # Five phones of eight states need forty frames, of the 38 in 0.4 s.
    longer = model_of(["G", "OW", "AH", "P", "DH", "IY"], states=8)
    found = problems_of(corpus, lexicon=LEXICON, model=longer)
    assert ("error", "too_short_for_text", "known", 3) in told(found)
    # Silences that can't be left out need their frames too.
    for edge, states in ((0.5, 7), (1, 7)):
        model = model_of(["G", "OW", "AH", "P", "DH", "IY"], states=states, edge=edge)
        found = problems_of(corpus, lexicon=LEXICON, model=model)
        assert (("error", "too_short_for_text", "known", 3) in told(found)) == (edge == 1)


def test_the_lexicon_of_a_model_and_its_letters(directory):
    corpus = directory.corpus()
    found = problems_of(corpus, model=model_of(["GO", "UP"]))
    assert {p.kind for p in found} == {"unknown_word"}
    found = problems_of(corpus, graphemes=True, model=model_of(list("goupth")))
    assert told(found) == {
        ("warning", "missing_phones", None, None),
        ("error", "missing_phones", "good2", 2),
    }


def test_words_of_a_language_model(directory):
    lm = train_ngram([["go", "left"]])
    found = problems_of(directory.corpus(), lexicon=LEXICON, language_model=lm)
    not_in_lexicon, not_in_model = (p.message for p in found)
    assert not_in_lexicon.startswith("1 word")
    assert not_in_lexicon.endswith(": left")
    assert not_in_model.endswith(": the (1), up (1)")
    assert {p.severity for p in found} == {"warning"}


def test_transcripts_by_hand_have_no_place(directory):
    corpus = directory.corpus()
    (problem,) = problems_of(corpus, Transcripts({"good1": ["go"], "good2": []}), LEXICON)
    assert (problem.kind, problem.utterance, problem.path, problem.line) == (
        "empty_text", "good2", None, None,
    )  # fmt: skip


def test_jobs_change_nothing(directory):
    directory.add("silent", "go", np.zeros(RATE // 2))
    corpus = directory.corpus()
    assert problems_of(corpus, engine=2) == problems_of(corpus)


def test_librispeech_is_sound(data_dir, tmp_path):
    folder = data_dir / "librispeech"
    rows = [
        f"{path.stem}\t{path.stem.split('-')[0]}\ttest-other/{path.name}\n"
        for path in sorted((folder / "test-other").iterdir())[:20]
    ]
    (tmp_path / "list.tsv").write_text("id\tspeaker\tpath\n" + "".join(rows))
    corpus = read_corpus(tmp_path / "list.tsv", data_dir=folder)
    said = read_transcripts(folder / "text")
    found = problems_of(
        corpus,
        Transcripts({u.id: said[u.id] for u in corpus}),
        data_dir / "librispeech_asr" / "lexicon.txt",
        language_model=BackoffLanguageModel.read_arpa(
            data_dir / "librispeech_asr" / "word_2gram.arpa"
        ),
    )
    assert found == ()
    # A text given to another recording is found where it is much too long.
    ids = [u.id for u in corpus]
    words = {name: said[name].words * 8 for name in ids}
    found = problems_of(corpus, Transcripts(words), listen=False)
    assert {p.kind for p in found} == {"too_short_for_text"}


def test_a_faulty_lexicon_hides_no_unknown_word(directory, tmp_path):
    directory.add("one", "go zebra").add("two", "go bare go")
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("go  G OW\nbare\nup  AH P\n")
    found = told(problems_of(directory.corpus(), lexicon=lexicon))
    assert found == {
        ("error", "bad_lexicon", "lexicon.txt", 2),
        ("warning", "unknown_word", None, None),
        ("error", "unknown_word", "good2", 2),
        ("error", "unknown_word", "one", 3),
        ("error", "unknown_word", "two", 4),
    }


def test_words_that_would_be_known_otherwise_are_hinted_at_once(directory):
    directory.add("one", "go, up GO zebra").add("two", '"up" go, Up')
    found = problems_of(directory.corpus(), lexicon=LEXICON)
    (summary,) = (p for p in found if p.utterance is None)
    assert "GO (1)" in summary.message
    assert "without punctuation 2 would be known, such as '\"up\"'" in summary.message
    assert "in lower case 2 would be known, such as 'GO'" in summary.message
    assert not any("would be known" in p.message for p in found if p.utterance is not None)
    directory.text = ["one zebra"]
    found = problems_of(directory.corpus(), lexicon=LEXICON)
    assert not any("would be known" in p.message for p in found)


def test_unknown_words_may_be_spelled(directory):
    directory.add("one", "go zebra").add("two", "go 42")
    found = problems_of(directory.corpus(), lexicon=LEXICON, unknown_words="graphemes")
    assert told(found) == {
        ("warning", "unknown_word", None, None),
        ("error", "unknown_word", "two", 4),
    }


def test_training_and_alignment_give_the_reasons_of_the_preparation(directory):
    """The same utterances with the same words, whichever function is asked."""
    directory.add("odd", "go zebra").add("long", "go up the " * 9).add("untold", None)
    corpus = directory.corpus()
    model = model_of(["G", "OW", "AH", "P", "DH", "IY"])
    prepared = prepare(corpus, lexicon=LEXICON, model=model, listen=False)
    assert set(prepared.reasons) == {"odd", "long", "untold"}
    assert [u.id for u in prepared.usable] == ["good1", "good2"]

    def reported(work):
        found = []
        work(RunContext(on_skip=found.append))
        return {name: skip.message for skip in found for name in skip.affected}

    said = read_transcripts(directory.folder)
    aligned = reported(lambda run: list(align_recordings(model, prepared, run=run)))
    trained = reported(
        lambda run: AcousticModel.train(corpus, said, LEXICON, max_iter=1, n_gaussians=30, run=run)
    )
    assert set(aligned) == set(trained) == set(prepared.reasons)
    for name, problem in prepared.reasons.items():
        reason = problem.message.removeprefix(f"utterance {name!r} ")
        assert aligned[name].endswith(reason)
        assert trained[name].endswith(reason)


@pytest.mark.slow
def test_a_prepared_corpus_is_trained_on_as_it_is(directory, monkeypatch):
    """The same model as of its parts, and no recording is probed again."""
    directory.add("odd", "go zebra")
    corpus, options = directory.corpus(), TrainingOptions.of(None, {"max_iter": 2})
    ignore = RunContext(on_skip=lambda skipped: None)
    plain = AcousticModel.train(
        corpus, read_transcripts(directory.folder), LEXICON, options, run=ignore
    )
    prepared = prepare(corpus, lexicon=LEXICON, training=options)
    monkeypatch.setattr(MeasureRecording, "__call__", None)
    model = AcousticModel.train(prepared, options=options, run=ignore)
    assert model.digest == plain.digest
    assert model.provenance["n_skipped"] == 1
    with pytest.raises(InvalidInputError, match="of its own"):
        AcousticModel.train(prepared, lexicon=LEXICON)
    with pytest.raises(InvalidInputError, match='unknown_words="map"'):
        AcousticModel.train(prepared, unknown_words="map")
    with pytest.raises(InvalidInputError, match="whole words"):
        AcousticModel.train(prepared, units="words")
    with pytest.raises(InvalidInputError, match="of its own"):
        align_recordings(model, prepared, {"good1": "go"})


def test_a_corpus_prepared_with_a_larger_lexicon_is_aligned(directory):
    """No one says a word with the phones that have no model."""
    model = model_of(["G", "OW", "AH", "P", "DH", "IY"])
    lexicon = LEXICON.extended({"zebra": [Pronunciation(("Z", "IY"))]})
    prepared = prepare(directory.corpus(), lexicon=lexicon, listen=False)
    aligned = list(align_recordings(model, prepared, confidences=False))
    assert [each.utterance.id for each in aligned] == ["good1", "good2"]


def test_arguments_of_a_wrong_type_are_refused(directory):
    corpus = directory.corpus()
    with pytest.raises(InvalidTypeError, match=r"AcousticModel\.load"):
        prepare(corpus, model="am.safetensors")
    with pytest.raises(InvalidTypeError, match="TrainingOptions"):
        prepare(corpus, lexicon=LEXICON, training={"n_states": 3})
    for topologies in (3, {"AH": 3}):
        training = TrainingOptions(topologies=topologies)
        with pytest.raises(InvalidTypeError, match="topolog"):
            prepare(corpus, lexicon=LEXICON, training=training)
    for given in ({"annealing": 0.1}, {"realign": 3}, {"realign": (1, 2.5)}):
        with pytest.raises(InvalidInputError, match=next(iter(given))):
            TrainingSchedule(**given)


@pytest.mark.parametrize(("probability", "least"), [(0.99, 12), (1.0, 17)])
def test_silence_that_must_stand_between_words_takes_frames(directory, probability, least):
    """As many frames as the graph of the transcript needs: words of two phones, and silence."""
    lexicon = Lexicon.from_dict({"go": "G OW", "up": "AH P"})
    silence = SilenceModel(probability=probability)
    training = TrainingOptions(silence=silence, topologies={"SIL": Topology.left_right(5)})
    directory.add("short", "go up", burst(0.025 + (least - 2) * 0.01 + 0.0001))
    directory.add("enough", "go up", burst(0.025 + (least - 1) * 0.01 + 0.0001))
    directory.text = [line for line in directory.text if "the" not in line]
    found = prepare(directory.corpus(), lexicon=lexicon, training=training, listen=False)
    assert {name for name, why in found.reasons.items() if why.kind != "no_text"} == {"short"}


def test_words_of_a_training_take_the_frames_of_its_states(directory):
    # Two words of 12 states need 24 frames: 0.025 + 23 * 0.010 s.
    directory.add("enough", "go up", burst(0.255)).add("short", "go up", burst(0.2549))
    lexicon = Lexicon.from_dict({word: [(word,)] for word in ("go", "up", "the")})
    training = TrainingOptions.for_words()
    found = prepare(directory.corpus(), lexicon=lexicon, training=training, listen=False)
    assert set(found.reasons) == {"short"}


def test_words_are_mapped_or_spelled_in_the_lexicon_that_is_prepared(directory):
    directory.add("odd", "go zebra")
    corpus = directory.corpus()
    mapped = prepare(corpus, lexicon=LEXICON, unknown_words="map")
    assert (mapped.unknown, mapped.reasons) == (UNKNOWN_WORD, {})
    assert mapped.lexicon[UNKNOWN_WORD][0].phones == (NOISE_UNIT,)
    spelled = prepare(corpus, lexicon=LEXICON, unknown_words="graphemes")
    assert spelled.lexicon["zebra"][0].phones == tuple("zebra")
    (problem,) = spelled.problems
    assert problem.message.endswith("zebra (1)")  # no hint: the lexicon has it in no letter case
    assert "zebra (1)" in problem.message


def test_options_of_words_and_of_short_trainings():
    words = TrainingOptions.of(None, {"units": "words", "max_iter": 12})
    assert words == TrainingOptions.for_words(max_iter=12)
    schedule = words.schedule_for(100)
    assert (schedule.grow_until, schedule.n_gaussians, schedule.annealing) == (8, 250, ())
    short = TrainingOptions.of(None, {"max_iter": 12}).schedule_for(100)
    assert short.annealing == TrainingOptions().schedule.annealing[:3]
    asked = TrainingOptions.of(None, {"max_iter": 12, "annealing": (0.5,) * 9}).schedule_for(100)
    assert asked.annealing == (0.5,) * 9


def test_of_two_options_for_the_same_the_one_that_is_asked_for_counts():
    words = TrainingOptions.for_words(n_gaussians=30).schedule_for(100)
    assert words.n_gaussians == 30
    both = TrainingOptions.for_words(n_gaussians=30, gaussians_per_state=2).schedule_for(100)
    assert both.n_gaussians == 200
    fixed = TrainingOptions(schedule=TrainingSchedule(max_iter=20, grow_until=3))
    assert TrainingOptions.of(fixed, {"growth": 0.5}).schedule_for(100).grow_until == 10
    assert TrainingOptions.of(fixed, {"n_states": 5}).schedule_for(100).grow_until == 3
