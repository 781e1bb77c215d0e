"""Memory that one unit of work takes beyond the frames, measured in a process of its own.

    python -m tests.benchmarks._mixture_memory diag 1000000 39 512

The process makes the frames, does the same work on a few of them (which loads libraries and
starts threads), loads compiled code, sets the peak of its resident size back where the kernel
allows, then works on all of them. Printed is the growth of the peak over the resident size from
before, in MB (1e6 bytes). What the library of compiled code takes, once in a process, is measured
by itself, as `compiler`.
"""

import contextlib
import ctypes
import gc
import importlib
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

COMPILED = "speakergmm.gaussians.block_kernels"
ROOT = Path(__file__).resolve().parents[2]


def measure(what: str, n_frames: int, n_features: int, n_components: int) -> float:
    """MB beyond the frames that `what` takes, in a fresh process; NaN if it ended badly."""
    command = [sys.executable, "-m", "tests.benchmarks._mixture_memory", what]
    shape = [str(number) for number in (n_frames, n_features, n_components)]
    done = subprocess.run([*command, *shape], cwd=ROOT, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else float("nan")


def growth(work: Callable[[], object]) -> float:
    """Growth of the largest resident size during `work`, in MB."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        # Free memory that the C library keeps back would hide what the work takes.
        ctypes.CDLL(None).malloc_trim(0)
    before = _resident()
    try:
        # Sets the peak back to what is resident now; Linux only.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        peak = _peak_of_kernel
    except OSError:
        peak = _peak_of_process
    result = work()
    largest = peak()
    del result
    return (largest - before) / 1e6


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024.0
    raise ValueError(f"/proc/self/status has no {field}")


def _resident() -> float:
    return _status("VmRSS:")


def _peak_of_kernel() -> float:
    return _status("VmHWM:")


def _peak_of_process() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> None:
    """Print the growth for the work, frames, features and components on the command line."""
    from threadpoolctl import threadpool_limits

    from tests.benchmarks import _mixture_work as work

    what = sys.argv[1]
    if what == "compiler":
        print(growth(lambda: importlib.import_module(COMPILED)))
        return
    n_frames, n_features, n_components = (int(text) for text in sys.argv[2:5])
    X = work.make_frames(n_frames, n_components, n_features)
    some = X[:8192]
    kind, _, peer = what.partition("/")
    if kind == "variational":
        makers = {
            "": lambda frames: work.variational_iteration(frames, n_components),
            "sklearn": lambda frames: work.peer_variational_iteration(
                frames, n_components, np.float64
            ),
        }
    else:
        name = "diag" if kind == "score" else kind
        model = work.make_model(X, n_components, name)
        ours, theirs = work.em_iteration, work.peer_iteration
        if kind == "score":
            ours, theirs = work.score_samples, work.peer_score_samples
        makers = {
            "": lambda frames: ours(frames, model),
            "sklearn": lambda frames: theirs(frames, model, np.float64),
            "sklearn32": lambda frames: theirs(frames, model, np.float32),
        }
    make = makers[peer]
    with threadpool_limits(limits=1):
        make(some)()
        if not peer:
            importlib.import_module(COMPILED)
        print(growth(make(X)))


if __name__ == "__main__":
    main()
