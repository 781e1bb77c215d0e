"""What the demonstration of phone models says it did is what it did."""

from functools import partial

import pytest

import speakergmm.corpora
from speakergmm.cli import demo_hmm
from speakergmm.cli.demo_hmm import HmmDemonstration
from speakergmm.recognition import AcousticModel


class Untrained:
    """In place of a model: training is not what is looked at."""

    def __init__(self):
        self.models = type("Models", (), {"n_gaussians": 300})()

    def save(self, path):
        path.write_bytes(b"")


@pytest.mark.slow
def test_as_many_recordings_as_were_decoded_are_named(tmp_path, monkeypatch):
    decoded = []

    def decode(self, model, tested, transcripts, bigram):
        decoded.extend(tested)
        return {"n_utterances": len(tested), "missing": [tested[0].id]}

    make = partial(speakergmm.corpora.make_synthetic_corpus, n_background=2, n_dev=2, n_eval=2)
    monkeypatch.setattr(speakergmm.corpora, "make_synthetic_corpus", make)
    monkeypatch.setattr(AcousticModel, "train", lambda *_, **__: Untrained())
    monkeypatch.setattr(HmmDemonstration, "_align", lambda *_, **__: {})
    monkeypatch.setattr(HmmDemonstration, "_decode", decode)
    monkeypatch.setattr(demo_hmm, "_N_LEAST_DECODED", 8)
    said = []
    HmmDemonstration(tmp_path, seed=0, jobs=1, step=said.append).run()
    assert len(decoded) > 8
    assert said[-1] == f"recognised {len(decoded) - 1} recordings with the bigram"
