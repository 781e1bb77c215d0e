"""Workers keep freed memory for their next task, instead of having it filled with zeros anew."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import pytest

from speakergmm.engine import Engine

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in
    os.confstr_names, reason="the C library is not glibc"
)  # fmt: skip

PAGE = 4096


@dataclass(frozen=True)
class Faults:
    """The pages that the kernel had to supply while arrays of many sizes came and went."""

    def __call__(self, number):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            arrays = [np.ones(n_bytes // 8) for n_bytes in (300_000, 2_000_000, 5_000_000)]
            del arrays
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.slow
def test_arrays_of_later_tasks_need_no_new_pages(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")  # as Dask does for its workers
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = list(Engine.of(pool).map(Faults(), range(3)))
    # The first task may take all pages once; 20 times would be 36,000.
    assert max(found[1:]) < 7_300_000 // PAGE
