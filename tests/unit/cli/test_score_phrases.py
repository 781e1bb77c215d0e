"""``score-phrases`` writes scores of trials of known words, which ``evaluate`` reads."""

import json

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import read_protocol
from speakergmm.metrics import read_scores
from speakergmm.recognition import AcousticModel, TrainingOptions, read_words
from speakergmm.speakers import score_phrases

pytestmark = pytest.mark.usefixtures("without_confidences")
RATE = 16_000
WORDS = {"up": (500, 1500), "down": (1500, 500)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Words of two tones by three speakers, lists of trials with their texts, and a model."""
    made = tmp_path_factory.mktemp("tones")
    rows, enroll = ["path\tspeaker\ttext"], ["model\tpath\ttext"]
    trials = ["model\tpath\tlabel\ttext"]
    rng = np.random.default_rng(0)
    time = np.arange(int(0.12 * RATE)) / RATE
    for place, speaker in enumerate("abc"):
        for word, pitches in WORDS.items():
            for number in range(2):
                tones = [np.sin(2 * np.pi * (1 + 0.1 * place) * each * time) for each in pitches]
                samples = np.pad(np.concatenate(tones), 800) * 0.3
                path = f"{speaker}-{word}{number}.wav"
                soundfile.write(made / path, samples + rng.normal(0, 0.01, len(samples)), RATE)
                rows.append(f"{path}\tnot-{speaker}\t{word}")
                if number:
                    trials += [
                        f"{m}\t{path}\t{'target' if m == speaker else 'nontarget'}\t{word}"
                        for m in "abc"
                    ]
                else:
                    enroll.append(f"{speaker}\t{path}\t{word}")
    tables = {"all": rows, "eval_enroll": enroll, "eval_trials": trials}
    for name, table in tables.items():
        (made / f"{name}.tsv").write_text("\n".join(table), encoding="utf-8")
    options = TrainingOptions.for_words(n_states=3, gaussians_per_state=1, max_iter=3)
    model = AcousticModel.train(read_words(made / "all.tsv"), options=options)
    model.save(made / "words.safetensors")
    return made


def test_scores_are_those_of_the_function(folder, tmp_path, speakergmm):
    model, out = folder / "words.safetensors", tmp_path / "scores.tsv"
    options = ("--relevance-factor", 2, "--adapt-variances", "--json")
    done = speakergmm("score-phrases", model, folder, "-o", out, *options)
    assert done.code == 0, done.err
    assert done.json["n_trials"] == 18
    expected = score_phrases(
        read_protocol(folder), model, relevance_factor=2.0, adapt_variances=True
    )
    found = read_scores(out)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.conditions["text"].tolist() == expected.conditions["text"].tolist()
    settings = json.loads((tmp_path / "scores.tsv.json").read_text(encoding="utf-8"))
    assert settings["scoring"]["relevance_factor"] == 2.0
    assert settings["acoustic model"]["digest"] == AcousticModel.load(model).digest
    done = speakergmm("evaluate", out, "--n-bootstrap", 0, "--json")
    assert done.code == 0, done.err


def test_a_refusal_is_one_line_and_writes_nothing(folder, tmp_path, speakergmm):
    lists, out = tmp_path / "lists", tmp_path / "scores.tsv"
    lists.mkdir()
    for name in ("eval_enroll.tsv", "eval_trials.tsv"):
        text = (folder / name).read_text("utf-8").replace("\tdown", "\tsideways")
        (lists / name).write_text(text, encoding="utf-8")
    call = ("score-phrases", folder / "words.safetensors", lists, "--data-dir", folder, "-o", out)
    done = speakergmm(*call)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"speakergmm: {lists}: eval: words of the texts are not in the lexicon of the acoustic "
        "model: 'sideways'\n"
    )
    without = (folder / "eval_trials.tsv").read_text("utf-8").replace("\tup\n", "\t\n")
    (lists / "eval_trials.tsv").write_text(without, encoding="utf-8")
    done = speakergmm(*call)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "eval_trials.tsv:2: 'text' is empty" in done.err
    done = speakergmm("score-phrases", folder / "all.tsv", lists, "-o", out)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert not list(tmp_path.glob("scores*"))
