"""The option --augment: recordings in several conditions."""

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import Corpus, Utterance


@pytest.fixture
def corpus(tmp_path):
    rng = np.random.default_rng(0)
    level = np.where(abs(np.arange(8000) - 4000) < 3000, 0.2, 0.001)
    for name in ("a1", "a2", "b1"):
        soundfile.write(tmp_path / f"{name}.wav", level * rng.normal(size=8000), 16000)
    utterances = [Utterance(n, tmp_path / f"{n}.wav", n[0]) for n in ("a1", "a2", "b1")]
    return Corpus(tuple(utterances), source="made")


@pytest.mark.slow
def test_commands_take_conditions(corpus, tmp_path, speakergmm):
    store, model = tmp_path / "store", tmp_path / "model.safetensors"
    folder = corpus.utterances[0].path.parent
    listed = tmp_path / "list.tsv"
    rows = [f"{each.speaker}\t{each.path.name}\n" for each in corpus]
    listed.write_text("speaker\tpath\n" + "".join(rows))
    more = ["--data-dir", folder, "--json"]
    done = speakergmm("extract", listed, *more, "-o", store, "--augment", "clean,noise")
    assert done.code == 0, done.err
    assert (done.json["n_utterances"], done.json["n_versions"], done.json["n_others"]) == (6, 3, 0)
    done = speakergmm(
        "train-ubm", listed, *more, "-o", model, "--augment", "clean,noise", "--components", 2
    )
    assert done.code == 0, done.err
    assert done.json["augmentation"] == {"conditions": ["clean", "noise"], "seed": 0}
    from_store = speakergmm("train-ubm", store, "-o", model, "--components", 2)
    assert "of 3 recordings in 2 conditions, " in from_store.out
    assert done.json["digest"][:12] in from_store.out
    mapping = ("--feature-mapping", "clean")
    mapped = speakergmm("train-ubm", store, "-o", model, "--components", 2, *mapping)
    assert "of 3 recordings in 2 conditions, mapped to clean, " in mapped.out
    plain = ("--augment", "none")
    alone = speakergmm("train-ubm", listed, *more, "-o", model, *mapping, *plain)
    assert (alone.code, alone.err.strip()) == (
        2,
        "speakergmm: feature mapping needs recordings in several conditions, found them as they "
        "are alone; give augmentation='default' (train-ubm --augment default), or a feature store "
        "that was extracted with it",
    )
    again = speakergmm("extract", listed, *more, "-o", store)
    assert again.json["n_others"] == 0
    shown = speakergmm("info", model)
    assert "augmentation.conditions" in shown.out
    wrong = speakergmm("train-ubm", listed, *more, "-o", model, "--augment", "clean,nois")
    assert (wrong.code, wrong.err.strip()) == (
        2,
        "speakergmm: there is no condition 'nois'; did you mean 'noise'?",
    )
