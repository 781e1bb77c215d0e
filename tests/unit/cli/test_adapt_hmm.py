"""``speakergmm adapt-hmm``, as people call it."""

import numpy as np
import pytest
import soundfile

from speakergmm.recognition import AcousticModel, TrainingOptions, read_words

pytestmark = pytest.mark.usefixtures("without_confidences")
RATE = 16_000


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """A list of two words, a high and a low tone, of all speakers, and one of a single speaker."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    rows = []
    for word, pitch in (("high", 2500), ("low", 400)):
        for number in range(4):
            speaker = number % 2
            samples = 0.3 * np.sin(2 * np.pi * (pitch + 50 * speaker) * np.arange(6400) / RATE)
            samples += rng.normal(0, 0.01, 6400)
            samples[:1600] *= 0.01
            path = folder / f"{word}-{number}.wav"
            soundfile.write(path, samples, RATE)
            rows.append(f"{path}\ts{speaker}\t{word}")
    for name, listed in (("all.tsv", rows), ("one.tsv", rows[1::2])):
        (folder / name).write_text("\n".join(["path\tspeaker\ttext", *listed]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(lists):
    options = TrainingOptions.for_words(n_states=3, gaussians_per_state=1, max_iter=3)
    path = lists / "words.safetensors"
    AcousticModel.train(read_words(lists / "all.tsv"), options=options).save(path)
    return path


def test_a_model_is_adapted_and_written(speakergmm, lists, model, tmp_path):
    output = tmp_path / "one.safetensors"
    options = "--relevance-factor", 2, "--passes", 2, "--adapt-variances", "--json"
    found = speakergmm("adapt-hmm", model, lists / "one.tsv", "-o", output, *options)
    assert (found.code, found.err) == (0, "")
    document, made, old = found.json, AcousticModel.load(output), AcousticModel.load(model)
    assert document["digest"] == made.digest != old.digest
    facts = document["provenance"]
    assert (facts["n_utterances"], facts["n_speakers"]) == (4, 1)
    assert len(facts["history"]) == 2
    assert facts["options"]["adapt_variances"]
    assert facts["prior"]["digest"] == old.digest


def test_what_cannot_be_used_is_told_and_nothing_is_written(speakergmm, lists, model, tmp_path):
    output = tmp_path / "one.safetensors"
    text = (lists / "one.tsv").read_text("utf-8")
    (lists / "wrong.tsv").write_text(text.replace("\thigh", "\tmiddle"), encoding="utf-8")
    done = speakergmm("adapt-hmm", model, lists / "wrong.tsv", "-o", output, "--strict")
    assert done.code == 2
    assert "2 problems in recordings and transcripts" in done.err
    assert not output.exists()
    done = speakergmm("adapt-hmm", model, lists / "wrong.tsv", "-o", output)
    assert done.code == 0
    assert "middle" in done.err
    assert "adapted on 2 utterances" in done.out
    output.unlink()
    other = (text.replace("\tlow", "\tmiddle")).replace("\thigh", "\tmiddle")
    (lists / "none.tsv").write_text(other, encoding="utf-8")
    done = speakergmm("adapt-hmm", model, lists / "none.tsv", "-o", output)
    assert done.code == 2
    assert "no utterance can be used" in done.err.splitlines()[-1]
    assert not output.exists()


def test_a_model_of_another_kind_is_named(speakergmm, lists, tmp_path):
    done = speakergmm("adapt-hmm", lists / "one.tsv", lists / "one.tsv", "-o", tmp_path / "x")
    assert done.code == 2
    assert "not a model file of speakergmm; it is text" in done.err
