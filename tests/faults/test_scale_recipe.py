"""The recipe of scale: on a cluster that loses a worker the model is that of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")
pytestmark = pytest.mark.faults

RECIPE = Path(__file__).parents[2] / "recipes" / "scale" / "run.py"


def test_a_worker_that_is_killed_changes_no_bit(tmp_path):
    ways = ("serial", "dask-worker-killed")
    options = ["--folder", tmp_path, "--speakers", 2, "--components", 4, "--shard-frames", 1000]
    for way in ways:
        options += ["--way", way]
    done = subprocess.run(
        [sys.executable, RECIPE, *map(str, options)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line][2:]
    rows = {name.strip(): [cell.strip(" |") for cell in cells] for name, *cells in table}
    assert tuple(rows) == ways
    assert rows["serial"][3] == rows["dask-worker-killed"][3]
    assert rows["dask-worker-killed"][4] == "a worker in iteration 4"
    assert "is gone" in done.stderr
