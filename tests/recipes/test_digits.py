"""The recipe of digits runs on a little synthetic speech; its figures stand in its RESULTS.md."""

import collections
import dataclasses
import sys

import pytest
from typer.testing import CliRunner

from speakergmm.corpora import Corpus
from speakergmm.recognition import RecognisedWord, WordCorpus, WordEvaluation

pytestmark = pytest.mark.usefixtures("without_confidences")

MODULES = ("settings", "material", "folds", "tables")
SIZES = {
    "n_background": 5,
    "n_background_utterances": 4,
    "n_enrolment_utterances": 1,
    "n_trial_utterances": 1,
}


@pytest.fixture(scope="module")
def recipe(imported):
    with imported("digits", MODULES) as module:
        yield module


@pytest.fixture(scope="module")
def material(recipe, tmp_path_factory):
    return recipe.make_synthetic(tmp_path_factory.mktemp("corpus"), **SIZES)


@pytest.fixture
def quick(recipe, monkeypatch, material):
    """Three speakers, and models small enough to train in a moment."""
    speakers = material.corpus.speakers[:3]
    few = recipe.part(material, lambda u, _: u.speaker in speakers)
    small = {"max_iter": 3, "frequency_warps": (1.0,)}
    for name in ("KNOWN", "UNKNOWN"):
        settings = dataclasses.replace(getattr(recipe, name), n_states=3, gaussians_per_state=1.0)
        monkeypatch.setattr(recipe, name, settings.but(**small))
    monkeypatch.setattr(recipe, "make_synthetic", lambda *_, **__: few)
    return few


def test_settings_are_each_offered_once(recipe):
    for chosen, factors in (
        (recipe.KNOWN, recipe.KNOWN_FACTORS),
        (recipe.UNKNOWN, recipe.UNKNOWN_FACTORS),
    ):
        variants = recipe._variants(chosen, factors)
        described = [repr(settings) for _, _, settings in variants]
        assert len(set(described)) == len(described)
        for _, _, settings in variants:
            options = settings.options(sample_rate=8000, seed=1)
            assert (options.features.sample_rate, options.seed) == (8000, 1)


@pytest.mark.slow
def test_parts_share_no_recording(recipe, material):
    assert len(material.vocabulary) == 10
    train = recipe.part(material, lambda _, index: index >= recipe.TEST_INDEX)
    test = recipe.part(material, lambda _, index: index < recipe.TEST_INDEX)
    assert test.vocabulary == train.vocabulary
    assert 0 < len(test.corpus) < len(train.corpus)
    assert len(train.corpus) + len(test.corpus) == len(material.corpus)
    assert not {u.id for u in train.corpus} & {u.id for u in test.corpus}
    both = sys.modules["folds"].without_and_with(material, (material.corpus.speakers[0],))
    assert both[1].corpus.speakers == material.corpus.speakers[:1]
    assert not set(both[0].corpus.speakers) & set(both[1].corpus.speakers)


@pytest.mark.slow
def test_report_prints_all_figures(recipe, quick, tmp_path):
    found = CliRunner().invoke(recipe.app, ["report", "--synthetic", str(tmp_path)])
    assert found.exit_code == 0, found.exception
    rows = [line.split(" | ") for line in found.stdout.splitlines() if line.startswith("| ")]
    assert [cells[0] for cells in rows[2:]] == [
        "| usual split",
        "| leave one speaker out",
        "| the same without warps",
        "| the same, normalised by utterance",
    ]
    for cells in rows[3:]:
        assert int(cells[2]) == len(quick.corpus)  # each recording is tested once
        assert 0 <= int(cells[1]) <= int(cells[2])
    assert "By speaker: b001" in found.stdout


@pytest.fixture
def numbered(recipe, monkeypatch, quick):
    """The same recordings numbered from 3 for each speaker: two of hers are of the usual test."""
    pieces, words, count = [], {}, collections.Counter()
    for piece in quick.corpus:
        name = f"{quick.words[piece.id]}_{piece.speaker}_{3 + count[piece.speaker]}"
        pieces.append(dataclasses.replace(piece, id=name))
        words[name] = quick.words[piece.id]
        count[piece.speaker] += 1
    assert len(count) == 3
    assert min(count.values()) > 3
    material = WordCorpus(Corpus(tuple(pieces), source="FSDD"), words)
    monkeypatch.setattr(recipe, "read_fsdd", lambda _: material)
    return material


@pytest.fixture
def watched(recipe, monkeypatch):
    """Tell which recordings were trained on, and which tested, each time."""
    seen, real = [], recipe.run

    def run(train, test, settings, **told):
        seen.append((train.corpus, test.corpus))
        return real(train, test, settings, **{**told, "rate": 16000})

    monkeypatch.setattr(recipe, "run", run)
    monkeypatch.setattr(sys.modules["folds"], "run", run)
    return seen


def test_report_needs_one_kind_of_speech(recipe):
    assert CliRunner().invoke(recipe.app, ["report"]).exit_code != 0


def test_choices_have_no_recording_of_the_usual_test(recipe, material):
    index = {u.id: int(u.id.split("_")[2]) for u in material.corpus}
    assert min(index.values()) == 0
    for step in (1, 2, 5):
        kept = {index[u.id] for u in recipe.for_choice(material, step).corpus}
        assert kept == {i for i in index.values() if i in range(recipe.TEST_INDEX, 1000, step)}


@pytest.mark.slow
def test_choices_train_and_test_on_no_recording_of_the_usual_test(
    recipe, numbered, watched, tmp_path, monkeypatch
):
    monkeypatch.setattr(recipe, "UNKNOWN_FACTORS", {})
    monkeypatch.setattr(recipe, "KNOWN_FACTORS", {})
    told = ["choose", "--data", str(tmp_path), "--step", "1", "--all-pairs"]
    found = CliRunner().invoke(recipe.app, told)
    assert found.exit_code == 0, found.exception
    seen = {u.id for parts in watched for corpus in parts for u in corpus}
    assert seen == {u.id for u in recipe.for_choice(numbered).corpus}
    assert 0 < len(seen) < len(numbered.corpus)
    assert found.stdout.count("| chosen |") == 2


@pytest.mark.slow
def test_nested_choice_trains_and_tests(recipe, numbered, watched, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "CANDIDATES", {"one": recipe.UNKNOWN})
    told = ["nested", "--data", str(tmp_path), "--step", "1", "--scope", "utterance"]
    found = CliRunner().invoke(recipe.app, told)
    assert found.exit_code == 0, found.exception
    assert "| chosen | one | one | one |" in found.stdout
    assert "utterance, chosen for each fold: heard" in found.stdout
    assert [len(test.speakers) for _, test in watched] == [2, 2, 2, 1, 1, 1]
    assert sum(len(test) for _, test in watched[3:]) == len(numbered.corpus)
    for train, test in watched:
        assert not set(train.speakers) & set(test.speakers)
    assert CliRunner().invoke(recipe.app, [*told[:-1], "none"]).exit_code == 2


def test_nested_choice_is_blind_to_the_speaker_tested(recipe, numbered, tmp_path, monkeypatch):
    """Each fold takes what is best for the others, though its own speaker would have another."""
    speakers, tested = numbered.corpus.speakers, []

    def pretended(train, test, settings, **_):
        # The candidate called like a speaker has hers right and no other.
        own = settings.training["called"]
        if len(test.corpus.speakers) == 1:
            tested.append((test.corpus.speakers[0], own))
        return WordEvaluation(
            tuple(
                RecognisedWord(u.id, u.speaker, "a", "a" if u.speaker == own else "b", 1.0)
                for u in test.corpus
            )
        )

    monkeypatch.setattr(sys.modules["folds"], "run", pretended)
    candidates = {name: recipe.UNKNOWN.but(called=name) for name in speakers}
    monkeypatch.setattr(recipe, "CANDIDATES", candidates)
    found = CliRunner().invoke(recipe.app, ["nested", "--data", str(tmp_path)])
    assert found.exit_code == 0, found.exception
    assert [speaker for speaker, _ in tested] == list(speakers)
    assert all(speaker != own for speaker, own in tested)
    assert f"| {len(numbered.corpus)} | {len(numbered.corpus)} | 100.00 |" in found.stdout


def test_fsdd_is_read_by_its_names(recipe, data_dir):
    read = recipe.read_fsdd(data_dir)
    assert len(read.corpus) == 3000
    assert read.vocabulary == tuple("0123456789")
    assert len(read.corpus.speakers) == 6
    test = recipe.part(read, lambda _, index: index < recipe.TEST_INDEX)
    assert len(test.corpus) == 300
