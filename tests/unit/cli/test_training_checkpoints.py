"""``--checkpoint`` of every command that trains: it is kept until the model is, and read again."""

import numpy as np
import pytest
import soundfile

from speakergmm.errors import SpeakerGmmError
from speakergmm.recognition import AcousticModel
from speakergmm.speakers import BackgroundModel

pytestmark = pytest.mark.usefixtures("without_confidences")

RATE = 16_000

TRAININGS = {
    "train-ubm": ("--components", 2, "--features", "hmm"),
    "train-hmm": ("--gaussians", 8, "--iterations", 2, "--lexicon"),
    "train-words": ("--states", 3, "--gaussians-per-state", 1, "--iterations", 2),
}


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """A list of two words, a high and a low tone, and one in which a recording is another."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    rows = []
    for word, pitch in (("high", 2500), ("low", 400)):
        for number in range(5):
            samples = 0.3 * np.sin(2 * np.pi * pitch * np.arange(8000) / RATE)
            samples += rng.normal(0, 0.01, 8000)
            samples[:1600] *= 0.01
            path = folder / f"{word}-{number}.wav"
            soundfile.write(path, samples, RATE)
            rows.append(f"{path}\ts{number % 2}\t{word}")
    (folder / "lexicon.txt").write_text("high h\nlow l\n", encoding="utf-8")
    for name, listed in (("all", rows[:-1]), ("other", rows[:-2] + rows[-1:])):
        (folder / name).write_text("\n".join(["path\tspeaker\ttext", *listed]), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_a_checkpoint_is_kept_until_the_model_is_saved(
    name, speakergmm, lists, tmp_path, monkeypatch
):
    output, checkpoint, alone = tmp_path / "model", tmp_path / "c", tmp_path / "alone"

    def train(corpus="all", *more, output=output):
        options = [*TRAININGS[name], *([lists / "lexicon.txt"] if name == "train-hmm" else [])]
        return speakergmm(name, lists / corpus, "-o", output, *options, *more)

    def full(*_):
        raise SpeakerGmmError("the disk is full")

    kept = ("--checkpoint", checkpoint, "--checkpoint-seconds", 0)
    with monkeypatch.context() as patched:
        for kind in (AcousticModel, BackgroundModel):
            patched.setattr(kind, "save", full)
        failed = train("all", *kept)
    assert failed.code == 2
    assert failed.err.endswith("speakergmm: the disk is full\n")
    content = checkpoint.read_bytes()
    refused = train("other", *kept)
    assert refused.code == 2
    assert "is the checkpoint of another training, which differs in corpus, " in refused.err
    assert checkpoint.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    for done in (train("all", *kept), train("all", output=alone)):
        assert done.code == 0, done.err
    kind = BackgroundModel if name == "train-ubm" else AcousticModel
    assert kind.load(output).digest == kind.load(alone).digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "model"]
