"""``score-embeddings`` writes scores of a protocol that ``evaluate`` reads."""

import json

import numpy as np
import pytest

from speakergmm.corpora import read_protocol
from speakergmm.metrics import read_scores
from speakergmm.speakers import score_embeddings


@pytest.fixture
def lists(tmp_path):
    """A protocol and embeddings of its recordings, none of which exists."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "lists"
    folder.mkdir()
    names, vectors = [], []
    tables = {"background.tsv": ["speaker\tpath"]}
    for split in ("dev", "eval"):
        tables[f"{split}_enroll.tsv"] = ["model\tpath"]
        tables[f"{split}_trials.tsv"] = ["model\tpath\tlabel"]
    for group, n_speakers in (("background", 8), ("dev", 5), ("eval", 5)):
        speakers = [f"{group[0]}{number}" for number in range(n_speakers)]
        for speaker in speakers:
            for number, voice in enumerate(2 * rng.normal(size=5) + rng.normal(size=(4, 5))):
                path = f"{speaker}/{number}.wav"
                names.append(path)
                vectors.append(voice)
                if group == "background":
                    tables["background.tsv"].append(f"{speaker}\t{path}")
                elif number < 2:
                    tables[f"{group}_enroll.tsv"].append(f"{speaker}\t{path}")
                else:
                    tables[f"{group}_trials.tsv"] += [
                        f"{m}\t{path}\t{'target' if m == speaker else 'nontarget'}"
                        for m in speakers
                    ]
    for name, rows in tables.items():
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    np.save(tmp_path / "x.npy", np.array(vectors))
    (tmp_path / "x.ids").write_text("\n".join(names), encoding="utf-8")
    return folder


def test_scores_are_those_of_the_function(lists, tmp_path, speakergmm):
    options = ("--scorer", "cosine", "--normalisation", "wccn", "--score-norm", "s", "--llr")
    out = tmp_path / "llrs.tsv"
    done = speakergmm("score-embeddings", tmp_path / "x.npy", lists, "-o", out, *options, "--json")
    assert done.code == 0, done.err
    assert done.json["n_trials"] == 50
    expected = score_embeddings(
        read_protocol(lists),
        tmp_path / "x.npy",
        scorer="cosine",
        normalisation="wccn",
        score_normalisation="s",
        llr=True,
    )
    found = read_scores(out)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    settings = json.loads((tmp_path / "llrs.tsv.json").read_text(encoding="utf-8"))
    assert settings["scoring"]["analysis"]["normalisation"] == "wccn"
    assert settings["embeddings"] == "72 of 5 dimensions"
    done = speakergmm("evaluate", out, "--llr", "--n-bootstrap", 0, "--json")
    assert done.code == 0, done.err


def test_a_refusal_is_one_line_and_writes_nothing(lists, tmp_path, speakergmm):
    out = tmp_path / "scores.tsv"
    np.save(tmp_path / "x.npy", np.full((72, 5), np.nan))
    done = speakergmm("score-embeddings", tmp_path / "x.npy", lists, "-o", out)
    assert (done.code, done.out) == (2, "")
    assert (
        done.err == f"speakergmm: {tmp_path}/x.npy: row 0 holds numbers that are NaN or infinite\n"
    )
    assert not out.exists()
