"""One target under Atheris: ``python -m tests.fuzz.guided TARGET [LIBFUZZER OPTIONS] CORPUS``.

A second form, ``python -m tests.fuzz.guided TARGET FILE``, repeats one input that was found.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(
    include=[
        *(f"speakergmm.{room}" for room in ("audio", "corpora", "metrics", "recognition", "words")),
        *(f"speakergmm.{room}" for room in ("text_files", "documents", "files", "containers")),
        *(f"speakergmm.{room}" for room in ("records", "record_fields", "ranges", "options")),
        "speakergmm.hmm.language", "speakergmm.features.config", "speakergmm.speakers",
        "speakergmm.cli.transcript_inputs", "praatio", "tomllib",
    ],
    enable_loader_override=False,
):  # fmt: skip
    from .mutations import changed, drawn
    from .targets import TARGETS

    # Rooms import what is used: everything is used once while imports are instrumented.
    with tempfile.TemporaryDirectory() as used:
        for each in TARGETS.values() if len(sys.argv) < 2 else [TARGETS[sys.argv[1]]]:
            used_path = each.prepare(Path(used, each.name))
            for seed in each.seeds():
                each.try_bytes(used_path, seed)


def main() -> None:
    """Run libFuzzer until its limits."""
    target = TARGETS[sys.argv.pop(1)]

    def mutate(content: bytes, largest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(content, largest))
        changes = drawn(random, random.randint(1, 4))
        return changed(bytes(content), changes, target.tokens)[:largest]

    # Memory, not disk: a file is written for each input.
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = target.prepare(Path(folder))
        atheris.Setup(
            sys.argv, lambda content: target.try_bytes(path, content), custom_mutator=mutate
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
