"""Headers that announce huge sizes: a process of little memory reads or refuses such files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc"),
]

TESTS = Path(__file__).parents[1]
LARGEST = 1 << 25
"""Bytes by which a process may grow over thousands of files of some kilobytes."""


@pytest.mark.parametrize(
    "names",
    [
        ("audio-wav", "audio-flac", "audio-ogg", "audio-mp3"),
        ("audio-aiff", "audio-au", "audio-sph", "audio-sds"),
        ("kaldi-ark", "record-background-model", "record-feature-store-index"),
    ],
    ids=" ".join,
)
def test_what_headers_announce_is_not_allocated(names: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "fuzz.announced", *names]
    done = subprocess.run(
        command,
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    grown = {
        words[0]: int(words[2])
        for line in done.stdout.splitlines()  # libsndfile writes to it as well
        if len(words := line.split()) == 3 and words[0] in names
    }
    assert grown.keys() == set(names)
    assert max(grown.values()) < LARGEST, grown
