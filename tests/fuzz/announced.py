"""A process of little memory that reads files whose headers announce huge sizes.

    PYTHONPATH=tests python -m fuzz.announced TARGET...

It prints, for each target, how many files it read, and by how many bytes the largest memory of the
process grew, that of libraries in C included.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .mutations import INTEGERS
from .targets import TARGETS

ALLOWED = 1 << 29
"""Bytes of address space that reading may take beyond what the process has before."""

_HEADER = 160


def announcing(seed: bytes) -> Iterator[bytes]:
    """Yield a file with the largest numbers in the place of each two, four or eight bytes."""
    for place in range(0, min(_HEADER, len(seed)), 2):
        for number in INTEGERS:
            if len(number) > 1 and place % len(number) == 0:
                yield seed[:place] + number + seed[place + len(number) :]


def main() -> None:
    """Read the files of each target that is named."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = [(TARGETS[name], TARGETS[name].prepare(Path(folder))) for name in sys.argv[1:]]
        for target, path in prepared:
            for seed in target.seeds():
                target.try_bytes(path, seed)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ALLOWED,) * 2)
        for target, path in prepared:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            files = [file for seed in target.seeds() for file in announcing(seed)]
            for file in files:
                target.try_bytes(path, file)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(target.name, len(files), 1024 * grown)


if __name__ == "__main__":
    main()
