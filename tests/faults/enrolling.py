"""Programs of the test of a crowd at one store: they enrol, or verify until all have enrolled."""

import json
import sys
import time
from pathlib import Path

from speakergmm.speakers import SpeakerStore, enroll_into


def blocked_seconds():
    """Return the time in which this thread could not go on, beside waiting for a free core."""
    running, queueing, _ = map(int, Path("/proc/thread-self/schedstat").read_text().split())
    return time.monotonic() - (running + queueing) / 1e9


def enrol(store, name, n_speakers, wavs):
    for number in range(n_speakers):
        wav = wavs[number % len(wavs)]
        report = enroll_into(store, f"{name}-{number}", wav)
        assert report.n_sessions == 1


def verify(store, speaker, n_expected, wavs):
    """Open, list and verify until all are there; print scores, counts and the longest waits."""
    counts, scores, waits = [], set(), []
    while not counts or counts[-1] < n_expected:
        began = blocked_seconds()
        with SpeakerStore.open(store) as opened:
            found = opened.speakers()
            assert all(each.n_sessions == 1 for each in found)
            counts.append(len(found))
            scores.add(opened.verify(speaker, wavs[0]).score)
            last = max(found, key=lambda each: each.last_enrolled)
            assert opened.model(last.name).mixture.n_components > 0
        waits.append(blocked_seconds() - began)
    print(json.dumps({"counts": counts, "scores": sorted(scores), "longest_wait": max(waits)}))


if __name__ == "__main__":
    task, store, name, number, *wavs = sys.argv[1:]
    {"enrol": enrol, "verify": verify}[task](store, name, int(number), wavs)
