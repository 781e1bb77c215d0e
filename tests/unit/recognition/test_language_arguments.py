"""Paths are taken where people give them; anything else is refused with the right call."""

import pickle

import numpy as np
import pytest
from oracles.spoken import spoken_world

from speakergmm import (
    AcousticModel,
    BackoffLanguageModel,
    Corpus,
    Decoder,
    FeatureConfig,
    align_recordings,
    read_corpus,
    train_ngram,
    validate_corpus,
)
from speakergmm.corpora import Transcripts, as_corpus
from speakergmm.errors import InvalidTypeError, SpeakerGmmError
from speakergmm.hmm import Lexicon
from speakergmm.metrics import phone_errors, word_errors
from speakergmm.recognition import (
    align_recording,
    diagnose,
    evaluate_words,
    prepare,
    write_ctm,
    write_textgrid,
)
from speakergmm.run_context import RunContext


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def arpa(spoken, tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    train_ngram(list(spoken.transcripts.values())[:20], order=1).write_arpa(path)
    return path


def test_a_model_is_its_path(spoken, arpa):
    first = spoken.corpus.utterances[0]
    words = list(spoken.transcripts[first.id])
    aligned = align_recording(spoken.model, first, words)
    for given in (spoken.model_path, str(spoken.model_path)):
        (again,) = align_recordings(given, [first], {first.id: words})
        assert again.word_labels() == aligned.word_labels()
    # And so are recordings, transcripts and sentences.
    assert (
        align_recording(spoken.model_path, first.path, " ".join(words)).word_labels()
        == aligned.word_labels()
    )
    (again,) = align_recordings(spoken.model_path, str(first.path), spoken.folder / "text")
    assert again.word_labels() == aligned.word_labels()
    (again,) = align_recordings(spoken.model, [first.path], {first.path.stem: " ".join(words)})
    assert again.word_labels() == aligned.word_labels()
    decoder = Decoder.for_words(str(spoken.model_path), language_model=str(arpa))
    (found,) = decoder.decode([first.path])
    (expected,) = decoder.decode([first])
    assert found.words == expected.words
    assert [r.words for r in decoder.decode(str(first.path))] == [expected.words]
    assert Decoder.for_phones(spoken.model_path).search.words
    some = Decoder.for_isolated_words(spoken.model_path, words[:2])
    assert set(some.search.words) == set(words[:2])
    assert some.words == some.search.words
    assert {score.word for score in some.rank_words(first.path)} == set(words[:2])
    assert len(list(spoken.model.features_of(first.path))) == 1


def test_a_lexicon_is_its_path_or_a_dictionary(spoken):
    path = spoken.folder / "lexicon.txt"
    assert spoken.model.with_lexicon(path).lexicon == Lexicon.read(path, stress="keep")
    unit = next(u for u in spoken.model.models.units if u != spoken.model.silence.unit)
    assert list(spoken.model.with_lexicon({"word": unit}).lexicon) == ["word"]


def test_training_takes_paths(spoken):
    """The same refusal as of what would be read from them: no utterance of this lexicon."""
    corpus = read_corpus(spoken.folder)
    for given in (spoken.folder, corpus):
        with pytest.raises(SpeakerGmmError, match="no utterance can be used"):
            AcousticModel.train(
                given,
                spoken.folder / "text",
                {"none": "x"},
                run=RunContext(on_skip=lambda found: None),
            )


@pytest.mark.parametrize("wrong", [None, 3, b"am.safetensors", np.zeros(3), AcousticModel])
def test_what_is_no_model_is_refused_with_the_right_call(wrong, spoken):
    first = spoken.corpus.utterances[0]
    for call in (
        lambda: Decoder.for_words(wrong),
        lambda: Decoder.for_phones(wrong),
        lambda: Decoder.for_isolated_words(wrong),
        lambda: align_recordings(wrong, [first], {}),
        lambda: evaluate_words(wrong, [first], {}),
    ):
        with pytest.raises(TypeError, match=r"AcousticModel.load\(path\)") as error:
            call()
        assert isinstance(error.value, InvalidTypeError)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [None, 3, np.zeros((10, 39)), [None]])
def test_what_is_no_corpus_or_text_is_refused_with_the_right_call(wrong, spoken):
    model = spoken.model
    for call in (
        lambda: align_recordings(model, wrong, {}),
        lambda: next(Decoder.for_phones(model).decode(wrong)),
        lambda: AcousticModel.train(wrong, {}, spoken.lexicon),
        lambda: AcousticModel.train(wrong, {}, units="words"),
    ):
        with pytest.raises(TypeError, match=r"read_corpus\(path\)|Utterance\(id, path, speaker\)"):
            call()
    with pytest.raises(TypeError, match=r"Lexicon.read\(path\)"):
        AcousticModel.train([], {}, wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match=r"read_transcripts\(path\)"):
            align_recordings(model, [], wrong)
        with pytest.raises(TypeError, match=r"read_words\(folder\)"):
            AcousticModel.train([], wrong, units="words")
        with pytest.raises(TypeError, match=r"BackoffLanguageModel.read_arpa\(path\)"):
            Decoder.for_words(model, language_model=wrong)


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: AcousticModel("am.safetensors"), r"AcousticModel.load\(path\)"),
        (lambda: Decoder("am.safetensors"), r"Decoder.for_words\(model\)"),
        (lambda: Lexicon("words.dict"), r"Lexicon.read\(path\)"),
        (lambda: Lexicon.from_dict("words.dict"), r"Lexicon.read\(path\)"),
        (lambda: BackoffLanguageModel("lm.arpa"), r"BackoffLanguageModel.read_arpa\(path\)"),
        (lambda: Corpus(["a.wav"], source="x"), r"Utterance\(id, path, speaker\)"),
        (lambda: Transcripts(["yes"]), r"read_transcripts\(path\)"),
        (lambda: AcousticModel.train([], {}, {"a": "A"}, {"n_states": 3}), "TrainingOptions"),
        (lambda: AcousticModel.train([], {}, {"a": "A"}, n_state=3), "n_states"),
    ],
)
def test_what_has_another_constructor_names_it(call, right):
    with pytest.raises(TypeError, match=right):
        call()


@pytest.mark.slow
def test_validation_takes_paths(spoken):
    assert validate_corpus(spoken.folder) == validate_corpus(read_corpus(spoken.folder))
    path = spoken.corpus.utterances[0].path
    found = prepare(path, {path.stem: ["a"]}, {"a": "A"}).problems
    assert found == prepare(as_corpus(path), {path.stem: ["a"]}, {"a": "A"}).problems


def test_a_text_is_no_list_of_sentences(spoken, arpa):
    for take in (
        train_ngram,
        BackoffLanguageModel.read_arpa(arpa).perplexity,
        spoken.lexicon.unknown,
    ):
        with pytest.raises(InvalidTypeError, match="of a file, give its lines"):
            take("sentences.txt")
        with pytest.raises(InvalidTypeError, match="got NoneType where a list of sentences"):
            take(None)
        with pytest.raises(InvalidTypeError, match="got int where a word is wanted"):
            take([["a", 1]])


def test_sentences_are_texts_words_or_those_of_utterances(spoken, arpa):
    """In none of the three are letters, or names of utterances, taken for words."""
    said = dict(list(spoken.transcripts.items())[:8])
    ways = [
        said,
        Transcripts(said),
        list(said.values()),
        [" ".join(words) for words in said.values()],
    ]
    model = BackoffLanguageModel.read_arpa(arpa)
    assert len({train_ngram(way).digest for way in ways}) == 1
    assert len({model.perplexity(way) for way in ways}) == 1
    assert [spoken.lexicon.unknown(way) for way in ways] == [{}] * 4
    words = ways[2][0]
    assert model.log_probability(" ".join(words)) == model.log_probability(words)
    few = Decoder.for_words(spoken.model, words=" ".join(words[:2]))
    assert few.search.words == Decoder.for_words(spoken.model, words=words[:2]).search.words


def test_errors_are_those_of_words_not_of_letters():
    found = word_errors({"u": "go up"}, {"u": ["go", "on"]})
    assert (found.counts.hits, found.counts.substitutions) == (1, 1)
    assert phone_errors({"u": "G OW"}, {"u": "G OW"}).counts.hits == 2
    for count in (word_errors, phone_errors):
        with pytest.raises(InvalidTypeError, match=r"read_transcripts\(path\) reads a file"):
            count("ref.txt", "hyp.txt")
        with pytest.raises(InvalidTypeError, match="got NoneType where a word is wanted"):
            count({"u": None}, {})


def test_what_alignment_gives_is_diagnosed_and_written_by_the_right_call(spoken, tmp_path):
    few = spoken.corpus.utterances[:3]
    aligned = list(align_recordings(spoken.model, few, spoken.transcripts))
    assert {found.utterance for found in diagnose(aligned)} == {u.id for u in few}
    for wrong in (None, "aligned/", aligned[0], [1]):
        with pytest.raises(InvalidTypeError, match=r"align_recordings\(\.\.\.\)"):
            diagnose(wrong)
    with pytest.raises(InvalidTypeError, match=r"got list where .*aligned\.word_labels\(\)"):
        write_ctm(tmp_path / "words.ctm", aligned)
    with pytest.raises(InvalidTypeError, match=r"AlignedUtterance .*aligned\.word_labels\(\)"):
        write_textgrid(tmp_path / "one.TextGrid", aligned[0], duration=1.0)
    assert not list(tmp_path.iterdir())


def test_a_configuration_is_no_preset_and_no_file():
    for wrong in ("hmm", "features.toml", FeatureConfig()):
        with pytest.raises(InvalidTypeError, match=r"FeatureConfig\.load\(name\) takes a preset"):
            FeatureConfig(wrong)
    config = FeatureConfig(sample_rate=8000)
    assert pickle.loads(pickle.dumps(config)) == config
