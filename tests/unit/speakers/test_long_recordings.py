"""Two hours of audio go through enrolment and verification in bounded memory.

At 4 kHz, with features of few and long frames, so that it takes seconds: this shows that every step
from file to score goes block by block. Memory in other settings grows by a few flags per frame.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speakergmm.features import FeatureConfig
from speakergmm.mixtures import DiagonalMixture
from speakergmm.speakers import BackgroundModel

RATE, HOURS = 4000, 2

PROGRAM = """
import json, resource, sys
from speakergmm.speakers import BackgroundModel, SpeakerStore, enroll_into

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

folder = sys.argv[1]
background = BackgroundModel.load(f"{folder}/ubm")
def use(recording):
    report = enroll_into(
        f"{folder}/{recording}.db", "ana", f"{folder}/{recording}.wav", background=background
    )
    with SpeakerStore.open(f"{folder}/{recording}.db") as store:
        score = store.verify("ana", f"{folder}/{recording}.wav")
    return report.recordings[0].seconds, score.n_frames, score.score

short = use("short")
before = peak()
long = use("long")
print(json.dumps({"short": short, "long": long, "before": before, "growth": peak() - before}))
"""


@pytest.mark.slow
def test_two_hours_take_no_more_memory_than_a_minute(tmp_path):
    rng = np.random.default_rng(0)
    minute = 0.1 * rng.normal(size=60 * RATE) * np.repeat(rng.uniform(0.01, 1, 600), RATE // 10)
    block = (32767 * minute.clip(-1, 1)).astype(np.int16)
    soundfile.write(tmp_path / "short.wav", block, RATE)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(HOURS * 60):
            file.write(block)
    features = FeatureConfig.preset("speaker").replace(
        sample_rate=RATE, frame_length=0.05, frame_shift=0.05, n_filters=12, n_ceps=8,
        high_frequency=2000.0, low_frequency=100.0, deltas=0,
    )  # fmt: skip
    width = 9
    mixture = DiagonalMixture(
        np.full(4, 0.25), rng.normal(size=(4, width)), np.full((4, width), 9.0)
    )
    BackgroundModel(mixture, features).save(tmp_path / "ubm")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    seconds, n_frames, score = found["long"]
    assert abs(seconds - HOURS * 3600) < 1
    assert n_frames > 100 * found["short"][1]
    assert np.isfinite(score)
    # The samples alone are 110 MiB in single precision, the features 5.
    assert found["growth"] < 40, found
