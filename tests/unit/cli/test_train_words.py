"""``speakergmm train-words``, as people call it."""

import json
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from speakergmm.cli.command_options import add_command
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.train_words import TrainWords
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.recognition import AcousticModel, Decoder

pytestmark = pytest.mark.usefixtures("without_confidences")

FAST = ["--states", "3", "--gaussians-per-state", "1", "--iterations", "3"]


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    found = typer.Typer()
    add_command(found, TrainWords)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two words, a high and a low tone, of two speakers."""
    place = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for word, pitch in (("high", 2500), ("low", 400)):
        (place / word).mkdir()
        for number in range(4):
            time = np.arange(3200) / 8000
            samples = 0.3 * np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.01, 3200)
            samples[:800] *= 0.01
            with wave.open(str(place / word / f"s{number % 2}_{number}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes((samples * 32767).astype("<i2").tobytes())
    return place


def call(app: typer.Typer, *arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.slow
def test_a_folder_becomes_a_model(app, folder, tmp_path):
    output = tmp_path / "words.safetensors"
    found = call(app, folder, "--output", output, *FAST)
    assert found.exit_code == 0, found.output
    assert "2 words" in found.output
    model = AcousticModel.load(output)
    assert sorted(model.lexicon) == ["high", "low"]
    assert model.features.sample_rate == 8000
    for word in ("high", "low"):
        ranked = Decoder.for_isolated_words(model).rank_words(folder / word / "s0_0.wav")
        assert ranked[0].word == word


@pytest.mark.slow
def test_options_reach_the_model(app, folder, tmp_path):
    output = tmp_path / "words.safetensors"
    found = call(
        app, folder, "-o", output, *FAST, "--warps", "0.9,1,1.1", "--normalisation", "speaker",
        "--speaker-pattern", "^(.+)_", "--seed", "3", "--json",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document["words"] == ["high", "low"]
    assert document["normalisation"]["scope"] == "speaker"
    facts = document["provenance"]
    assert facts["frequency_warps"] == [0.9, 1.0, 1.1]
    assert (facts["n_states"], facts["seed"], facts["n_speakers"]) == (3, 3, 2)


@pytest.mark.slow
def test_strict_training_refuses_a_bad_recording(app, folder, tmp_path):
    """Too short for the word, which training finds out."""
    corpus, output = tmp_path / "corpus", tmp_path / "words.safetensors"
    shutil.copytree(folder, corpus)
    with wave.open(str(corpus / "low" / "s1_9.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 300))
    found = call(app, corpus, "-o", output, *FAST, "--strict")
    assert isinstance(found.exception, InsufficientDataError)
    assert "s1_9.wav" in str(found.exception)
    assert "at least 3 frames" in str(found.exception)
    assert "\n" not in str(found.exception)
    assert not output.exists()
    found = call(app, corpus, "-o", output, *FAST)
    assert found.exit_code == 0, found.output
    assert "left out: " in found.output
    assert "trained on 8 recordings" in found.output


@pytest.mark.slow
def test_the_checkpoint_is_the_file_named(app, folder, tmp_path):
    path, output = tmp_path / "c.ckpt", tmp_path / "words.safetensors"
    path.write_bytes(b"something else")
    found = call(app, folder, "-o", output, *FAST, "--checkpoint", path)
    assert str(path) in str(found.exception)
    assert path.read_bytes() == b"something else"
    path.unlink()
    assert call(app, folder, "-o", output, *FAST, "--checkpoint", path).exit_code == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--warps", "0.9;1"], "factors with commas between"),
        (["--normalisation", "speaker"], "needs speakers"),
        (["--normalisation", "all"], "Invalid value for '--normalisation'"),
        (["--warps", "9"], "frequency_warp must be finite, >= 0.5 and <= 2"),
    ],
)
def test_what_makes_no_sense_is_refused(app, folder, tmp_path, options, message):
    found = call(app, folder, "-o", tmp_path / "words.safetensors", *FAST, *options)
    assert found.exit_code != 0
    assert message in f"{found.exception} {found.output}"


def test_another_file_is_not_written_over(app, folder, tmp_path):
    output = tmp_path / "notes.txt"
    output.write_text("mine")
    found = call(app, folder, "-o", output, *FAST)
    assert found.exit_code != 0
    assert output.read_text() == "mine"


@pytest.mark.slow
def test_models_of_phones_and_of_words_do_not_replace_each_other(app, folder, tmp_path):
    output = tmp_path / "words.safetensors"
    assert call(app, folder, "-o", output, *FAST).exit_code == 0
    assert call(app, folder, "-o", output, *FAST).exit_code == 0
    with pytest.raises(InvalidInputError, match="is not an acoustic model of phones"):
        check_output(output, "acoustic model")
    model = AcousticModel.load(output)
    replace(model, unit_kind="phone").save(output)
    check_output(output, "acoustic model")
    found = call(app, folder, "-o", output, *FAST)
    assert "is not an acoustic model of words" in str(found.exception)
