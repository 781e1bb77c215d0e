"""Acoustic models as files: what is written comes back, and what is no model is refused."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from oracles import hmm_training as oracle

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.corpora import Utterance
from speakergmm.errors import (
    IncompatibleModelError,
    InvalidInputError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.features import FeatureConfig, FeatureTransform
from speakergmm.hmm import (
    Lexicon,
    Pronunciation,
    Topology,
    UnknownWordError,
    compile_transcript,
    sequence_log_likelihood,
)
from speakergmm.recognition import AcousticModel, FeatureArchive, FeatureNormalisation, SilenceModel
from speakergmm.records import to_arrays

TOPOLOGIES = {
    "A": Topology.left_right(3),
    "B": Topology.left_right(2, skips=1),
    "SIL": Topology.silence(5),
    "SPN": Topology.left_right(1),
    "sp": Topology.short_pause(),
}
LEXICON = Lexicon(
    {
        "a": (Pronunciation(("A",)),),
        "ab": (Pronunciation(("A", "B"), 0.75), Pronunciation(("B",), 0.1)),
        "été": (Pronunciation(("B", "A", "B")),),
        "<unk>": (Pronunciation(("SPN",)),),
    },
    "made up",
)
CONFIG = FeatureConfig.load("hmm").replace(deltas=0)
D = 13


def make_models(seed=0):
    return oracle.random_models(
        np.random.default_rng(seed), TOPOLOGIES, sizes=(2, 3), n_features=D,
        same_pdf={("sp", 0): ("SIL", 2)},
    )  # fmt: skip


def make_model(**parts):
    defaults = {
        "models": make_models(), "lexicon": LEXICON, "features": CONFIG,
        "normalisation": FeatureNormalisation("utterance", variance=False),
        "silence": SilenceModel("SIL", 0.3, 0.9, "sp"), "unknown": "<unk>",
        "provenance": {"trained": "once", "numbers": [1, 2.5, None]},
    }  # fmt: skip
    return AcousticModel(**(defaults | parts))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "am.safetensors"
    make_model().save(path)
    return path


def test_comes_back_as_it_was(saved):
    model, again = make_model(), AcousticModel.load(saved)
    assert again.digest == model.digest
    assert again.info() == model.info()
    for name in ("lexicon", "features", "normalisation", "silence", "unknown", "provenance"):
        assert getattr(again, name) == getattr(model, name), name
    assert again.lexicon.source == "made up"
    assert again.models.units == model.models.units
    assert again.models.topologies == model.models.topologies
    arrays, others = to_arrays(model.models)[0], to_arrays(again.models)[0]
    for name, array in arrays.items():
        assert others[name].tobytes() == array.tobytes(), name
    X = np.random.default_rng(0).normal(size=(9, D))
    np.testing.assert_array_equal(again.models.log_emissions(X), model.models.log_emissions(X))


def test_digest_is_of_what_results_depend_on():
    models = make_models()
    count = models.transitions.n_arcs
    changed = [
        {"models": make_models(1)},
        {"models": models.with_parameters(transitions=models.transitions.updated(np.ones(count)))},
        {"lexicon": LEXICON.restricted(["a", "<unk>"])},
        {"features": CONFIG.replace(lifter=0)},
        {"normalisation": FeatureNormalisation("speaker", variance=False)},
        {"normalisation": FeatureNormalisation("utterance", variance=True)},
        {"silence": SilenceModel("SIL", 0.31, 0.9, "sp")},
        {"silence": SilenceModel("SIL", 0.3, 0.9)},
        {"unknown": None},
    ]
    digests = [make_model().digest, *(make_model(**parts).digest for parts in changed)]
    assert len(set(digests)) == len(digests)
    assert make_model(provenance={}).digest == make_model().digest


def random_transform(seed, n_inputs):
    rng = np.random.default_rng(seed)
    matrix, offset = rng.normal(size=(D, 3 * n_inputs)), rng.normal(size=D)
    return FeatureTransform(matrix, offset, left=2)


def test_a_transform_is_part_of_the_model(tmp_path):
    transform = random_transform(0, 26)
    model = make_model(features=CONFIG.replace(deltas=1), transform=transform)
    path = tmp_path / "am.safetensors"
    model.save(path)
    again = AcousticModel.load(path)
    assert again.digest == model.digest
    assert again.info() == model.info()
    assert model.info()["transform"] == {"n_inputs": 26, "n_outputs": 13, "left": 2, "right": 0}
    values = np.random.default_rng(1).normal(size=(7, 26)) + 5
    np.testing.assert_array_equal(again.normalised(values), model.normalised(values))
    centred = model.normalisation(values)
    np.testing.assert_array_equal(model.normalised(values), transform(centred))
    other = make_model(features=CONFIG.replace(deltas=1), transform=random_transform(1, 26))
    assert other.digest != model.digest
    moved = replace(transform, left=0, right=2)
    assert replace(model, transform=moved).digest != model.digest


def test_files_of_models_without_a_transform_are_as_they_were(saved):
    header = saved.read_bytes()[:100_000]
    assert b"transform" not in header
    assert "transform" not in make_model().info()
    assert AcousticModel.load(saved).transform is None


def test_is_shown_in_a_line():
    model = make_model()
    shown = repr(model)
    assert shown.startswith("AcousticModel(5 units, ")
    assert "4 words" in shown
    assert model.digest[:12] in shown
    assert len(shown) < 120


def test_info_is_json():
    info = make_model().info()
    assert json.loads(json.dumps(info)) == info
    assert (info["n_units"], info["n_pdfs"], info["n_words"]) == (5, 11, 4)
    assert info["n_pronunciations"] == 5
    assert info["n_gaussians"] == make_models().n_gaussians


def test_graphs_have_the_silences_of_the_model():
    model = make_model()
    emissions = np.random.default_rng(0).normal(size=(14, model.models.n_pdfs))
    graph = model.compile(["ab", "a"])
    expected = compile_transcript(
        ["ab", "a"], LEXICON, model.models, silence="SIL", silence_probability=0.3,
        edge_silence_probability=0.9, short_pause="sp",
    )  # fmt: skip
    assert graph.units == expected.units
    values = [
        sequence_log_likelihood(g.graph(model.models.transitions), emissions[:, g.pdfs])
        for g in (graph, expected)
    ]
    assert values[0] == values[1]


def test_words_outside_the_lexicon():
    model = make_model()
    assert model.known_words(["a", "who", "été"]) == ("a", "<unk>", "été")
    assert "SPN" in [unit.unit for unit in model.compile(["who"]).units]
    strict = make_model(unknown=None)
    assert strict.known_words(["a", "who"]) == ("a", "who")
    with pytest.raises(UnknownWordError, match="'who'"):
        strict.compile(["a", "who"])
    with pytest.raises(InvalidInputError, match="empty"):
        model.compile([])


def test_other_words():
    model = make_model(unknown=None)
    other = model.with_lexicon(Lexicon.from_dict({"ba": "B A"}))
    assert "ba" in other.lexicon
    assert other.models is model.models
    assert other.digest != model.digest
    with pytest.raises(InvalidInputError, match="without a model: Q; the models are A, B"):
        model.with_lexicon(Lexicon.from_dict({"q": "A Q"}))


def test_features_come_one_utterance_at_a_time(tmp_path):
    rng = np.random.default_rng(0)
    utterances = []
    for name, speaker in (("u1", "s"), ("u2", "t"), ("u3", "s")):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.normal(size=4000), 16000)
        utterances.append(Utterance(name, tmp_path / f"{name}.wav", speaker))
    normalisation = FeatureNormalisation("speaker")
    model = make_model(normalisation=normalisation)
    with FeatureArchive.of(utterances, CONFIG, normalisation) as archive:
        found = list(model.features_of(utterances))
        assert [u for u, _, _ in found] == utterances
        for (_, X, grid), expected in zip(found, archive, strict=True):
            np.testing.assert_array_equal(X, expected)
            assert grid.n_frames == len(X)


def test_refuses_parts_that_do_not_belong_together():
    with pytest.raises(IncompatibleModelError, match=r"13 features per frame.* makes 39"):
        make_model(features=CONFIG.replace(deltas=2))
    with pytest.raises(IncompatibleModelError, match=r"takes 26 features per frame.* makes 13"):
        make_model(transform=random_transform(0, 26))
    ten = FeatureTransform(np.ones((10, 13)), np.zeros(10))
    with pytest.raises(IncompatibleModelError, match=r"have 13 .* the transform makes 10"):
        make_model(transform=ten)
    with pytest.raises(InvalidInputError, match="without a model: Q, R; the models are"):
        make_model(lexicon=Lexicon.from_dict({"q": "A Q R", "<unk>": "SPN"}))
    with pytest.raises(InvalidInputError, match="without a model: PAUSE"):
        make_model(silence=SilenceModel("PAUSE"))
    with pytest.raises(InvalidInputError, match="without a model: nap"):
        make_model(silence=SilenceModel("SIL", short_pause="nap"))
    with pytest.raises(InvalidInputError, match="'<oov>' is not in the lexicon"):
        make_model(unknown="<oov>")


@pytest.mark.parametrize(
    "options",
    [
        {"probability": 1.5},
        {"probability": -0.1},
        {"probability": float("nan")},
        {"edge_probability": 2.0},
        {"probability": "often"},
        {"unit": 7},
        {"unit": ""},
        {"short_pause": 7},
    ],
)
def test_refuses_silences_that_are_none(options):
    with pytest.raises(InvalidInputError, match=f"{next(iter(options))}|name"):
        SilenceModel(**options)


def test_no_silence_at_all():
    model = make_model(silence=SilenceModel(None), lexicon=LEXICON)
    assert [unit.unit for unit in model.compile(["a", "a"]).units] == ["A", "A"]


def test_a_failed_save_leaves_what_was_there(saved):
    before = saved.read_bytes()
    with pytest.raises(SpeakerGmmError):
        make_model(provenance={"a set": {1}}).save(saved)
    assert saved.read_bytes() == before
    with pytest.raises(SpeakerGmmError):
        make_model().save(saved.parent / "nowhere" / "am.safetensors")


def edited(path, change):
    arrays, metadata = load_arrays(path, kind=AcousticModel.file_kind)
    arrays = dict(arrays)
    change(arrays, metadata)
    save_arrays(path, arrays, kind=AcousticModel.file_kind, metadata=metadata)


def text(lines):
    return np.frombuffer("".join(f"{line}\n" for line in lines).encode(), np.uint8)


def bank(change, name):
    def changed(arrays, _):
        arrays[f"models.bank.{name}"] = change(arrays[f"models.bank.{name}"])

    return changed


def models(change, name):
    def changed(arrays, _):
        arrays[f"models.{name}"] = change(arrays[f"models.{name}"])

    return changed


CHANGES = {
    "no means": lambda a, m: a.pop("models.bank.means"),
    "too few means": bank(lambda means: means[:-1], "means"),
    "negative variances": bank(np.negative, "covariances"),
    "weights that sum to two": bank(lambda weights: 2 * weights, "weights"),
    "offsets that fall": bank(lambda offsets: offsets[::-1].copy(), "offsets"),
    "transitions that sum to two": models(lambda array: 2 * array, "transition_probability"),
    "transitions of others": models(lambda array: array[:-1], "transition_probability"),
    "a pdf too many": models(lambda array: array + 1, "pdf_id"),
    "no lexicon": lambda a, m: a.pop("lexicon"),
    "a lexicon of nothing": lambda a, m: a.update(lexicon=text([])),
    "a lexicon without columns": lambda a, m: a.update(lexicon=text(["a A"])),
    "a lexicon with a wrong number": lambda a, m: a.update(lexicon=text(["a\tone\tA"])),
    "a lexicon with an unlikely number": lambda a, m: a.update(lexicon=text(["a\t-1\tA"])),
    "a lexicon without phones": lambda a, m: a.update(lexicon=text(["a\t1\t"])),
    "a lexicon of other phones": lambda a, m: a.update(lexicon=text(["a\t1\tQ"])),
    "a lexicon that is no text": lambda a, m: a.update(lexicon=np.array([255, 254, 10], np.uint8)),
    "a lexicon that breaks off": lambda a, m: a.update(
        lexicon=text(["<unk>\t1.0\tSPN", "a\t1.0\tA"])[:-1]
    ),
    "more states than can be": lambda a, m: m["models"]["topologies"][0].update(n_states=2**40),
    "states beyond all numbers": lambda a, m: m["models"]["topologies"][0].update(n_states=1e300),
    "a lexicon of numbers": lambda a, m: a.update(lexicon=np.ones(9)),
    "no units": lambda a, m: m["models"].pop("units"),
    "units that are a number": lambda a, m: m["models"].update(units=5),
    "units that are numbers": lambda a, m: m["models"].update(units=[1, 2, 3, 4, 5]),
    "units without names": lambda a, m: m["models"].update(units=["A", "B", "SIL", "sp", ""]),
    "a normalisation neither true nor false": lambda a, m: m["normalisation"].update(variance="no"),
    "a unit twice": lambda a, m: m["models"].update(units=["A"] * 5),
    "topologies of nothing": lambda a, m: m["models"].update(topologies=[]),
    "topologies that are text": lambda a, m: m["models"].update(topologies="left"),
    "a topology without arcs": lambda a, m: a.pop("models.topologies.0.source"),
    "a topology with ragged arcs": lambda a, m: a.update(
        {"models.topologies.0.source": a["models.topologies.0.source"][:-1]}
    ),
    "a topology of huge numbers": lambda a, m: a.update(
        {"models.topologies.0.source": np.array([2**62])}
    ),
    "a topology of numbers that wrap": lambda a, m: a.update(
        {"models.topologies.0.source": a["models.topologies.0.source"].astype(np.int64) + 2**32}
    ),
    "a unit of no topology": lambda a, m: m["models"].update(topology_of_unit=[0, 0, 0, 0, 9]),
    "tied covariances": lambda a, m: m["models"]["bank"].update(covariance_type="tied"),
    "unheard covariances": lambda a, m: m["models"]["bank"].update(covariance_type="banded"),
    "no models": lambda a, m: m.pop("models"),
    "models that are a list": lambda a, m: m.update(models=[1, 2]),
    "no features": lambda a, m: m.pop("features"),
    "features that are text": lambda a, m: m.update(features="hmm"),
    "features with an unknown name": lambda a, m: m["features"].update(loudness=1),
    "features of another size": lambda a, m: m["features"].update(deltas=2),
    "an unknown normalisation": lambda a, m: m["normalisation"].update(scope="session"),
    "a normalisation of nothing": lambda a, m: m.update(normalisation=None),
    "a silence without a model": lambda a, m: m["silence"].update(unit="PAUSE"),
    "an unlikely silence": lambda a, m: m["silence"].update(probability=7),
    "a silence that is a list": lambda a, m: m["silence"].update(unit=["SIL"]),
    "an unknown word unheard of": lambda a, m: m.update(unknown="<oov>"),
    "an unknown word that is a list": lambda a, m: m.update(unknown=["a"]),
    "a provenance that is a list": lambda a, m: m.update(provenance=[]),
    "no provenance": lambda a, m: m.pop("provenance"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_refuses_files_whose_parts_are_wrong(saved, what):
    edited(saved, CHANGES[what])
    with pytest.raises(ModelFormatError) as caught:
        AcousticModel.load(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_truncated_and_foreign_files(saved):
    whole = saved.read_bytes()
    (header,) = struct.unpack("<Q", whole[:8])
    for content in (
        b"", whole[:7], whole[: 8 + header], whole[: len(whole) // 2], whole[:-1],
        b"RIFF" + bytes(100), b"<html>",
    ):  # fmt: skip
        saved.write_bytes(content)
        with pytest.raises(ModelFormatError, match="am"):
            AcousticModel.load(saved)
    save_arrays(saved, {"a": np.ones(1)}, kind="speaker model", metadata={})
    with pytest.raises(ModelFormatError, match="speaker model"):
        AcousticModel.load(saved)
